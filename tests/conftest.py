"""Fixtures that every test folder uses."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

from tests import programs

# A loaded machine is no failure; CI runs the same examples each time, a developer new ones.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

REPO = Path(__file__).resolve().parents[1]
LONGEST = (
    "tests/pool/test_pools",
    "tests/search/test_killed_commands",
    "tests/search/test_on_workers",
    "tests/meaning/",
    "tests/study_report/",
    "tests/architecture/test_docs",
    "tests/native/test_processes",
    "tests/benchmarks/evaluator/",
    "tests/export/test_cpp",
    "tests/cli/test_full_disk",
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes run the tests: one a core for whole folders, none of their own for files and measurements."""
    alone = config.option.markexpr in {"benchmark", "soak"} or config.option.capture == "no"
    named = [Path(argument.partition("::")[0]).suffix for argument in config.args]
    return 0 if alone or all(suffix == ".py" for suffix in named) else len(os.sched_getaffinity(0))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """What collecting imports and makes stays to the end: looking for garbage in it took longer than many tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, so that no process works alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def repo_dir() -> Path:
    """The checkout that the tests belong to."""
    return REPO


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with recorded reference outputs and real data; absent in a user's checkout."""
    folder = Path(os.environ.get("CHOP_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference folder at {folder}: set CHOP_SHARED to one to run this test")
    return folder


@pytest.fixture
def quick_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target ``torch`` runs its file in a process that need not import torch first (tests/programs.py)."""
    monkeypatch.setattr("chop.export.torch_program.subprocess", SimpleNamespace(run=programs.command))
