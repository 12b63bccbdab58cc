"""``train_front``: the sweep proposes, what was trained is judged; the same study after any stop, in any threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop.actions.search.runners.basic_train import BasicTrain
from chop.actions.search.samplers.front import FrontSampler, Grid, depths
from chop.search import pareto_front
from chop.tools.errors import ConfigError

TRAIN = {"num_samples": 128, "max_epochs": 1, "learning_rate": 1e-2}


@pytest.fixture
def front(changed: Callable[..., Any], choices: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """A search of 36 configurations, 12 of which are trained."""

    def make(keys: dict[str, Any] | None = None) -> dict[str, Any]:
        own: dict[str, Any] = {
            "strategy.name": "exhaustive",
            "strategy.sw_runner": {"basic_train": dict(TRAIN), "basic_evaluation": {"num_samples": 300}},
            "strategy.setup": {"train_front": True, "most_trained": 12, "n_jobs": 1},
        }
        return changed({**own, **(keys or {})})

    return make


def records(folder: Path) -> list[dict[str, Any]]:
    """log.json without clocks."""
    rows = json.loads((folder / "log.json").read_text()).values()
    return [{k: v for k, v in row.items() if "datetime" not in k and k != "duration"} for row in rows]


def same(one: Path, other: Path) -> bool:
    files = [{p.name: p.read_bytes() for p in (folder / "weights").iterdir()} for folder in (one, other)]
    texts = [(folder / "best.json").read_text() for folder in (one, other)]
    return records(one) == records(other) and files[0] == files[1] and texts[0] == texts[1]


def test_the_front_is_trained_first_and_neighbours_of_the_best_then(
    front: Any, run: Any, tmp_path: Path
) -> None:
    result = run(front(), tmp_path)
    trials = result.study.trials
    assert len(trials) == 12 and len({str(t.params) for t in trials}) == 12
    with (
        np.load(tmp_path / "sweep.npz") if (tmp_path / "sweep.npz").exists() else _parquet(tmp_path) as found
    ):
        values = np.stack([found["accuracy"], found["average_bitwidth"]], axis=1)
    assert len(values) == 36
    wanted = pareto_front(values, ["maximize", "minimize"])
    costs = [values[i, 1] for i in wanted[:6]]
    measured = [t.user_attrs["hardware_metrics"]["average_bitwidth"] for t in trials[: len(costs)]]
    assert measured == costs
    values = np.array([t.values for t in trials])
    assert {e["number"] for e in result.best} == set(pareto_front(values, ["maximize", "minimize"]).tolist())
    names = list(trials[0].params)
    first = [t.params for t in trials[:6]]
    for trial in trials[6:]:
        others = first + [t.params for t in trials[6 : trial.number]]
        apart = [sum(trial.params[n] != params[n] for n in names) for params in others]
        assert min(apart) == 1


def _parquet(folder: Path) -> Any:
    import contextlib

    import pandas

    return contextlib.nullcontext(pandas.read_parquet(folder / "sweep.parquet"))


def test_any_number_of_threads(front: Any, run: Any, tmp_path: Path) -> None:
    for jobs in (1, 2, 4):
        run(front({"strategy.setup.n_jobs": jobs}), tmp_path / str(jobs))
    assert same(tmp_path / "1", tmp_path / "2") and same(tmp_path / "1", tmp_path / "4")


@pytest.mark.parametrize("after", [1, 5, 7, 11])
def test_a_study_that_was_killed_goes_on(
    front: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """What a kill leaves: the journal up to a trial, no other file of results, weights of some."""
    run(front(), tmp_path / "whole")
    train, calls = BasicTrain._train, list[int]()

    def die(self: Any) -> None:
        calls.append(threading.get_ident())
        if len(calls) > after:
            raise SystemExit(9)
        train(self)

    monkeypatch.setattr(BasicTrain, "_train", die)
    with pytest.raises(SystemExit):
        run(front({"strategy.setup.n_jobs": 1}), tmp_path / "cut")
    monkeypatch.undo()
    for name in ("log.json", "best.json"):
        (tmp_path / "cut" / name).unlink(missing_ok=True)
    for path in list((tmp_path / "cut" / "weights").glob("*"))[::2]:
        path.unlink()
    run(front({"strategy.setup.n_jobs": 2}), tmp_path / "cut")
    assert same(tmp_path / "whole", tmp_path / "cut")


def test_constraints_on_costs_hold_for_what_is_trained_and_those_on_accuracy_for_the_best(
    front: Any, run: Any, tmp_path: Path
) -> None:
    bounds = {"average_bitwidth": {"max": 4.0}, "accuracy": {"min": 0.15}}
    result = run(front({"strategy.constraints": bounds}), tmp_path)
    assert all(t.user_attrs["hardware_metrics"]["average_bitwidth"] <= 4.0 for t in result.study.trials)
    assert all(entry["software_metrics"]["accuracy"] >= 0.15 for entry in result.best)


def test_a_small_space_is_trained_whole(front: Any, run: Any, tmp_path: Path) -> None:
    result = run(front({"strategy.setup.most_trained": 500, "strategy.setup.margin": 100.0}), tmp_path)
    assert len({str(t.params) for t in result.study.trials}) == len(result.study.trials) == 36


@pytest.mark.parametrize("runners, setup, words", [
    ({"basic_evaluation": {"num_samples": 300}}, {"train_front": True}, "basic_train for train_front"),
    ({"basic_train": {}}, {"train_front": True}, "basic_evaluation and basic_train"),
    ({"basic_train": {}, "basic_evaluation": {"num_samples": 300}}, {}, "without setup.train_front = true"),
    ({"basic_train": {}, "basic_evaluation": {"num_samples": 300}}, {"train_front": True, "margin": -1}, "margin"),
])  # fmt: skip
def test_what_does_not_go_together(
    front: Any, run: Any, tmp_path: Path, runners: Any, setup: Any, words: str
) -> None:
    keys = {"strategy.sw_runner": runners, "strategy.setup": setup}
    with pytest.raises(ConfigError, match=words):
        run(front(keys), tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_neighbours_differ_in_one_choice() -> None:
    lengths = {"a": 2, "b": 1, "c": 3}
    grid = Grid(lengths, np.array([0, 1, 2, 4, 5]))  # 3 means the same as an earlier one
    assert grid.indexes(3) == {"a": 1, "b": 0, "c": 1}
    assert sorted(grid.neighbours(3)) == [1, 4]
    assert sorted(grid.neighbours(0)) == [1, 2]


def test_depths_are_what_dominance_says() -> None:
    random = np.random.default_rng(0)
    costs = random.random((200, 3)).round(2)
    front = pareto_front(costs, ["minimize"] * 3)
    scale = costs[front].max(axis=0) - costs[front].min(axis=0)
    for row, depth in enumerate(depths(costs, front)):
        less = costs[row] - (depth + 1e-9) * scale
        assert not any((costs[f] <= less).all() for f in front)
        more = costs[row] - (depth - 1e-9) * scale
        assert depth == 0 or any((costs[f] <= more).all() for f in front)


def test_a_sampler_ends_where_no_neighbour_is_left() -> None:
    sampler = FrontSampler(
        Grid({"a": 2}, np.array([0, 1])), np.array([[1.0], [2.0]]), ["minimize"], 9, 0.0, ["a"]
    )
    assert sampler.ask(0, 5) == [[0]]
    sampler.tell(_Trial([3.0]))
    assert sampler.ask(1, 5) == [[1]]
    sampler.tell(_Trial([2.0]))
    assert sampler.ask(2, 5) == []


class _Trial:
    def __init__(self, values: list[float]) -> None:
        self.values, self.constraints = values, dict[str, float]()
