"""Constraints: best trials keep them, samplers see them, and the whole-space sweep agrees with a loop."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop import Evaluator
from chop.actions.search.constraints import ConstraintTable, excesses
from chop.actions.search.metrics import METRICS, SearchMetric
from chop.search import pareto_front, sweep
from chop.tools.errors import ConfigError

Changed = Callable[..., dict[str, Any]]
LOOP = {"strategy.setup.sampler": "brute-force", "strategy.setup.n_trials": 36}
EXHAUSTIVE = {"strategy.name": "exhaustive", "strategy.setup": {"n_jobs": 2}}


def trial_values(study: Any) -> list[tuple[float, float]]:
    return [tuple(trial.values) for trial in study.trials]


def entries(best: list[dict[str, Any]]) -> set[tuple[float, ...]]:
    return {tuple(entry["value"]) for entry in best}


def front_of(values: list[tuple[float, float]]) -> set[tuple[float, ...]]:
    array = np.array(values)
    return {tuple(array[i].tolist()) for i in pareto_front(array, ["maximize", "minimize"])}


@pytest.fixture
def every(changed: Changed, run: Any, tmp_path: Path) -> list[tuple[float, float]]:
    """(accuracy, average bit width times 0.2) of all configurations, without constraints."""
    return trial_values(run(changed(LOOP), tmp_path / "every").study)


def test_best_trials_keep_the_constraints(
    every: list[tuple[float, float]], changed: Changed, run: Any, tmp_path: Path
) -> None:
    bound = float(np.median([accuracy for accuracy, _ in every]))
    keys = {**LOOP, "strategy.constraints": {"accuracy": {"min": bound}, "Average_BitWidth": {"max": 6.0}}}
    result = run(changed(keys), tmp_path / "bound")
    allowed = [v for v in every if v[0] >= bound and v[1] <= 0.2 * 6.0]
    assert 0 < len(allowed) < 36 and entries(result.best) == front_of(allowed)
    log = json.loads((tmp_path / "bound" / "log.json").read_text())
    for trial, row in zip(result.study.trials, log.values(), strict=True):
        measured = {**row["user_attrs_software_metrics"], **row["user_attrs_hardware_metrics"]}
        expected = {
            "accuracy.min": bound - measured["accuracy"],
            "average_bitwidth.max": measured["average_bitwidth"] - 6.0,
        }
        assert trial.constraints == row["user_attrs_constraints"] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", [None, "named"])
def test_they_are_kept_when_the_study_goes_on(
    name: str | None, changed: Changed, run: Any, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {
        **LOOP,
        "strategy.constraints": {"average_bitwidth": {"max": 4.0}},
        "strategy.setup.n_jobs": 1,
    }
    whole = run(changed(keys), tmp_path / "whole")
    named = {"strategy.setup.study_name": name} if name else {}
    run(changed({**keys, **named, "strategy.setup.n_trials": 20}), tmp_path / "parts")
    parts = run(changed({**keys, **named}), tmp_path / "parts")
    assert [t.constraints for t in parts.study.trials] == [t.constraints for t in whole.study.trials]
    assert entries(parts.best) == entries(whole.best) and len(parts.study.trials) == 36


def test_one_line_where_nothing_keeps_them(
    every: list[tuple[float, float]], changed: Changed, run: Any, tmp_path: Path, caplog: Any
) -> None:
    most = max(accuracy for accuracy, _ in every)
    keys = {**LOOP, "strategy.constraints": {"accuracy": {"min": most + 0.01}}}
    result = run(changed(keys), tmp_path / "none")
    assert result.best == [] and json.loads((tmp_path / "none" / "best.json").read_text()) == {}
    (said,) = [r.getMessage() for r in caplog.records if "keeps the constraints" in r.getMessage()]
    number = int(said.split("closest: trial ")[1].split(",")[0])
    assert result.study.trials[number].values[0] == most and "breaks accuracy.min by 0.01" in said


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp", "cmaes"])
def test_samplers_prefer_what_keeps_them(sampler: str, changed: Changed, run: Any, tmp_path: Path) -> None:
    """The widest weights would be best, and the constraint forbids all but the narrowest: 4 of 36 points."""
    if sampler in ("gp", "cmaes"):
        pytest.importorskip({"gp": "scipy", "cmaes": "cmaes"}[sampler])
    options = {"nsgaii": {"population_size": 8}, "cmaes": {"popsize": 6}}.get(sampler, {})
    trials = 30 if sampler == "gp" else 80

    def hits(constraints: dict[str, Any]) -> int:
        keys = {
            "strategy.metrics": {"average_bitwidth": {"scale": 1.0}},
            "strategy.constraints": constraints,
            "strategy.setup": {
                "n_trials": trials, "sampler": sampler, "sampler_options": options,
                "sum_scaled_metrics": True, "direction": "maximize",
            },
        }  # fmt: skip
        result = run(changed(keys), tmp_path / f"{len(constraints)}", seed=3)
        return sum(trial.value == 2.0 for trial in result.study.trials[trials // 2 :])

    # Chance would be one in nine.
    assert hits({"average_bitwidth": {"max": 2.0}}) > trials // 6 > hits({})


@pytest.mark.parametrize("prune", [True, False])
@pytest.mark.parametrize(
    "bounds",
    [
        {"accuracy": {"min": 0.5}},
        {"accuracy": {"max": 0.5}},
        {"average_bitwidth": {"min": 3.0, "max": 6.5}},
        {"loss": {"max": 0.5}, "memory_density": {"min": 5.0}},
        {"bitops": {"max": 0.5}},
        {"accuracy": {"min": 2.0}},
    ],
    ids=str,
)
def test_a_sweep_finds_the_front_of_a_loop(
    bounds: dict[str, dict[str, float]], prune: bool, changed: Changed, run: Any, tmp_path: Path
) -> None:
    """0.5 of a metric without a fixed scale stands for its median; memory density is against 16 bits."""
    keys: dict[str, Any] = {
        "strategy.hw_runner": {"average_bitwidth": {"compare_to": 16}, "cost": {}},
        "strategy.setup.n_jobs": 1,
    }
    spread = changed({**keys, **LOOP, "strategy.hw_runner.cost.models": ["bitops"]})
    metrics = [
        {**t.user_attrs["software_metrics"], **t.user_attrs["hardware_metrics"]}
        for t in run(spread, tmp_path / "all").study.trials
    ]
    bounds = copy.deepcopy(bounds)
    for name, table in bounds.items():
        for key, limit in table.items():
            table[key] = float(np.median([m[name] for m in metrics])) if limit == 0.5 else limit
    keys["strategy.constraints"] = bounds
    loop = run(changed({**keys, **LOOP}), tmp_path / "loop")
    swept = run(changed({**keys, **EXHAUSTIVE, "strategy.setup": {"prune": prune}}), tmp_path / "swept")
    assert entries(swept.best) == entries(loop.best)
    assert (len(loop.best) == 0) == (bounds == {"accuracy": {"min": 2.0}})
    by_config = {str(t.user_attrs["sampled_config"]): t for t in loop.study.trials}
    for trial in swept.study.trials:
        assert trial.constraints == by_config[str(trial.user_attrs["sampled_config"])].constraints


def test_sweep_report_with_constraints(
    model: Any, data_module: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    ev = Evaluator(model, *data_module.arrays("val"))
    space = config["search"]["search_space"]
    free = sweep(ev, space, {"accuracy": "maximize", "bops": "minimize"}, prune=False)
    bounds = {"average_bitwidth": {"max": 4.0}}
    found = sweep(ev, space, {"accuracy": "maximize", "bops": "minimize"}, constraints=bounds)
    assert found.constraints == bounds and list(found.objectives) == ["accuracy", "bops"] and not found.pruned
    assert list(found.results) == ["configuration", "accuracy", "bops", "average_bitwidth", "pruned"]
    assert found.front and all(entry["average_bitwidth"] <= 4.0 for entry in found.front)
    allowed = found.results["average_bitwidth"] <= 4.0
    values = np.stack([free.results["accuracy"], free.results["bops"]], axis=1)[allowed]
    expected = values[pareto_front(values, ["maximize", "minimize"])]
    assert sorted((e["accuracy"], e["bops"]) for e in found.front) == sorted(map(tuple, expected.tolist()))
    assert "average_bitwidth" in repr(found) and found.save(tmp_path / "swept.npz").exists()
    empty = sweep(ev, space, constraints={"accuracy": {"min": 1.5}})
    assert empty.front == [] and "no configuration keeps the constraints" in repr(empty)


def test_a_bounded_figure_that_is_no_number_fails_the_trial_and_what_repeats_it(
    changed: Changed, run: Any, tmp_path: Path
) -> None:
    @METRICS.register("no number")
    class NoNumber(SearchMetric):
        def compute(self, config: Any, measured: Any, context: Any) -> float:
            return float("nan")

    keys = {
        "search_space.seed": {"default": {"config": {"name": ["NA"]}}},
        "strategy.constraints": {"no number": {"max": 1.0}},
    }
    try:
        run(changed({**keys, "strategy.setup.n_trials": 2}), tmp_path)
        result = run(changed({**keys, "strategy.setup.n_trials": 4}), tmp_path)
    finally:
        del METRICS["no number"]
    assert [trial.state.name for trial in result.study.trials] == ["FAIL"] * 4 and result.best == []
    assert {trial.user_attrs["failure"] for trial in result.study.trials} == {"a metric is not a number"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"accuracy": {}}, "constraints.accuracy: a constraint needs min, max or both"),
        ({"accuracy": {"mni": 0.5}}, "constraints.accuracy.mni is not known (did you mean 'min'?)"),
        ({"accuracy": {"min": "0.5"}}, "constraints.accuracy.min must be"),
        ({"accuracy": {"min": 0.6, "max": 0.5}}, "min must not be above max, got 0.6 and 0.5"),
        ({"acuracy": {"min": 0.5}}, "(did you mean 'accuracy'?)"),
        ({"accuracy": 0.7}, "constraints.accuracy must be a table"),
        ({"loss": {"max": 1.0}, "Loss": {"max": 2.0}}, "constraints.Loss names 'loss' a second time"),
    ],
)
def test_bad_constraints(
    table: dict[str, Any], message: str, changed: Changed, run: Any, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, KeyError)) as caught:
        run(changed({"strategy.constraints": table}), tmp_path / "out")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"bops": {}}, "must be a table with min, max or both"),
        ({"bops": {"mx": 1}}, "did you mean 'max'"),
        ({"bops": {"max": float("nan")}}, "must be a number"),
        ({"bops": {"min": 2, "max": 1}}, "min must not be above max"),
        ({"bobs": {"min": 2}}, "neither a metric nor a cost model"),
    ],
)
def test_bad_bounds_of_a_sweep(
    table: Any, message: str, model: Any, data_module: Any, config: dict[str, Any]
) -> None:
    ev = Evaluator(model, *data_module.arrays("val"))
    with pytest.raises((ConfigError, KeyError), match=message):
        sweep(ev, config["search"]["search_space"], constraints=table)


def test_a_bound_that_is_met_exactly_is_kept() -> None:
    found = excesses({"a": ConstraintTable(min=0.1, max=0.1)}, {"a": 0.1})
    assert found == {"a.min": 0.0, "a.max": 0.0}
    assert excesses({"a": ConstraintTable(max=1.0)}, {"a": float("inf")}) == {"a.max": float("inf")}
