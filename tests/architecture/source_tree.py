"""The project's own files, for tests that read source text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "python" / "chop"
CPP = REPO / "cpp" / "chop"
CPP_SUFFIXES = {".h", ".cpp", ".inl"}


def name_of(path: Path) -> str:
    """The path as the messages of the tests show it."""
    return path.relative_to(REPO).as_posix()


def python_files(*folders: str) -> list[Path]:
    """Python files of the package and of ``folders`` of the repository, sorted."""
    roots = [PACKAGE, *(REPO / folder for folder in folders)]
    return sorted(path for root in roots for path in root.rglob("*.py"))


def cpp_files(*folders: str) -> list[Path]:
    """C++ files under cpp/chop and in ``folders`` of the repository, sorted."""
    roots = [CPP, *(REPO / folder for folder in folders)]
    return sorted(path for root in roots for path in root.rglob("*") if path.suffix in CPP_SUFFIXES)


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a Python file with its dotted name, ``torch.save`` or ``.write_text`` for a method."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Call):
            yield node, _dotted(node.func)


def _dotted(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        owner = function.value
        return f"{owner.id}.{function.attr}" if isinstance(owner, ast.Name) else f".{function.attr}"
    return ""


def includes(path: Path) -> list[tuple[int, str]]:
    """Line number and target of every ``#include`` of a C++ file."""
    pattern = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(n, found[1]) for n, line in enumerate(lines, 1) if (found := pattern.match(line))]
