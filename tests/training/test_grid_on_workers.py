"""A grid whose runs workers of a cluster do: the rows of one process, from the options of the command alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chop.cli.app import main
from tests.pool.cluster import running

ARGUMENTS = [
    "train", "jsc-tiny", "jsc-synth", "--accelerator", "cpu", "--cpu", "0", "--max-epochs", "1", "--batch-size", "1024",
    "--grid", "learning_rate=1e-3,1e-2", "--repeats", "2", "--project-dir",
]  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.rglob("grid.csv")
    with file.open() as lines:
        return [
            {k: v for k, v in row.items() if not k.startswith("seconds")} for row in csv.DictReader(lines)
        ]


def test_the_command_trains_the_same_rows_on_a_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")
    assert main([*ARGUMENTS, str(tmp_path / "here"), "--workers", "1"]) == 0
    (tmp_path / "cluster").mkdir()
    with running(tmp_path / "cluster", 1) as cluster:
        assert main([*ARGUMENTS, str(tmp_path / "there"), "--cluster", str(cluster.file)]) == 0
    assert len(rows(tmp_path / "here")) == 4
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
