"""Functions that are told of each epoch and may end a run, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop.training import fit

ENGINES = ["native", "lightning"]


def run(
    engine: str, callbacks: list[Any], folder: Path | None = None, epochs: int = 6, **more: Any
) -> dict[str, Any]:
    torch.manual_seed(0)
    x = torch.randn(96, 4)
    rows = x, (x[:, 0] > 0).long()
    return fit(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
        {"train": rows, "val": rows},
        classes=2,
        trainer_args={"max_epochs": epochs, "accelerator": "cpu"},
        learning_rate=1e-2,
        batch_size=16,
        engine=engine,
        bar=False,
        save_path=folder,
        callbacks=callbacks,
        **more,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_each_epoch_is_told_with_its_figures(engine: str, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    result = run(engine, [seen.append], tmp_path, epochs=3)
    assert [row["epoch"] for row in seen] == [0, 1, 2]
    assert [row["step"] for row in seen] == [6, 12, 18]
    for name in ("train_loss_epoch", "val_loss_epoch", "val_acc_epoch"):
        assert seen[-1][name] == result[name]
    table = (tmp_path / "metrics.csv").read_text().splitlines()
    assert len(table) == 1 + 3 and not result["stopped_early"]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_says_true_ends_the_run_and_all_are_told(engine: str, tmp_path: Path) -> None:
    told: list[int] = []
    result = run(engine, [lambda row: row["epoch"] == 1, lambda row: told.append(row["epoch"])], tmp_path)
    assert (result["epochs"], result["global_step"], result["stopped_early"]) == (2, 12, True)
    assert told == [0, 1]
    whole = run(engine, [], epochs=6)
    assert whole["epochs"] == 6
    # What was stopped goes on, bit for bit as if it never had been.
    resumed = run(engine, [], tmp_path, resume=tmp_path / "last.ckpt")
    assert (resumed["epochs"], resumed["val_loss_epoch"]) == (6, whole["val_loss_epoch"])


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_only_like_true_ends_nothing(engine: str) -> None:
    assert run(engine, [lambda row: 1, lambda row: "yes"], epochs=2)["epochs"] == 2


def test_a_callback_cannot_change_the_figures() -> None:
    result = run("native", [lambda row: row.clear()], epochs=2)
    assert result["epochs"] == 2 and result["val_acc_epoch"] > 0
