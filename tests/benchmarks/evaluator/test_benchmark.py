"""The whole benchmark as a test that is left out by default; CHOP_BENCHMARK_OPTIONS holds its options.

Run: CHOP_BENCHMARK_OPTIONS="--models tiny,toy --rows 10000" pytest -m benchmark -s tests/benchmarks/evaluator
"""

from __future__ import annotations

import os
import shlex

import pytest

from .__main__ import main
from .results import ONE


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_evaluator_vs_peers() -> None:
    cases = main(shlex.split(os.environ.get("CHOP_BENCHMARK_OPTIONS", "")))
    assert cases
    for case in cases:  # speed is reported, equality is asserted
        if case.variants[ONE].timing is None:
            continue
        assert case.ours["same_right_rows"] or not case.ours["exact_in_fp32"], case.title
        assert case.ours["equal_logits"] == 1 or not case.ours["exact_in_fp32"], case.title
        assert case.ours["loss_difference"] < 1e-6, case.title
