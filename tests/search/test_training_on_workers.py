"""Trials that train, on workers: the same weights, figures and files as here; studies on any number of workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.samplers import SAMPLERS
from chop.pool import Source
from tests.pool.cluster import running
from tests.search import slow_metrics  # noqa: F401  registers its metrics
from tests.search.conftest import SOURCE
from tests.search.test_on_workers import SLOW, records
from tests.search.test_trained_front import same

pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")

TRAIN = {"num_samples": 128, "max_epochs": 1, "learning_rate": 1e-2}


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "weights").iterdir()}


@pytest.mark.parametrize("engine", ["native", "lightning"])
def test_a_study_that_trains(engine: str, changed: Any, run: Any, on_workers: Any, tmp_path: Path) -> None:
    config = changed(
        {
            "strategy.sw_runner": {"basic_train": {**TRAIN, "engine": engine}},
            "strategy.setup": {"n_trials": 4, "sampler": "random", "batch": 4},
        }
    )
    run(config, tmp_path / "here")
    on_workers(config, tmp_path / "there")
    assert records(tmp_path / "there") == records(tmp_path / "here")
    there = weights(tmp_path / "there")
    assert there == weights(tmp_path / "here") and there


def test_a_trained_front(changed: Any, run: Any, on_workers: Any, tmp_path: Path) -> None:
    config = changed(
        {
            "strategy.name": "exhaustive",
            "strategy.sw_runner": {"basic_train": dict(TRAIN), "basic_evaluation": {"num_samples": 300}},
            "strategy.setup": {"train_front": True, "most_trained": 6, "n_jobs": 1},
        }
    )
    run(config, tmp_path / "here")
    on_workers(config, tmp_path / "there")
    assert same(tmp_path / "here", tmp_path / "there")


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers(workers: int, changed: Any, run: Any, tmp_path: Path) -> None:
    source = Source(SOURCE, {"imports": "tests.search.slow_metrics"})
    (tmp_path / "cluster").mkdir()
    with running(tmp_path / "cluster", workers) as cluster:
        for sampler in sorted(SAMPLERS):
            config = changed({**SLOW, "strategy.setup.sampler": sampler, "strategy.setup.batch": 6})
            here, there = tmp_path / f"{sampler}-here", tmp_path / f"{sampler}-there"
            run(config, here)
            run(config, there, cluster=str(cluster.file), source=source)
            assert records(there) == records(here), sampler
