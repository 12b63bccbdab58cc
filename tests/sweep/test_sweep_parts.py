"""Sweeps that stream to disk, are killed and go on; files for others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chop.search import sweep
from chop.tools.errors import ConfigError
from tests.sweep.spaces import evaluator, table

PROGRAM = """
import sys, time
from chop.search import parts, sweep
from tests.sweep.spaces import evaluator, table
put = parts.StoredParts.put
def slowly(self, index, part):
    put(self, index, part)
    time.sleep(0.2)
parts.StoredParts.put = slowly
sweep(evaluator(rows=2000), table(), path=sys.argv[1], threads=1, part=16)
"""
OBJECTIVES = ("accuracy", "average_bitwidth")


def test_a_killed_sweep_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])
    limit = time.monotonic() + 60
    while len(list(folder.glob("part-*.npz"))) < 3:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.npz")}
    assert 3 <= len(there) < 14
    ev = evaluator(rows=2000)
    found, whole = sweep(ev, table(), path=folder, part=16), sweep(ev, table())
    assert found.front == whole.front
    assert found.evaluated + found.pruned == 216
    assert all((folder / name).stat().st_mtime_ns == when for name, when in there.items())
    again = sweep(ev, table(), path=folder, part=16)
    assert again.front == whole.front and again.seconds < 5
    np.testing.assert_array_equal(again.results["accuracy"], found.results["accuracy"])


def test_a_folder_with_another_sweep_is_refused(tmp_path: Path) -> None:
    sweep(evaluator(rows=200), table(), path=tmp_path / "s")
    for ev, space, objectives, what in (
        (evaluator(rows=201), table(), {"accuracy": "maximize"}, "model and data, objectives"),
        (
            evaluator(rows=200),
            table("name"),
            {"accuracy": "maximize", "average_bitwidth": "minimize"},
            "configurations",
        ),
    ):
        with pytest.raises(ConfigError, match=what):
            sweep(ev, space, objectives, path=tmp_path / "s")


def test_too_large_for_memory_asks_for_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chop.search.sweeping.MOST_IN_MEMORY", 1000)
    with pytest.raises(ConfigError, match="give a path"):
        sweep(evaluator(rows=100), table())


def test_save_npz(tmp_path: Path) -> None:
    found = sweep(evaluator(rows=300), table(), prune=False)
    path = found.save(tmp_path / "results.npz")
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["accuracy"], found.results["accuracy"])
        widths = sorted(name for name in file if name.endswith("weight_width"))
        assert len(widths) == 3
        for number in (0, 100, 215):
            for name in widths:
                node = name.split("/")[0]
                assert file[name][number] == found.config(number)[node]["config"]["weight_width"]
        about = json.loads(str(file["about"]))
    assert about["configurations"] == 216 and list(about["objectives"]) == list(OBJECTIVES)


def test_save_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    found = sweep(evaluator(rows=300), table())
    path = found.save(tmp_path / "results")
    assert path.suffix == ".parquet"
    read = parquet.read_table(path)
    np.testing.assert_array_equal(read["accuracy"].to_numpy(), found.results["accuracy"])
    assert json.loads(read.schema.metadata[b"chop.sweep"])["pruned"] == found.pruned


def test_save_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = sweep(evaluator(rows=300), table())
    assert found.save(tmp_path / "results").suffix == ".npz"
    with pytest.raises(ConfigError, match="needs pyarrow"):
        found.save(tmp_path / "results.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.npz"]
