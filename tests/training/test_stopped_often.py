"""A run that is stopped at any moment, again and again, ends with the weights and figures of one that was not."""

from __future__ import annotations

import gc
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import assert_same_files, toy

STOPS, ENOUGH = 8, 3


@pytest.fixture
def no_gc_callbacks() -> Iterator[None]:
    """An exception out of a callback of the collector (hypothesis has one) is lost: such a stop would never arrive."""
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    yield
    gc.callbacks[:] = callbacks


def stopped_run(
    run: Any, folder: Path, pause: Callable[[], float], **given: Any
) -> tuple[torch.nn.Module, int]:
    """Train to the end through at most eight stops, each after `pause()` seconds: the model, and their number."""
    last, stops = folder / "last.ckpt", 0
    for turn in range(200):
        resume = {"resume": last} if last.exists() else {}
        try:
            if stops < STOPS:
                signal.setitimer(signal.ITIMER_REAL, pause())
            model, _ = run(toy(seed=0 if not resume else turn), save_path=folder, **resume, **given)
            return model, stops
        except KeyboardInterrupt:
            stops += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    raise AssertionError("200 runs did not reach the end")


# A stop within a callback of a weak reference (torch has some) is lost, and told as a warning: one stop fewer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("no_gc_callbacks")
@pytest.mark.parametrize("seed", [0, 1])
def test_stopped_up_to_eight_times(run: Any, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    given = {"engine": "native", "args": {"max_epochs": 150}, "optimizer": ("adam", "sgd")[seed]}
    run(engine="native", args={"max_epochs": 1})  # what is imported and built once
    before = time.perf_counter()
    whole, _ = run(save_path=tmp_path / "whole", **given)
    longest = (time.perf_counter() - before) / STOPS
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for turn in range(8):  # a machine that becomes faster than it was measured needs shorter pauses
            folder = tmp_path / f"stopped-{turn}"
            model, stops = stopped_run(
                run, folder, lambda turn=turn: draw.uniform(0.001, longest / 2**turn), **given
            )
            if stops >= ENOUGH:
                break
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert stops >= ENOUGH
    assert_same_files(folder, tmp_path / "whole")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
