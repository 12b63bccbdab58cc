"""The Python layers, as import-linter sees them; the contracts stand in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.architecture.source_tree import PACKAGE, REPO, name_of, python_files, syntax_tree

pytest.importorskip("importlinter", reason="import-linter is not installed: pip install '.[test]'")


def test_import_contracts_are_kept() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=REPO,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(REPO / "python"), "PATH": "", "NO_COLOR": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_only_the_core_package_loads_the_compiled_module() -> None:
    # Everybody else goes through chop._core, so that the check of the torch version comes first.
    wrong = []
    for path in python_files():
        for node in ast.walk(syntax_tree(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if "chop._core.native" in names and path.parent != PACKAGE / "_core":
                wrong.append(name_of(path))
    assert not wrong
