"""Samplers against the exact front: the whole comparison as a benchmark, and a small one that always runs.

Run: pytest -m benchmark -s tests/benchmarks/samplers
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import numpy as np
import pytest

from chop.search import pareto_front
from chop.search.hypervolume import front_points_found, hypervolume, hypervolume_curve

from . import __main__ as benchmark
from .spaces import WAYS, mlp_on_real_jets, toy_on_synth

SEEDS = 20


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_samplers_against_the_front(shared_dir: Path) -> None:
    words = shlex.split(os.environ.get("CHOP_BENCHMARK_OPTIONS", f"--shared {shlex.quote(str(shared_dir))}"))
    for result in benchmark.main(words):
        shares = {(row["sampler"], row["trials"]): row["share"] for row in result["rows"]}
        budgets = sorted({trials for _, trials in shares})
        for trials in budgets[1:]:  # the first 20 trials are half chance
            assert shares["native-tpe", trials] >= shares["tpe", trials] - 0.01, (result["what"], trials)


@pytest.mark.filterwarnings("ignore")
def test_native_tpe_loses_to_nobody_on_a_real_space() -> None:
    """Medians of 20 seeds at 20 and 100 trials, against chance and NSGA-II; no trial is thrown away on a repeat."""
    space = toy_on_synth()
    curves = {
        sampler: np.median(
            [hypervolume_curve(space.study(sampler, 100, s), WAYS, space.reference) for s in range(SEEDS)],
            axis=0,
        )
        / space.volume
        for sampler in ("random", "nsgaii", "native-tpe")
    }
    for other in ("random", "nsgaii"):
        assert curves["native-tpe"][99] >= curves[other][99]
        assert curves["native-tpe"][19] >= curves[other][19] - 0.03
    whole = space.study("native-tpe", len(space.values), 0)
    assert front_points_found(whole, space.front) == len(space.front)
    assert hypervolume_curve(whole, WAYS, space.reference)[-1] == pytest.approx(space.volume)


def test_the_swept_space_on_real_jets(shared_dir: Path, tmp_path: Path) -> None:
    """Its front is that of the definition, and a sample of it that of single evaluations."""
    space = mlp_on_real_jets(shared_dir, tmp_path)
    assert len(space.values) == 65_536
    front = space.front
    assert front[:, 1].min() >= 3.0 and front[:, 0].max() <= 0.80
    for point in front:  # nothing is as good in both and better in one
        better = (space.values[:, 0] >= point[0]) & (space.values[:, 1] <= point[1])
        assert (space.values[better] == point).all()
    rows = np.random.default_rng(0).choice(len(space.values), 200, replace=False)
    sample = space.values[rows]
    assert hypervolume(sample, WAYS, space.reference) <= space.volume
    assert len(pareto_front(sample, WAYS)) > 0
