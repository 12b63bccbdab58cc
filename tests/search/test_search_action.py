"""The action as a whole: files, printed text, messages, what it takes as model and config."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from chop.actions.search.journal.study import JOURNAL_NAME

FILES = {"study_journal.log", "log.json", "best.json"}


def values(result: Any) -> list[Any]:
    return [trial.values for trial in result.study.trials]


def test_the_action_is_a_function_and_its_parts_are_below_it() -> None:
    import chop.actions
    from chop.actions.search import search
    from chop.actions.search.metrics import METRICS

    assert inspect.isfunction(search) and chop.actions.search is search
    assert "accuracy" in METRICS
    names = list(inspect.signature(search).parameters)
    assert names[:7] == [
        "model", "model_info", "task", "dataset_info", "data_module", "search_config", "save_path",
    ]  # fmt: skip


def test_files_and_printed_text(config: dict[str, Any], run: Any, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "software" / "search_ckpts"
    result = run(config, folder)
    assert {path.name for path in folder.iterdir()} == FILES
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "Best trial(s):"
    assert lines[3].startswith("| float |") and lines[4].split()[1] == "0"
    assert sum(line.startswith("| ") for line in lines) == 2 + len(result.best)
    assert lines[-1] == (
        f"Results: {folder} (log.json, best.json; study {result.study_name} in study_journal.log)"
    )
    assert "Search" in err and "6/6" in err


def test_optuna_itself_reads_the_journal(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    result = run(config, tmp_path)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL_NAME)))
    study = optuna.load_study(study_name=None, storage=storage)
    assert study.study_name == result.study_name
    assert study.metric_names == ["accuracy", "average_bitwidth x 0.2"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for written, ours in zip(study.trials, result.study.trials, strict=True):
        assert (written.number, written.params, written.values) == (ours.number, ours.params, ours.values)
        assert written.user_attrs == ours.user_attrs and written.state == ours.state
        assert abs(written.datetime_start.timestamp() - ours.datetime_start.timestamp()) < 1e-3
    assert (
        study.user_attrs["chop:about"]["sampler"] == "random" and study.user_attrs["chop:about"]["seed"] == 0
    )
    # One record for the study, one for its names, one for how it was made, one for each trial.
    assert len((tmp_path / JOURNAL_NAME).read_text().splitlines()) == 3 + 6


def test_validate_only_runs_and_writes_nothing(
    config: dict[str, Any], run: Any, tmp_path: Path, capsys: Any
) -> None:
    assert run(config, tmp_path / "out", validate_only=True) is None
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().out == ""


def test_a_toml_file_and_a_visualizer(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    from chop.tools.config_load import save_config

    class Visualizer:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def log_metrics(self, metrics: Any, step: int) -> None:
            self.seen.append((step, metrics))

    path, visualizer = save_config(config, tmp_path / "search.toml"), Visualizer()
    result = run(path, tmp_path / "out", visualizer=visualizer)
    assert visualizer.seen == [(t.number, t.user_attrs["scaled_metrics"]) for t in result.study.trials]
    assert values(run(config, tmp_path / "table")) == values(result)


def test_a_graph_serves_as_model_and_a_checkpoint_is_loaded(
    config: dict[str, Any], run: Any, model: nn.Module, tmp_path: Path
) -> None:
    import copy

    import torch

    from chop import MaseGraph

    expected = values(run(config, tmp_path / "module"))
    assert values(run(config, tmp_path / "graph", model=MaseGraph(model))) == expected
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other = copy.deepcopy(model)
    nn.init.normal_(other.seq_blocks[2].weight)
    assert values(run(config, tmp_path / "other", model=other)) != expected
    loaded = run(
        config, tmp_path / "load", model=other, load_name=str(tmp_path / "weights.pt"), load_type="pt"
    )
    assert values(loaded) == expected


def test_warnings_of_a_search(changed: Callable[..., Any], run: Any, tmp_path: Path, caplog: Any) -> None:
    keys = {
        "strategy.setup.sum_scaled_metrics": True,
        "search_space.seed.conv2d": {"config": {"name": ["NA"]}},
    }
    run(changed(keys), tmp_path, validate_only=True)
    assert not caplog.records
    run(changed(keys), tmp_path)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 2
    assert "no node of the model takes its choices from 'conv2d'" in warned[0]
    assert "search.strategy.metrics.average_bitwidth: better is to minimize it" in warned[1]


def test_the_callers_objects_stay_as_they_were(
    config: dict[str, Any], run: Any, model: nn.Module, tmp_path: Path
) -> None:
    import copy

    import optuna
    import torch

    table, state = copy.deepcopy(config), copy.deepcopy(model.state_dict())
    model.train()
    level, random_state = optuna.logging.get_verbosity(), torch.get_rng_state()
    run(config, tmp_path)
    assert config == table and model.training
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert optuna.logging.get_verbosity() == level
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_folder_that_cannot_be_made(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        run(config, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"
