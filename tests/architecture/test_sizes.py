"""Small files and small functions. When a file passes the limit, look for the noun that it hides."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import cpp_files, name_of, python_files, syntax_tree

LONGEST_FILE = 300
LONGEST_FUNCTION = 60
# Longer ones that a reader is better off with in one piece, each with its reason.
ALLOWED_FUNCTIONS: dict[str, str] = {}


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of each function; a docstring is not counted."""
    for node in ast.walk(syntax_tree(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno is None:
            continue
        length = node.end_lineno - node.lineno + 1
        first = node.body[0]
        if ast.get_docstring(node) is not None and first.end_lineno is not None:
            length -= first.end_lineno - first.lineno + 1
        yield f"{name_of(path)}::{node.name}", length


def cpp_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Line and length of each function: a block that opens after `)`, up to the brace at its own depth."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start, indent = None, ""
    for number, line in enumerate(lines, 1):
        if start is None and (found := re.match(r"^( {0,2})\S.*\)[^;{}]*\{\s*$", line)):
            start, indent = number, found[1]
        elif start is not None and re.match(rf"^{indent}\}}", line):
            yield f"{name_of(path)}:{start}", number - start + 1
            start = None


def test_files_are_short() -> None:
    paths = [*python_files("tests"), *cpp_files("tests/cpp")]
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert len(lengths) > 100
    long = {name: n for name, n in lengths.items() if n > LONGEST_FILE}
    assert not long, f"over {LONGEST_FILE} lines: {long}"


def test_functions_are_short() -> None:
    functions = dict(f for path in python_files("tests") for f in python_functions(path))
    functions |= dict(f for path in cpp_files("tests/cpp") for f in cpp_functions(path))
    assert len(functions) > 500
    long = {
        name: n for name, n in functions.items() if n > LONGEST_FUNCTION and name not in ALLOWED_FUNCTIONS
    }
    assert not long, f"over {LONGEST_FUNCTION} lines: {long}"


def test_allowed_functions_still_need_it() -> None:
    functions = dict(f for path in python_files("tests") for f in python_functions(path))
    stale = [name for name in ALLOWED_FUNCTIONS if functions.get(name, 0) <= LONGEST_FUNCTION]
    assert not stale and len(ALLOWED_FUNCTIONS) <= 5


def test_cpp_functions_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.cpp"
    source.write_text("void f(int a) {\n  g();\n}\n\nclass C {\n  int m() const {\n    return 1;\n  }\n};\n")
    monkeypatch.setattr("tests.architecture.test_sizes.name_of", lambda path: path.name)
    assert list(cpp_functions(source)) == [("a.cpp:1", 3), ("a.cpp:6", 3)]
