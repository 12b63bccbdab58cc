"""Notebooks are pairs of a script and an .ipynb without outputs, and are all listed with their times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source_tree import REPO

FOLDER = REPO / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
NAMES = [
    "digits",
    "export",
    "formats",
    "hardware",
    "lab1_training",
    "lab2_passes",
    "lab3_search",
    "lab4_channels",
    "n_bits",
    "own_optuna_study",
    "real_jets",
]


def cells_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]


def test_all_notebooks_are_pairs() -> None:
    assert [path.stem for path in SCRIPTS] == NAMES
    assert [path.stem for path in sorted(FOLDER.glob("*.ipynb"))] == NAMES


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_both_halves_say_the_same(script: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    ours = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    theirs = [(cell["cell_type"], "".join(cell["source"])) for cell in cells_of(script)]
    assert ours == theirs, f"run: jupytext --update --to ipynb notebooks/{script.name}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_outputs_are_stripped(script: Path) -> None:
    code = [cell for cell in cells_of(script) if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_opens_with_what_one_learns_and_how_long_it_takes(script: Path) -> None:
    first = "".join(cells_of(script)[0]["source"])
    assert first.startswith("# ") and "**You will learn**" in first
    seconds = re.search(r"\*\*Time\*\*: about (\d+) seconds to run", first)
    assert seconds is not None
    row = re.search(rf"\[{script.stem}\]\({script.stem}\.ipynb\)[^\n]*\| (\d+) s \|", listing())
    assert row is not None and row[1] == seconds[1]


def test_all_of_them_take_less_than_five_minutes() -> None:
    assert sum(map(int, re.findall(r"\| (\d+) s \|", listing()))) < 300


def listing() -> str:
    return (FOLDER / "README.md").read_text(encoding="utf-8")
