"""Options of samplers: checked one by one, and logged as they are in effect."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from chop.actions.search.samplers import SamplerPlan
from chop.tools.errors import ConfigError

NEED_PACKAGES = {"gp": "scipy", "cmaes": "cmaes"}


@pytest.mark.parametrize("name", NEED_PACKAGES)
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == NEED_PACKAGES[name] else found(n, *a)
    )
    message = f"sampler: '{name}' needs the package {NEED_PACKAGES[name]}: pip install {NEED_PACKAGES[name]}"
    with pytest.raises(ConfigError, match=message):
        SamplerPlan(name, {}, {}, 0)


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("tpe", "multivariat", True, "did you mean 'multivariate'"),
        ("tpe", "constant_lier", True, "did you mean 'constant_liar'"),
        ("tpe", "n_ei_candidates", 0, "greater than or equal to 1"),
        ("tpe", "multivariate", "no", "got 'no'"),
        ("nsgaii", "populaton_size", 8, "did you mean 'population_size'"),
        ("nsgaiii", "mutation_prob", 1.5, "less than or equal to 1"),
        ("qmc", "scrambel", True, "did you mean 'scramble'"),
        ("random", "seed", 3, "is not known; known: none"),
        ("grid", "seed", 3, "is not known; known: none"),
        ("brute-force", "avoid_premature_stop", True, "is not known; known: none"),
        ("gp", "n_startup_trails", 3, "did you mean 'n_startup_trials'"),
        ("gp", "n_startup_trials", 0, "greater than or equal to 1"),
        ("cmaes", "sigma", 0.3, "did you mean 'sigma0'"),
        ("cmaes", "sigma0", 0, "greater than 0"),
        ("cmaes", "popsize", 3, "greater than or equal to 4"),
        ("cmaes", "with_margin", 1, "got 1"),
    ],
)
def test_every_option_is_checked(name: str, option: str, value: Any, message: str) -> None:
    if name in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[name])
    with pytest.raises(ConfigError) as caught:
        SamplerPlan(name, {option: value}, {}, 0)
    assert f"search.strategy.setup.sampler_options.{option}" in str(caught.value) and message in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("gp", {}, "gp (n_startup_trials=10, deterministic_objective=False)"),
        ("cmaes", {"popsize": 8}, "cmaes (sigma0=0.167, popsize=8, with_margin=True)"),
        ("cmaes", {}, "cmaes (sigma0=0.167, popsize=7, with_margin=True)"),
        ("random", {}, "random"),
        (
            "nsgaii",
            {},
            "nsgaii (population_size=50, mutation_prob=0.333, crossover_prob=0.9, swapping_prob=0.5)",
        ),
        ("tpe", {}, "tpe (multivariate=True, constant_liar=True, n_startup_trials=10, n_ei_candidates=24)"),
    ],
)
def test_the_options_in_effect_are_one_line(name: str, options: dict[str, Any], line: str) -> None:
    if name in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[name])
    assert SamplerPlan(name, options, {"a": 3, "b": 2, "c": 4}, 0).describe(1) == line
