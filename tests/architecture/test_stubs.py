"""The committed stubs say what the compiled module has, and the package says that it is typed."""

from __future__ import annotations

import ast
import re

import pytest

from chop import _core
from chop._core import native
from tests.architecture.source_tree import PACKAGE

STUB = PACKAGE / "_core" / "native.pyi"


def members(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


DECLARED = members(ast.parse(STUB.read_text()).body)


def public(owner: object) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists() and STUB.exists()


def test_stub_names_the_module_members() -> None:
    assert {name for name in DECLARED if not name.startswith("_")} == public(native)
    assert "__version__" in DECLARED


@pytest.mark.parametrize("name", sorted(n for n, v in vars(native).items() if isinstance(v, type)))
def test_stub_names_the_class_members(name: str) -> None:
    declared = DECLARED[name]
    assert isinstance(declared, ast.ClassDef)
    assert {m for m in members(declared.body) if not m.startswith("_")} == public(getattr(native, name))


def functions_of_stub() -> list[tuple[object, str, ast.FunctionDef]]:
    """Owner, name and declaration of each function and method that is neither a property nor special."""
    found: list[tuple[object, str, ast.FunctionDef]] = []
    for name, node in DECLARED.items():
        if name.startswith("_"):
            continue
        owner = getattr(native, name) if isinstance(node, ast.ClassDef) else native
        inner = members(node.body) if isinstance(node, ast.ClassDef) else {name: node}
        for member, function in inner.items():
            if not isinstance(function, ast.FunctionDef) or member.startswith("__"):
                continue
            if not isinstance(vars(owner)[member], property):
                found.append((owner, member, function))
    return found


def test_stub_names_the_arguments() -> None:
    assert len(functions_of_stub()) >= 10
    for owner, name, declared in functions_of_stub():
        # pybind11 writes the signature into the first line of the docstring.
        signature = getattr(owner, name).__doc__.splitlines()[0].split(" -> ")[0]
        arguments = [argument for argument in re.findall(r"(\w+): ", signature) if argument != "self"]
        assert [a.arg for a in declared.args.args if a.arg != "self"] == arguments, f"{name}: {signature}"


def test_core_package_exports_all_of_it() -> None:
    assert public(native) <= set(_core.__all__)
