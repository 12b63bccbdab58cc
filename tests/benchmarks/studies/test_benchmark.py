"""The studies as a test that is left out by default, and one of a few trials that is not.

Run: CHOP_BENCHMARK_OPTIONS="--rows 10000 --trials 20" pytest -m benchmark -s tests/benchmarks/studies
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import numpy as np
import pytest

from . import __main__ as benchmark
from .report import as_markdown
from .ways import LOOP, SAMPLERS, loop, ours, prepare, toy


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_studies_vs_the_loop() -> None:
    cases = benchmark.main(shlex.split(os.environ.get("CHOP_BENCHMARK_OPTIONS", "")))
    assert cases
    for case in cases:  # how much faster is reported
        assert all(ratio > 1 for ratio in case["ratios"].values()), case


@pytest.mark.filterwarnings("ignore")
def test_our_study_with_optunas_sampler_finds_what_the_loop_finds() -> None:
    """Accuracy to float32, the same width: the peer evaluates what we evaluate."""
    pytest.importorskip("torchmetrics")
    case = toy(3_000)
    import optuna

    class Fixed(optuna.samplers.RandomSampler):
        """One sequence for both; Optuna's random sampler draws one parameter after the other."""

    from chop.actions.search.samplers import SAMPLERS as REGISTERED

    REGISTERED["fixed-for-this-test"] = Fixed
    try:
        mine = ours(case, "fixed-for-this-test", 6, seed=0)()
    finally:
        del REGISTERED["fixed-for-this-test"]
    theirs = loop(case, 6, seed=0)
    from chop.actions.search.samplers import trial_seed

    original = optuna.samplers.TPESampler
    optuna.samplers.TPESampler = lambda seed: Fixed(seed=trial_seed(0, 0))  # type: ignore[assignment, misc]
    try:
        found = theirs()
    finally:
        optuna.samplers.TPESampler = original
    np.testing.assert_allclose(mine[:, 0], found[:, 0], atol=2e-7)
    np.testing.assert_array_equal(mine[:, 1], found[:, 1])


@pytest.mark.parametrize("way", SAMPLERS)
def test_every_way_runs_its_trials(way: str) -> None:
    values = prepare(way, toy(500), 12, 0)()
    assert values.shape == (12, 2) and np.isfinite(values).all()


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    from tests.benchmarks.evaluator import machine

    ms = {LOOP: 1000.0, "random": 4.0, "native-tpe": 20.0}
    ratios = {way: 1000.0 / value for way, value in ms.items() if way != LOOP}
    case = {"rows": 10_000, "trials": 20, "rounds": 3, "ms": ms, "ratios": ratios, "cpu_share": 0.5}
    about = {"date": "2026-01-01", "machine": machine.describe(), "load": (0.0, 0.0)}
    page = as_markdown([case], about)
    assert "| chop, random | 4.00 (250) |" in page and "**Discard this run.**" in page
    assert "| 10,000 rows, 20 trials | random | 200 | 250 | yes |" in page
    assert "| 10,000 rows, 20 trials | native-tpe | 80 | 50.0 | no |" in page
