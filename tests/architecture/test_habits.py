"""Habits: names that say something, one writer of files, one writer of text, no pickles."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO, calls, cpp_files, name_of, python_files, syntax_tree

EMPTY_NAMES = {"utils", "util", "common", "base", "misc", "helpers", "helper"}
# Import paths that MASE exposes; thin ones.
MASE_PATHS = {
    "python/chop/models/utils.py",
    "python/chop/passes/graph/utils.py",
    "python/chop/passes/graph/utils/__init__.py",
}
THIN = 120

PICKLE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
PICKLE_CALLS = {"pickle.load", "pickle.loads", "np.load", "numpy.load", "pd.read_pickle", "joblib.load"}
# Where a library must write for itself, into a place that is then renamed or only ever appended to.
MAY_WRITE = {
    "python/chop/tools/atomic_write.py",
    "python/chop/training/scalar_log.py",  # TensorBoard's events, which are only ever appended to
    "python/chop/actions/search/journal/file.py",  # an append-only log: cuts a torn last line off
}


def test_no_file_has_an_empty_name() -> None:
    paths = [*python_files("tests"), *cpp_files("tests/cpp")]
    named = [path for path in paths if path.stem.removeprefix("test_") in EMPTY_NAMES]
    named += [f / "__init__.py" for f in {p.parent for p in paths} if f.name in EMPTY_NAMES]
    wrong = {name_of(path) for path in named} - MASE_PATHS
    assert not wrong, f"name what they hold: {sorted(wrong)}"


def test_mase_paths_stay_thin() -> None:
    long = [p for p in MASE_PATHS if (REPO / p).exists() and len((REPO / p).read_text().splitlines()) > THIN]
    assert not long


def find(paths: list[Path], wanted: set[str]) -> list[str]:
    return [f"{name_of(p)}:{call.lineno} {name}" for p in paths for call, name in calls(p) if name in wanted]


def test_no_print_and_no_exit() -> None:
    wrong = find(python_files(), {"print", "exit", "quit", "sys.exit", "os._exit", "breakpoint"})
    # The module's own entry point hands main()'s code to the shell; Ctrl-C among the imports must not raise in them.
    allowed = ("python/chop/__main__.py", "python/chop/_interrupt.py")
    assert not [w for w in wrong if not w.startswith(allowed)], "\n".join(wrong)


def test_only_the_writer_uses_standard_output() -> None:
    found = [
        name_of(path)
        for path in python_files()
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout.write"
    ]
    assert found == ["python/chop/tools/writer.py"]


def test_no_bare_except() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("tests")
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not wrong


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_no_pickle_loader() -> None:
    wrong = [
        f"{name_of(p)} imports {m}" for p in python_files() for m in imported_modules(p) & PICKLE_MODULES
    ]
    for path in python_files():
        for call, name in calls(path):
            options = {k.arg: ast.unparse(k.value) for k in call.keywords}
            if name == "torch.load" and options.get("weights_only") != "True":
                wrong.append(f"{name_of(path)}:{call.lineno} torch.load without weights_only=True")
            if name in PICKLE_CALLS and options.get("allow_pickle") != "False":
                wrong.append(f"{name_of(path)}:{call.lineno} {name} without allow_pickle=False")
    assert not wrong, "\n".join(wrong)


def writes(call: ast.Call, name: str) -> bool:
    """Whether a call writes to a path that it is given; a buffer in memory is fine."""
    last = name.split(".")[-1]
    if last in {"write_text", "write_bytes"}:
        return True
    if last != "open" or name in {"os.open", ".open_dataset"}:
        return False
    positional = call.args[1:] if name == "open" else call.args  # the builtin's first one is the path
    constants = [a for a in positional if isinstance(a, ast.Constant)]
    constants += [k.value for k in call.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)]
    modes = [constant.value for constant in constants if isinstance(constant.value, str)]
    return any(re.fullmatch(r"[rwaxbt+]{1,3}", mode) and set(mode) & set("wax+") for mode in modes)


def test_only_atomic_write_writes_files() -> None:
    wrong = [
        f"{name_of(path)}:{call.lineno} {name}"
        for path in python_files()
        if name_of(path) not in MAY_WRITE
        for call, name in calls(path)
        if writes(call, name)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("open(p, 'w')", True),
        ("open(p)", False),
        ("path.open('rb')", False),
        ("path.open(mode='ab')", True),
        ("p.write_text('x')", True),
        ("open('a')", False),
        ("path.open('r+b')", True),
    ],
)
def test_what_counts_as_writing(source: str, answer: bool) -> None:
    call = ast.parse(source).body[0].value  # type: ignore[attr-defined]
    function = call.func
    name = function.id if isinstance(function, ast.Name) else f".{function.attr}"
    assert writes(call, name) is answer


def test_text_names_no_machine() -> None:
    # Paths of somebody's home or build folder help nobody else.
    pattern = re.compile(r"/(?:home|root|Users|work)/\w+")
    files = [
        *python_files("tests"),
        *cpp_files("tests/cpp"),
        *REPO.glob("*.md"),
        *(REPO / "configs").rglob("*.toml"),
        *(path for path in (REPO / "docs").rglob("*.*") if path.suffix in (".md", ".py", ".svg")),
    ]
    this = Path(__file__).resolve()
    wrong = [name_of(p) for p in files if p != this and pattern.search(p.read_text(encoding="utf-8"))]
    assert not wrong


def needs_docstring(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return False
    overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
    return not overload and ast.get_docstring(node) is None


def test_public_names_say_what_they_are() -> None:
    missing = []
    for path in python_files():
        tree = syntax_tree(path)
        if tree.body and ast.get_docstring(tree) is None:
            missing.append(name_of(path))
        lacking = [node for node in tree.body if needs_docstring(node)]
        missing += [f"{name_of(path)}:{node.lineno}" for node in lacking]
    assert not missing, "\n".join(missing)
