"""A run that is stopped at any moment, again and again, ends with the weights and figures of one that was not."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import assert_same_files, toy

STOPS = 8


@pytest.mark.parametrize("seed", [0, 1])
def test_stopped_up_to_eight_times(run: Any, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    given = {"engine": "native", "args": {"max_epochs": 150}, "optimizer": ("adam", "sgd")[seed]}
    run(engine="native", args={"max_epochs": 1})  # what is imported and built once
    before = time.perf_counter()
    whole, _ = run(save_path=tmp_path / "whole", **given)
    longest = (time.perf_counter() - before) / STOPS
    folder, last = tmp_path / "stopped", tmp_path / "stopped" / "last.ckpt"
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    stops, done = 0, False
    try:
        for turn in range(200):
            resume = {"resume": last} if last.exists() else {}
            try:
                if stops < STOPS:
                    signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.001, longest))
                model, _ = run(toy(seed=0 if not resume else turn), save_path=folder, **resume, **given)
                done = True
            except KeyboardInterrupt:
                stops += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if done:
                break
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert done and stops >= 3
    assert_same_files(folder, tmp_path / "whole")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
