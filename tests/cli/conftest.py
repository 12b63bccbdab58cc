"""A small data set, and a way to run ``ch`` in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from chop.cli.app import main
from chop.tools.logger import get_logger


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """400 rows of 16 features in 5 separable classes, as an .npz file."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 400)
    centres = rng.normal(size=(5, 16)) * 2
    x = (centres[y] + rng.normal(size=(400, 16))).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture(autouse=True)
def _leave_the_logger_as_it_was():
    """A run installs a handler and stops propagation, which would blind caplog in later tests."""
    logger = get_logger()
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@dataclass
class Outcome:
    """Exit code, standard output and error, and the files that a run left (relative paths)."""

    code: int
    out: str
    err: str
    files: set[str]

    def is_refused(self, *said: str) -> None:
        """Exit code 2, nothing written, and one line that holds all of ``said``."""
        assert self.code == 2, self.err
        assert self.files == set()
        lines = [line for line in self.err.splitlines() if not line.startswith(("INFO ", "WARNING "))]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("ch: ")
        for words in said:
            assert words in lines[0], lines[0]
        assert "Traceback" not in self.out + self.err


@pytest.fixture
def ch(tmp_path, tmp_path_factory, monkeypatch, capsys):
    """Run ``ch`` with the given words in an empty working folder, without network or cached data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHOP_DATA_DIR", raising=False)
    cache = tmp_path_factory.mktemp("cache")

    def offline(*args: object, **options: object) -> None:
        raise ConnectionError("tests use no network")

    monkeypatch.setattr("pooch.retrieve", offline)
    monkeypatch.setattr("pooch.os_cache", lambda name: cache)

    def run(*words: object) -> Outcome:
        before = set(tmp_path.rglob("*"))
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        new = {path.relative_to(tmp_path).as_posix() for path in set(tmp_path.rglob("*")) - before}
        return Outcome(code, captured.out, captured.err, new)

    return run
