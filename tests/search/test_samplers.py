"""Samplers by name: all run, none depends on anything but seed and trial number, options are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop.actions.search.samplers import SAMPLERS, SamplerPlan, trial_seed
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

NAMES = ("random", "tpe", "nsgaii", "nsgaiii", "qmc", "brute-force", "grid", "native-tpe")
NEED_PACKAGES = {"gp": "scipy", "cmaes": "cmaes"}
SHORT = {
    "nsgaii": {"population_size": 4},
    "nsgaiii": {"population_size": 4},
    "tpe": {"n_startup_trials": 3},
    "native-tpe": {"n_startup_trials": 3},
    "cmaes": {"popsize": 4},
    "gp": {"n_startup_trials": 4},
}


def points(result: Any) -> list[tuple[Any, ...]]:
    """Parameters and values of each trial, in order."""
    return [(tuple(trial.params.items()), tuple(trial.values)) for trial in result.study.trials]


def with_sampler(changed: Callable[..., Any], name: str, n_trials: int, **keys: Any) -> dict[str, Any]:
    options = {"strategy.setup.sampler": name, "strategy.setup.n_trials": n_trials}
    if name in SHORT:
        options["strategy.setup.sampler_options"] = SHORT[name]
    return changed({**options, **keys})


def test_the_names() -> None:
    assert {*NAMES, *NEED_PACKAGES} <= set(SAMPLERS)


@pytest.mark.parametrize(
    ("name", "objectives"),
    [*((n, o) for n in (*NAMES, "gp") for o in ("several", "sum")), ("cmaes", "sum")],
)
def test_same_seed_same_study_also_when_it_was_stopped(
    name: str, objectives: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    if name in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[name])
    keys = {"strategy.setup.sum_scaled_metrics": objectives == "sum"}
    if (name, objectives) == ("gp", "several"):
        keys["strategy.setup.sampler_options"] = {"n_startup_trials": 11}  # each fit takes a while
    whole = points(run(with_sampler(changed, name, 14, **keys), tmp_path / "whole", seed=1))
    again = points(
        run(with_sampler(changed, name, 14, **keys, **{"strategy.setup.n_jobs": 2}), tmp_path / "2", seed=1)
    )
    assert again == whole and len(whole) == 14
    for stop in (6,) if name == "gp" else (1, 6, 9):
        parts = [with_sampler(changed, name, n, **keys) for n in (stop, 14)]
        for part in parts:
            stopped = run(part, tmp_path / f"parts{stop}", seed=1)
        assert points(stopped) == whole
    if name not in ("qmc",):  # an unscrambled Sobol sequence has no seed
        other = points(run(with_sampler(changed, name, 14, **keys), tmp_path / "other", seed=2))
        assert other != whole


@pytest.mark.parametrize("name", ["brute-force", "brute_force", "Brute-Force", "GRID"])
def test_the_exhaustive_ones_stop_by_themselves(
    name: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    result = run(with_sampler(changed, name, 50), tmp_path)
    assert len(result.study.trials) == len({trial_params for trial_params, _ in points(result)}) == 36
    again = run(with_sampler(changed, name, 50), tmp_path)
    assert points(again) == points(result)


@pytest.mark.parametrize("name", [*NAMES, *NEED_PACKAGES])
def test_a_space_of_one_configuration(
    name: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    if name in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[name])
    seed = {"default": {"config": {"name": ["NA"]}}}
    keys = {"search_space.seed": seed, "strategy.setup.sum_scaled_metrics": True}
    result = run(with_sampler(changed, name, 3, **keys), tmp_path)
    trials = result.study.trials
    assert all(trial.params == {} for trial in trials)
    assert [trial.user_attrs.get("repeat_of") for trial in trials] == [None, 0, 0][: len(trials)]
    assert len(trials) == (1 if name in ("brute-force", "grid") else 3)


def test_only_parameters_with_a_choice_are_suggested(
    config: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    for trial in run(config, tmp_path).study.trials:
        assert {name.split("/")[-1] for name in trial.params} == {"data_in_width", "weight_width"}
        assert len(trial.params) == 4


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_every_index_comes_up(name: str) -> None:
    lengths = {"a": 2, "b": 3, "c": 7}
    sampler = SamplerPlan(name, {}, lengths, seed=0).build(0)
    drawn = np.array([sampler.propose(number) for number in range(512)])
    for column, length in enumerate(lengths.values()):
        counts = np.bincount(drawn[:, column], minlength=length)
        assert counts.size == length
        # Six standard deviations of a binomial count; the Sobol points are evener than that.
        spread = 6 * np.sqrt(512 / length * (1 - 1 / length))
        assert np.abs(counts - 512 / length).max() < spread


def test_tpe_learns(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    """With the width as the only objective TPE ends on the narrowest weights more often than chance."""
    keys = {
        "strategy.metrics": {"average_bitwidth": {"scale": 1.0}},
        "strategy.setup.sum_scaled_metrics": True,
        "strategy.setup.direction": "minimize",
    }

    def hits(name: str) -> int:
        results = (run(with_sampler(changed, name, 60, **keys), tmp_path, seed=seed) for seed in range(3))
        return sum([trial.value for trial in result.study.trials[30:]].count(2.0) for result in results)

    # One point in nine is narrowest: 90 random draws hit it 10 times, give or take 3.
    assert hits("random") < 22 < 30 < hits("tpe")


def test_cmaes_learns_and_remembers_nothing_that_is_not_in_the_study() -> None:
    """On a bowl it ends near the bottom; a sampler made anew for each trial proposes the same."""
    pytest.importorskip("cmaes")
    import optuna

    lengths = {"a": 16, "b": 32, "c": 8, "one more": 2}

    def bowl(params: dict[str, int]) -> float:
        return (
            (params["a"] - 11) ** 2 + (params["b"] - 5) ** 2 / 4 + (params["c"] - 6) ** 2 + params["one more"]
        )

    def study_of(options: dict[str, Any], anew: bool, direction: str = "minimize", seed: int = 0) -> Any:
        plan = SamplerPlan("cmaes", options, lengths, seed)
        study = optuna.create_study(direction=direction, sampler=plan.build(0))
        sign = 1 if direction == "minimize" else -1
        for _ in range(160):
            if anew:
                study.sampler = plan.build(0)
            trial = study.ask()
            params = {name: trial.suggest_int(name, 0, n - 1) for name, n in lengths.items()}
            study.tell(trial, sign * bowl(params))
        return study

    for options in ({}, {"with_margin": False}, {"sigma0": 0.4, "popsize": 12}):
        kept = [trial.params for trial in study_of(options, anew=False).trials]
        assert [trial.params for trial in study_of(options, anew=True).trials] == kept
        assert [t.params for t in study_of(options, anew=False, direction="maximize").trials] == kept
        assert [trial.params for trial in study_of(options, anew=False, seed=1).trials] != kept
        late = [bowl(params) for params in kept[80:]]
        # A random point costs 94 in the mean.
        assert np.mean(late) < 25 and min(late) <= 1


@pytest.mark.parametrize("name", ["tpe", "nsgaii", "gp", "cmaes"])
def test_the_same_study_where_trials_are_claimed(
    name: str, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    """Claimed one by one, as several processes do it."""
    if name in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[name])
    keys = {"strategy.setup.sum_scaled_metrics": True}
    alone = run(with_sampler(changed, name, 10, **keys), tmp_path / "alone")
    keys["strategy.setup.study_name"] = "claimed"
    claimed = run(with_sampler(changed, name, 10, **keys), tmp_path / "claimed")
    assert points(claimed) == points(alone)


def test_cmaes_takes_one_objective(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    with pytest.raises(ConfigError, match="'cmaes' takes one objective, and there are 2: set sum_scaled"):
        run(with_sampler(changed, "cmaes", 3), tmp_path / "out", validate_only=True)
    with pytest.raises(ConfigError, match="'cmaes' takes one objective, and there are 2: set sum_scaled"):
        run(with_sampler(changed, "cmaes", 3), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tpe_options_of_2024(changed: Callable[..., Any], run: Any, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level("INFO", "chop")
    base = {
        "strategy.setup.sampler": "TPE",
        "strategy.setup.n_trials": 30,
        "strategy.setup.sum_scaled_metrics": True,
    }
    new = run(changed(base), tmp_path)
    assert "sampler tpe (multivariate=True, constant_liar=True, n_startup_trials=10" in caplog.text
    old_keys = {"strategy.setup.multivariate": False, "strategy.setup.constant_liar": False}
    old = run(changed({**base, **old_keys}), tmp_path)
    assert "sampler tpe (multivariate=False, constant_liar=False" in caplog.text
    assert points(old)[:10] == points(new)[:10] and points(old) != points(new)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"sampler_options\.n_startup_trails is not known \(did you mean"):
        SamplerPlan("tpe", {"n_startup_trails": 3}, {}, 0)
    with pytest.raises(ConfigError, match=r"population_size must be greater than or equal to 2, got 1"):
        SamplerPlan("nsgaii", {"population_size": 1}, {}, 0)
    with pytest.raises(UnknownNameError, match="sampler 'cmaess' is not known"):
        SamplerPlan("cmaess", {}, {}, 0)
    with pytest.raises(ConfigError, match="holds at most 100000 configurations"):
        SamplerPlan("grid", {}, {str(i): 10 for i in range(6)}, 0).build(0)


def test_a_sampler_of_ones_own(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    from optuna.samplers import RandomSampler

    @SAMPLERS.register("Mine")
    class Mine(RandomSampler):
        def __init__(self, seed: int, shift: int) -> None:
            if shift < 0:
                raise ValueError(f"shift must not be negative, got {shift}")
            super().__init__(seed)
            self.shift = shift

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> int:
            return min(self.shift, distribution.high)

    try:
        keys = {"strategy.setup.sampler": "Mine", "strategy.setup.sampler_options": {"shift": 1}}
        result = run(changed(keys), tmp_path)
        assert all(set(trial.params.values()) == {1} for trial in result.study.trials)
        with pytest.raises(ConfigError, match=r"shfit is not known to sampler 'Mine' \(did you mean 'shift'"):
            run(changed({**keys, "strategy.setup.sampler_options": {"shfit": 1}}), tmp_path)
        for options, said in (({}, "argument: 'shift'"), ({"shift": -1}, "must not be negative, got -1")):
            with pytest.raises(ConfigError, match=f"setup.sampler: 'Mine' cannot be made: .*{said}"):
                run(changed({**keys, "strategy.setup.sampler_options": options}), tmp_path)
    finally:
        del SAMPLERS["Mine"]


def test_seeds_of_trials_differ() -> None:
    assert len({trial_seed(seed, number) for seed in range(30) for number in range(30)}) == 900
    assert trial_seed(-3, 0) != trial_seed(3, 0)
