"""Fixtures that every test folder uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


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
