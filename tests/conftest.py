"""Fixtures that every test folder uses."""

from __future__ import annotations

import os
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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes run the tests: one a core for whole folders, none of their own for files and measurements."""
    alone = config.option.markexpr in {"benchmark", "soak"} or config.option.capture == "no"
    named = [Path(argument.partition("::")[0]).suffix for argument in config.args]
    return 0 if alone or all(suffix == ".py" for suffix in named) else len(os.sched_getaffinity(0))


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
