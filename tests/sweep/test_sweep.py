"""A sweep against a loop that evaluates each configuration by itself."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from chop import Evaluator
from chop.cost import Costs, cost_model
from chop.cost.models import COST_MODELS
from chop.search import SweepReport, pareto_front, sweep
from chop.search.configurations import as_space
from chop.tools.errors import ConfigError
from tests.sweep.spaces import choices, evaluator, table

STANDARD = {"accuracy": "maximize", "average_bitwidth": "minimize"}


@pytest.fixture(scope="module")
def ev() -> Evaluator:
    return evaluator()


def points(front: list[dict[str, Any]], names: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(entry[name] for name in names) for entry in front), key=repr)


def brute_force(ev: Evaluator, configs: list[Any], objectives: dict[str, str]) -> list[tuple[Any, ...]]:
    costs = Costs(ev.graph, models=[name for name in objectives if name in COST_MODELS])
    rows = []
    for config in configs:
        found = {**ev.evaluate(config).values, **costs.evaluate(config)}
        rows.append([found[name] for name in objectives])
    return sorted(tuple(rows[i]) for i in pareto_front(np.array(rows), list(objectives.values())))


def all_configs(ev: Evaluator, space: dict[str, Any]) -> list[Any]:
    made = as_space(ev, space)
    assert not isinstance(made, list)
    names = made.choice_lengths_flattened
    indexes = itertools.product(*(range(n) for n in names.values()))
    return [made.flattened_indexes_to_config(dict(zip(names, each, strict=True))) for each in indexes]


def adds_up(found: SweepReport) -> bool:
    return found.configurations == found.evaluated + found.pruned + found.duplicates


@pytest.fixture(scope="module")
def truth(ev: Evaluator) -> list[tuple[Any, ...]]:
    configs = all_configs(ev, table())
    assert len(configs) == 216
    return brute_force(ev, configs, STANDARD)


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_front_equals_brute_force(ev: Evaluator, truth: list[Any], threads: int, prune: bool) -> None:
    found = sweep(ev, table(), threads=threads, prune=prune)
    assert points(found.front, STANDARD) == sorted(truth, key=repr)
    assert found.configurations == 216 and adds_up(found) and found.duplicates == 0
    assert (found.pruned > 0) == prune


def test_every_result_is_that_of_evaluate(ev: Evaluator) -> None:
    objectives = {"accuracy": "maximize", "loss": "minimize", "bitops": "minimize", "model_size": "minimize"}
    found = sweep(ev, table(), objectives, prune=False, threads=2)
    costs = Costs(ev.graph, models=["bitops", "model_size"])
    configs = all_configs(ev, table())
    for number, config in enumerate(configs):
        assert found.config(number) == config
        one, cost = ev.evaluate(config), costs.evaluate(config)
        row = {name: column[number] for name, column in found.results.items()}
        assert row["configuration"] == number and not row["pruned"]
        assert (row["accuracy"], row["loss"]) == (one.accuracy, one.loss)
        assert (row["bitops"], row["model_size"]) == (cost["bitops"], cost["model_size"])
    assert points(found.front, objectives) == brute_force(ev, configs, objectives)


def test_results_do_not_depend_on_threads_or_pruning(ev: Evaluator) -> None:
    full = sweep(ev, table(), threads=1, prune=False).results
    for threads, prune in itertools.product((1, 2, 3), (True, False)):
        found = sweep(ev, table(), threads=threads, prune=prune).results
        kept = ~found["pruned"]
        np.testing.assert_array_equal(found["accuracy"][kept], full["accuracy"][kept])
        assert np.isnan(found["accuracy"][~kept]).all()
        np.testing.assert_array_equal(found["average_bitwidth"], full["average_bitwidth"])


def test_configs_that_mean_the_same_are_measured_once(ev: Evaluator) -> None:
    space = table(linear=choices(name=["integer", "NA"], weight_width=[4, 8], bias_width=[6, 8]))
    found = sweep(ev, space, prune=False)
    # A layer is integer in four ways, or float in one that four configurations name.
    assert (found.configurations, found.evaluated, found.duplicates) == (8**3, 5**3, 8**3 - 5**3)
    configs = all_configs(ev, space)
    assert set(points(found.front, STANDARD)) == set(brute_force(ev, configs, STANDARD))
    numbers = found.results["configuration"]
    assert (np.diff(numbers) > 0).all() and len(numbers) == 125
    for number, accuracy in zip(numbers[::11], found.results["accuracy"][::11], strict=True):
        assert ev.evaluate(configs[number]).accuracy == accuracy


def test_list_of_configs(ev: Evaluator) -> None:
    configs = [*all_configs(ev, table())[::5], None]
    found = sweep(ev, [*configs, *configs[:3]], threads=2)
    assert (found.configurations, found.duplicates) == (len(configs) + 3, 3) and adds_up(found)
    assert points(found.front, STANDARD) == brute_force(ev, configs, STANDARD)
    assert found.config(len(configs) - 1) is None


@pytest.mark.parametrize(
    "space",
    [
        table("name", **{"seq_6": choices(weight_width=[3, 5])}),
        table("regex_name", **{r"seq_[24]": choices(data_in_width=[3, 5]), r"seq_\d": choices()}),
    ],
)
def test_spaces_by_name_and_pattern(ev: Evaluator, space: dict[str, Any]) -> None:
    found = sweep(ev, space)
    assert adds_up(found)
    assert points(found.front, STANDARD) == brute_force(ev, all_configs(ev, space), STANDARD)


def test_three_objectives_and_costs_in_python(ev: Evaluator) -> None:
    @cost_model("widest", unit="bits", definition="of the weights", total=max)
    def widest(node: Any) -> float:
        return node.weight if node.op == "linear" else 0.0

    try:
        objectives = {"accuracy_micro": "maximize", "widest": "minimize", "average_bitwidth": "minimize"}
        found = sweep(ev, table(), objectives)
        assert points(found.front, objectives) == brute_force(ev, all_configs(ev, table()), objectives)
    finally:
        del COST_MODELS["widest"]


def test_costs_alone_need_no_data(ev: Evaluator) -> None:
    found = sweep(ev, table(), {"average_bitwidth": "minimize"})
    assert {entry["average_bitwidth"] for entry in found.front} == {2.0} and len(found.front) == 8


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("objectives", "prunes"),
    [
        (STANDARD, True),
        ({"loss": "minimize", "average_bitwidth": "minimize"}, True),
        ({"loss": "minimize", "accuracy_micro": "maximize", "bitops": "minimize"}, True),
        ({"accuracy": "maximize"}, True),
        ({"macro_f1": "maximize", "average_bitwidth": "minimize"}, False),
        ({"accuracy": "minimize", "average_bitwidth": "minimize"}, False),
    ],
)
def test_pruning_never_changes_the_front(seed: int, objectives: dict[str, str], prunes: bool) -> None:
    ev = evaluator(rows=30_000, seed=seed)
    pruned, full = (sweep(ev, table(), objectives, prune=prune, threads=2) for prune in (True, False))
    assert pruned.front == full.front and adds_up(pruned)
    assert prunes or pruned.pruned == 0
    if objectives == STANDARD:
        assert pruned.pruned > 0


@pytest.mark.parametrize(
    ("bounds", "prunes"),
    [
        ({"accuracy": {"min": 0.5}}, True),
        ({"accuracy": {"min": 0.25}, "average_bitwidth": {"max": 0.75}}, True),
        ({"accuracy": {"max": 0.75}}, False),
        ({"average_bitwidth": {"min": 0.5}}, False),
        ({"average_bitwidth": {"min": 0.25, "max": 0.75}}, False),
        ({"ebops": {"max": 0.5}}, False),
    ],
)
def test_pruning_never_changes_a_front_with_bounds(bounds: dict[str, Any], prunes: bool) -> None:
    """A bound of 0.5 is the median of that figure over the space."""
    ev = evaluator(rows=30_000, seed=1)
    every = sweep(ev, table(), {**STANDARD, "ebops": "minimize"}, prune=False, threads=2).results
    limits = {
        name: {key: float(np.quantile(every[name], part)) for key, part in parts.items()}
        for name, parts in bounds.items()
    }
    kept = np.ones(len(every["accuracy"]), dtype=bool)
    for name, limit in limits.items():
        kept &= (every[name] >= limit.get("min", -np.inf)) & (every[name] <= limit.get("max", np.inf))
    rows = np.stack([every[name] for name in STANDARD], axis=1)[kept]
    expected = sorted(tuple(rows[i]) for i in pareto_front(rows, list(STANDARD.values())))
    assert 0 < len(rows) < 216
    for prune in (True, False):
        found = sweep(ev, table(), STANDARD, constraints=limits, prune=prune, threads=2)
        assert points(found.front, STANDARD) == sorted(expected, key=repr) and adds_up(found)
        assert (found.pruned > 0) == (prune and prunes)
        assert found.pruned or found.feasible.sum() == len(rows)


def test_front_is_ordered_and_shown(ev: Evaluator) -> None:
    found = sweep(ev, table())
    accuracies = [entry["accuracy"] for entry in found.front]
    assert accuracies == sorted(accuracies, reverse=True)
    assert set(found.front[0]) == {"accuracy", "average_bitwidth", "config"}
    assert "216 configurations" in repr(found) and "<table>" in found._repr_html_()


def test_dry_run_prints_only_the_estimate(ev: Evaluator, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(ev, table(), dry_run=True) is None
    said = capsys.readouterr().out
    assert "216 configurations" in said and "bytes" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": []}, "empty"),
        ({"space": {"name": "graph/quantize/mixed_precision_ptq"}}, "setup must be a table"),
        ({"space": {**table(), "sead": {}}}, "did you mean 'seed'"),
        ({"space": {**table(), "name": "graph/quantize/channel_size_modifier"}}, "search_space.name must be"),
        ({"space": table(linear=choices(weight_width=[40]))}, "weight_width"),
        ({"objectives": {}}, "at least one"),
        ({"objectives": {"accuracy": "max"}}, "must be maximize or minimize"),
        ({"objectives": {"acuracy": "maximize"}}, "did you mean 'accuracy'"),
        ({"objectives": {"confusion_matrix": "maximize"}}, "not one number"),
        ({"objectives": {"top_k": "maximize"}}, "k is missing"),
        ({"limit": 215}, "more than the limit"),
        ({"threads": 0}, "threads"),
    ],
)
def test_what_is_refused(ev: Evaluator, change: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        sweep(ev, **{"space": table(), **change})
