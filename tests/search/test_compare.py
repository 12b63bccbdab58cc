"""Samplers against the true optimum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chop.actions.search.comparison import compare_samplers
from chop.actions.search.comparison.curves import curve
from chop.actions.search.comparison.truth import Truth
from chop.search.hypervolume import distance_to_front, hypervolume
from chop.tools.errors import ConfigError


@pytest.fixture
def compare(model: Any, data_module: Any) -> Callable[..., Any]:
    """Compare samplers on the small model."""

    def call(config: Any, folder: Path, samplers: list[str], **options: Any) -> Any:
        return compare_samplers(
            model, None, "cls", None, data_module, config, folder, samplers=samplers, **options
        )

    return call


def test_brute_force_ends_at_the_optimum(changed: Any, compare: Any, tmp_path: Path) -> None:
    found = compare(changed({"strategy.setup.n_trials": 40}), tmp_path, ["random", "brute-force"], seeds=3)
    assert found.truth.seconds is not None  # swept
    last = found.frame.groupby(["sampler", "seed"]).last()
    assert (last.loc["brute-force"]["gap"] == 0).all() and (last.loc["brute-force"]["distance"] == 0).all()
    assert (last.loc["brute-force"]["trial"] == 36).all() and (last.loc["random"]["trial"] == 40).all()
    rows = found.summary.set_index("sampler")
    assert rows.loc["brute-force", "gap_all"] == 0.0 and rows.loc["brute-force", "reached"] == 3
    assert rows.loc["random", "gap_all"] == pytest.approx(last.loc["random"]["gap"].median())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "regret.csv", "regret.png", "regret.svg", "regret_summary.csv"
    ]  # fmt: skip
    again = pd.read_csv(tmp_path / "regret.csv")
    assert again["hypervolume"].tolist() == found.frame["hypervolume"].tolist()
    assert "brute-force" in repr(found) and "<table>" in found._repr_html_()


def test_a_run_is_the_study_that_search_makes(config: Any, run: Any, compare: Any, tmp_path: Path) -> None:
    found = compare(config, tmp_path / "c", ["random"], seeds=2, seed=7)
    for seed in (7, 8):
        study = run(config, tmp_path / f"s{seed}", seed=seed).study
        ours = found.frame[found.frame["seed"] == seed]
        assert ours["accuracy"].tolist() == [trial.values[0] for trial in study.trials]
        # The table holds bits as measured, the study scaled ones.
        assert np.allclose(0.2 * ours["average_bitwidth"], [trial.values[1] for trial in study.trials])


def test_one_objective_has_a_plain_regret(changed: Any, compare: Any, tmp_path: Path) -> None:
    keys = {"strategy.setup.sum_scaled_metrics": True, "strategy.setup.n_trials": 8}
    keys["strategy.metrics.average_bitwidth.scale"] = -0.01
    found = compare(changed(keys), tmp_path, ["random"], seeds=2)
    best = found.truth.front[0, 0]
    rest = best - found.frame.groupby("seed")["sum"].cummax()
    assert np.allclose(found.frame["distance"], rest)
    assert "optimum" in repr(found)


def test_one_scaled_objective_is_told_as_measured(changed: Any, compare: Any, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"strategy.setup.n_trials": 8}
    keys["strategy.metrics"] = {"average_bitwidth": {"scale": 0.2, "direction": "minimize"}}
    found = compare(changed(keys), tmp_path, ["random"], seeds=2)
    optimum = found.truth.front[0, 0] / 0.2
    assert optimum >= 1.0 and f"optimum {optimum:.6g}," in repr(found)
    assert np.allclose(found.frame["distance"], found.frame["best_average_bitwidth"] - optimum)


def test_a_space_that_cannot_be_swept_says_so(
    config: Any, compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop.actions.search.comparison import truth

    monkeypatch.setattr(truth, "MOST_WORK", 10)
    found = compare(config, tmp_path, ["random", "qmc"], seeds=2)
    assert found.truth.seconds is None and "too many on 300 rows" in found.truth.words
    assert "not the whole space" in repr(found)
    assert found.frame["gap"].min() >= 0


@pytest.mark.parametrize("compare_to", [32, 16])
def test_the_optimum_keeps_the_constraints(
    changed: Any, run: Any, compare: Any, tmp_path: Path, compare_to: int
) -> None:
    keys: dict[str, Any] = {
        "strategy.setup.n_trials": 36,
        "strategy.metrics": {"accuracy": {}, "loss": {}},
        "strategy.hw_runner": {"average_bitwidth": {"compare_to": compare_to}},
        "strategy.constraints": {"memory_density": {"min": compare_to / 4}},
        "strategy.setup.sampler": "brute-force",
    }
    best = run(changed(keys), tmp_path / "search").best
    found = compare(changed(keys), tmp_path / "compared", ["brute-force"], seeds=1)
    assert found.truth.seconds is not None and 0 < found.frame["accuracy"].isna().sum() < 36
    assert {tuple(point) for point in found.truth.front.tolist()} == {tuple(e["value"]) for e in best}
    assert found.frame["gap"].iloc[-1] == 0 and found.frame["distance"].iloc[-1] == 0


def test_costs_of_another_batch_are_no_truth(changed: Any, compare: Any, tmp_path: Path) -> None:
    keys = {
        "strategy.hw_runner.cost": {"batch": 8},
        "strategy.constraints": {"activation_memory": {"max": 1e9}},
    }
    found = compare(changed(keys), tmp_path, ["random"], seeds=1)
    assert found.truth.seconds is None and "in other units" in found.truth.words


def test_interrupted_leaves_whole_runs(
    config: Any, compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop.actions.search.strategies.optuna import SearchStrategyOptuna

    real, calls = SearchStrategyOptuna.run_in_memory, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(SearchStrategyOptuna, "run_in_memory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(config, tmp_path, ["random", "qmc"], seeds=3)
    left = pd.read_csv(tmp_path / "regret.csv")
    assert left.groupby(["sampler", "seed"]).size().to_dict() == {
        ("random", 0): 6, ("qmc", 0): 6, ("random", 1): 6
    }  # fmt: skip


@pytest.mark.parametrize(
    ("samplers", "keys", "said"),
    [
        (["random", "tpee"], {}, "'tpee'"),
        (["random", "Random"], {}, "'random' twice"),
        (["random", ""], {}, "must name samplers"),
        (["random"], {"strategy.name": "exhaustive", "strategy.setup": {}}, "must be 'optuna'"),
    ],
)
def test_refused_before_anything_runs(
    changed: Any, compare: Any, tmp_path: Path, samplers: list[str], keys: dict, said: str
) -> None:
    with pytest.raises((ConfigError, KeyError)) as refused:
        compare(changed(keys), tmp_path / "out", samplers)
    assert said in str(refused.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("validate_only", [False, True])
def test_a_sampler_for_one_objective_is_refused_before_the_others_run(
    config: Any, compare: Any, tmp_path: Path, validate_only: bool
) -> None:
    pytest.importorskip("cmaes")
    with pytest.raises(ConfigError, match="'cmaes' takes one objective, and there are 2"):
        compare(config, tmp_path / "out", ["random", "cmaes"], validate_only=validate_only)
    assert not (tmp_path / "out").exists()


def test_curve_agrees_with_the_definitions() -> None:
    rng = np.random.default_rng(0)
    everything = rng.random((300, 2))
    truth = Truth.of(everything, ["maximize", "minimize"], "all")
    values = everything[rng.permutation(300)[:70]]
    values[5] = np.nan
    found = curve(values, ["a", "b"], truth)
    for k in (0, 5, 33, 69):
        part = values[: k + 1]
        volume = hypervolume(part, truth.directions, truth.reference)
        assert found["hypervolume"][k] == pytest.approx(volume)
        assert found["gap"][k] == pytest.approx(1 - volume / truth.volume)
        assert found["distance"][k] == pytest.approx(distance_to_front(part, truth.front, truth.directions))
        assert found["best_a"][k] == np.nanmax(part[:, 0]) and found["best_b"][k] == np.nanmin(part[:, 1])
