"""The trained fronts as a test that is left out by default, and the count of EBOPs as one that is not.

Run: CHOP_BENCHMARK_OPTIONS="--trained 60 --seeds 0 --epochs 0" pytest -m benchmark -s tests/benchmarks/trained_fronts
"""

from __future__ import annotations

import os
import shlex

import pytest
import torch

from . import __main__ as benchmark
from .counting import set_span
from .fronts import at


@pytest.mark.benchmark
def test_training_is_above_rounding() -> None:
    found = benchmark.main(shlex.split(os.environ.get("CHOP_BENCHMARK_OPTIONS", "")))
    for seed, ways in found["fronts"].items():
        for target in (10_000, 17_500, 30_000):
            rounded, trained = (at(ways[way]["points"], target) for way in ("post-training", "train_front"))
            assert rounded is not None and trained is not None
            assert trained["test"] > rounded["test"], (seed, target)


def test_the_span_of_set_bits_is_that_of_the_binary_digits() -> None:
    codes = torch.arange(-300, 301)
    assert set_span(codes).tolist() == [len(f"{abs(int(code)):b}".strip("0")) for code in codes]
