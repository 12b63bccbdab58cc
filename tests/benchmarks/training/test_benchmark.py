"""The whole benchmark as a test that is left out by default; CHOP_TRAINING_OPTIONS holds its options."""

from __future__ import annotations

import os
import shlex

import pytest

from .__main__ import main
from .report import JAX, OURS


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_training_vs_peers() -> None:
    results = main(shlex.split(os.environ.get("CHOP_TRAINING_OPTIONS", "")))
    assert results
    for result in results:  # speed is reported, equality is asserted
        assert result.speeds[OURS]
        if JAX in result.losses:
            assert result.losses[OURS] == pytest.approx(result.losses[JAX], abs=5e-3)
