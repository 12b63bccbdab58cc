"""Grids: tables, any number of workers, failed runs, and a grid that is killed and continued."""

from __future__ import annotations

import csv
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from chop.tools.errors import ConfigError
from chop.training import grid
from chop.training.axes import AXES, parse_axes
from tests.training.conftest import toy

ARGS = {"max_epochs": 2, "accelerator": "cpu"}
AXIS = {"learning_rate": [1e-3, 1e-2], "batch_size": [16, 256]}


def make(data: Any, axes: Any = None, model: Any = toy, **options: Any) -> Any:
    options = {"repeats": 2, "workers": 2, "trainer_args": ARGS, "bar": False} | options
    return grid(model, data, axes or AXIS, classes=5, **options)


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return timeless(list(csv.DictReader(file)))


def test_figures_are_those_of_single_runs(small: Any, run: Any, tmp_path: Path) -> None:
    found = make(small, save_path=tmp_path, engine="native")
    assert [(r["learning_rate"], r["batch_size"], r["repeat"]) for r in found.rows] == [
        (rate, size, repeat) for rate in (1e-3, 1e-2) for size in (16, 256) for repeat in (0, 1)
    ]
    row = found.rows[-1]
    _, single = run(toy(), {"max_epochs": 2}, engine="native", batch_size=256, seed=row["seed"])
    assert (row["val_acc"], row["train_acc"]) == (single["val_acc_epoch"], single["train_acc_epoch"])
    assert (row["val_loss"], row["epochs"], row["engine"]) == (single["val_loss_epoch"], 2, "native")
    two = [r["val_acc"] for r in found.rows[:2]]
    line = found.summary[0]
    assert line["val_acc_mean"] == statistics.mean(two) and line["val_acc_std"] == statistics.stdev(two)
    assert [row["val_acc"] for row in table(tmp_path / "grid.csv")] == [
        repr(r["val_acc"]) for r in found.rows
    ]


def test_workers_and_pieces_change_nothing(small: Any, tmp_path: Path) -> None:
    expected = timeless(make(small, workers=1, save_path=tmp_path / "a").rows)
    assert timeless(make(small, workers=3).rows) == expected
    make(small, repeats=1, save_path=tmp_path / "b")  # a smaller one first
    assert timeless(make(small, save_path=tmp_path / "b").rows) == expected
    for name in ("grid.csv", "grid_summary.csv"):
        assert table(tmp_path / "a" / name) == table(tmp_path / "b" / name)


def test_repeats_draw_weights_of_their_own(small: Any) -> None:
    from chop.models import get_model

    def build() -> Any:
        return get_model("jsc-toy")

    found = grid(build, small, {"batch_size": [64]}, classes=5, repeats=3, trainer_args=ARGS, bar=False)
    assert len({row["val_loss"] for row in found.rows}) == 3
    again = grid(build, small, {"batch_size": [64]}, classes=5, repeats=3, trainer_args=ARGS, bar=False)
    assert timeless(again.rows) == timeless(found.rows)


def test_a_run_that_diverges_is_a_row(small: Any) -> None:
    found = make(small, {"learning_rate": [1e-2, 1e25]}, optimizer="sgd", lr_scheduler="constant")
    assert [line["failed"] for line in found.summary] == [0, 2]
    assert "training stopped" in found.rows[-1]["failure"] and found.rows[-1]["val_acc"] == ""
    assert found.summary[1]["val_acc_mean"] == ""


def test_lightning_trains_a_grid_too(small: Any) -> None:
    axes = {"lr_scheduler": ["cosine", "constant"]}
    options = {"repeats": 1, "learning_rate": 1e-2, "model": toy(name="jsc-linear")}
    native, other = (make(small, axes, engine=engine, **options) for engine in ("native", "lightning"))
    for one, two in zip(native.rows, other.rows, strict=True):
        assert two["engine"] == "lightning" and one["val_loss"] == pytest.approx(two["val_loss"], rel=1e-3)


def with_tanh() -> Any:
    """A toy with the same weights, and another activation."""
    model = toy()
    model.seq_blocks[1] = nn.Tanh()
    return model


def test_a_torn_row_is_done_again(small: Any, tmp_path: Path) -> None:
    expected = timeless(make(small, save_path=tmp_path).rows)
    whole = (tmp_path / "grid.csv").read_text()
    lines = whole.splitlines(keepends=True)
    for text in (whole[:-30], "".join(lines[:-3]) + lines[-3][:20] + "\n" + "".join(lines[-2:]), lines[0]):
        (tmp_path / "grid.csv").write_text(text)
        assert timeless(make(small, save_path=tmp_path).rows) == expected


def test_a_run_that_cannot_be_is_a_row(small: Any) -> None:
    x, y = small.arrays("train")
    rows = {"train": (x[:65], y[:65]), "val": (x, y)}
    found = make(rows, {"batch_size": [64, 13]}, repeats=1, learning_rate=1e-3)
    assert "batch norm needs more than one row" in found.rows[0]["failure"]
    assert [line["failed"] for line in found.summary] == [1, 0] and found.rows[1]["failure"] == ""


def test_no_clipping_is_a_value_of_its_axis(small: Any) -> None:
    found = make(small, {"gradient_clip_val": [0, 1e-4]}, repeats=1, optimizer="sgd", learning_rate=1e-2)
    free = make(small, {"learning_rate": [1e-2]}, repeats=1, optimizer="sgd")
    assert found.rows[0]["val_loss"] == free.rows[0]["val_loss"] != found.rows[1]["val_loss"]


@pytest.mark.parametrize(
    ("name", "value"), [("workers", -1), ("workers", 1.5), ("repeats", 0), ("repeats", True)]
)
def test_bad_counts_are_named(small: Any, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be an integer of at least"):
        make(small, **{name: value})


def test_another_grid_in_the_same_folder_is_refused(small: Any, tmp_path: Path) -> None:
    make(small, repeats=1, save_path=tmp_path)
    for change, message in (
        ({"seed": 1}, "holds a grid with seed 0, got 1"),
        ({"optimizer": "sgd"}, "optimizer 'adam', got 'sgd'"),
        ({"axes": {"learning_rate": [1e-3]}}, "axes"),
        ({"trainer_args": {"max_epochs": 3, "accelerator": "cpu"}}, "max_epochs 2, got 3"),
        ({"trainer_args": ARGS | {"early_stopping_patience": 1}}, "early_stopping_patience None, got 1"),
        ({"model": with_tanh}, "holds a grid with model"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(small, **({"save_path": tmp_path} | change))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "at least one axis"),
        ({"learning_rat": [1]}, "learning_rat is not known .did you mean 'learning_rate'"),
        ({"learning_rate": []}, "must be a list of values"),
        ({"learning_rate": "1e-3"}, "must be a list of values"),
        ({"learning_rate": [0.0]}, "learning_rate must be a number above 0"),
        ({"batch_size": [1.5]}, "batch_size must be integers, got 1.5"),
        ({"batch_size": [0]}, "batch_size must be at least 1"),
        ({"batch_size": [8, 8]}, "has a value twice"),
        ({"optimizer": ["adam", "adm"]}, "did you mean 'adam'"),
        ({"max_epochs": [0]}, "max_epochs must be at least 1"),
        ({"lr_scheduler": ["cos"]}, "lr_scheduler must be one of"),
        ({"straight_through": ["clip"]}, "straight_through must be one of"),
    ],
)
def test_bad_axes_are_refused_before_anything_is_written(
    axes: Any, message: str, small: Any, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, KeyError), match=message):
        grid(toy, small, axes, classes=5, trainer_args=ARGS, save_path=tmp_path / "g", bar=False)
    assert not (tmp_path / "g").exists()


def test_axes_as_typed() -> None:
    assert parse_axes(["learning-rate=1e-5, 1e-3", "--batch_size=16"]) == {
        "learning_rate": [1e-5, 1e-3],
        "batch_size": [16],
    }
    assert parse_axes(["training_optimizer=sgd"]) == {"optimizer": ["sgd"]}
    for words, message in (
        (["learning_rate"], "write OPTION=VALUE"),
        (["batch_size=8", "batch_size=9"], "given twice"),
        (["batch_size=8,x"], "must be integers, got 'x'"),
        (["learning_rate=nan"], "is no value"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_axes(words)
    assert {"learning_rate", "batch_size"} <= AXES.keys()


def start(folder: Path, data: Path, project: str) -> subprocess.Popen[bytes]:
    words = [
        "train", "jsc-mlp", str(data), "--project", project, "--accelerator", "cpu", "--max-epochs", "25",
        "--grid", "learning_rate=1e-3,1e-2", "--grid", "batch_size=8,16", "--repeats", "4", "--workers", "2",
    ]  # fmt: skip
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "chop", *words], cwd=folder, stdout=quiet, stderr=quiet)


def test_a_grid_that_is_killed_goes_on(small_file: Path, tmp_path: Path) -> None:
    kills = 0
    path = tmp_path / "mase_output" / "killed" / "software" / "grid" / "grid.csv"
    for wanted in (2, 6):
        process = start(tmp_path, small_file, "killed")
        began = time.monotonic()
        while process.poll() is None and time.monotonic() - began < 60:
            if path.is_file() and len(table(path)) >= wanted:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.002)
        kills += process.wait(60) == -signal.SIGKILL
        assert len(table(path)) >= wanted
    assert kills == 2 and len(table(path)) < 16, "the grid ended before it could be killed"
    assert start(tmp_path, small_file, "killed").wait(120) == 0
    assert start(tmp_path, small_file, "whole").wait(120) == 0
    whole = tmp_path / "mase_output" / "whole" / "software" / "grid"
    for name in ("grid.csv", "grid_summary.csv"):
        assert table(path.parent / name) == table(whole / name)
    assert len(table(whole / "grid.csv")) == 16
