"""Loggers by name: what they are told, how they end, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chop.cli.app import main
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from chop.training.loggers import LOGGERS, check_logger, epoch_logger


class Own:
    made: Any = None

    def __init__(self, folder: Path, name: str, facts: Any) -> None:
        if name == "refused":
            raise OSError("no\nserver")
        self.rows: list[dict[str, Any]] = []
        self.failed: bool | None = None
        self.about = (folder, name, dict(facts))
        type(self).made = self

    def __call__(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def close(self, failed: bool) -> None:
        self.failed = failed


@pytest.fixture
def own() -> Any:
    LOGGERS["own"] = Own
    yield Own
    del LOGGERS["own"]


def test_one_is_told_and_ended(own: Any, tmp_path: Path) -> None:
    with epoch_logger("own", tmp_path, "run", {"seed": 1}) as (logger,):
        logger({"epoch": 0})
    assert own.made.rows == [{"epoch": 0}] and own.made.failed is False
    assert own.made.about == (tmp_path, "run", {"seed": 1})
    with pytest.raises(KeyboardInterrupt), epoch_logger("own", tmp_path, "run", {}):
        raise KeyboardInterrupt
    assert own.made.failed is True
    with pytest.raises(ConfigError, match=r"^report_to: own cannot begin: no server$"):
        epoch_logger("own", tmp_path, "refused", {}).__enter__()


def test_what_is_missing_is_said(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("wandb", "mlflow"):
        with pytest.raises(ConfigError, match=f"^report_to: '{name}' needs {name}: pip install {name}$"):
            check_logger(name)
    with pytest.raises(UnknownNameError, match="wandb"):
        check_logger("wandbb")


def test_a_command_writes_csv_and_nothing_else(tmp_path: Path) -> None:
    words = [
        "train",
        "digits-mlp",
        "digits",
        "--max-epochs",
        "2",
        "--accelerator",
        "cpu",
        "--report-to",
        "csv",
    ]
    assert main([*words, "--project-dir", str(tmp_path), "--project", "p"]) == 0
    software = tmp_path / "p" / "software"
    assert len((software / "training_ckpts" / "metrics.csv").read_text().splitlines()) == 3
    assert not (software / "tensorboard").exists()
