"""A small model, a data module of random rows and a search config, for the tests of the search action."""

from __future__ import annotations

import copy
import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop.pool import Source
from tests.pool.cluster import Cluster, running
from tests.search.postgresql import Server

SOURCE = "tests.search.conftest:for_workers"
WIDTHS = {"data_in": [4, 8], "weight": [2, 4, 8], "bias": [8]}


class SequentialModel(nn.Module):
    """Layers under ``seq_blocks``, so that the nodes are called seq_blocks_0, seq_blocks_1, …"""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.seq_blocks = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.seq_blocks(x)


class RandomRows:
    """A data module with the methods that the search uses; ``rows`` rows in each split."""

    def __init__(self, rows: int = 300, batch_size: int = 64) -> None:
        self.batch_size = batch_size
        generator = torch.Generator().manual_seed(5)
        self._splits = {
            split: (
                torch.randn(rows, 16, generator=generator),
                torch.randint(0, 5, (rows,), generator=generator),
            )
            for split in ("train", "val", "test", "pred")
        }

    def prepare_data(self) -> None:
        """Nothing to fetch."""

    def setup(self) -> None:
        """Nothing to read."""

    def arrays(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._splits[split]


def small_model() -> nn.Module:
    """BN16, ReLU, Linear 16-8, ReLU, Linear 8-5 with random weights and statistics."""
    torch.manual_seed(3)
    model = SequentialModel(
        nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5)
    ).eval()
    norm = model.seq_blocks[0]
    norm.running_mean.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 2.0)
    return model


def for_workers(options: dict[str, Any]) -> dict[str, Any]:
    """What a worker builds: the same model and rows; options change one of them, or register a metric."""
    if metric := options.get("imports"):
        importlib.import_module(metric)
    made, rows = small_model(), RandomRows(options.get("rows", 300))
    if options.get("other_weights"):
        made.seq_blocks[2].weight.data[0, 0] += 1  # type: ignore[union-attr, operator]
    return {"model": made, "model_info": None, "task": "cls", "dataset_info": None, "data_module": rows}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, processes of this machine."""
    pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")
    with running(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


@pytest.fixture
def on_workers(run: Any, cluster: Cluster) -> Callable[..., Any]:
    """``run`` on the cluster; options change what the workers build."""

    def call(config: Any, folder: Path, **options: Any) -> Any:
        source = Source(SOURCE, {"imports": "tests.search.slow_metrics", **options})
        return run(config, folder, cluster=str(cluster.file), source=source)

    return call


@pytest.fixture
def model() -> nn.Module:
    """The small model."""
    return small_model()


@pytest.fixture
def data_module() -> RandomRows:
    """300 rows in each split, batches of 64."""
    return RandomRows()


@pytest.fixture
def choices() -> dict[str, list[Any]]:
    """Six points for a linear layer: two data widths, three weight widths."""
    table: dict[str, list[Any]] = {"name": ["integer"]}
    for operand, widths in WIDTHS.items():
        table[f"{operand}_width"] = list(widths)
        table[f"{operand}_frac_width"] = [None]
    return table


@pytest.fixture
def config(choices: dict[str, list[Any]]) -> dict[str, Any]:
    """A whole document: by type, 36 configurations, random, two objectives, 6 trials."""
    return {
        "search": {
            "search_space": {
                "name": "graph/quantize/mixed_precision_ptq",
                "setup": {"by": "type"},
                "seed": {"default": {"config": {"name": ["NA"]}}, "linear": {"config": choices}},
            },
            "strategy": {
                "name": "optuna",
                "eval_mode": True,
                "sw_runner": {"basic_evaluation": {"data_loader": "val_dataloader", "num_samples": 512}},
                "hw_runner": {"average_bitwidth": {"compare_to": 32}},
                "setup": {
                    "n_jobs": 1,
                    "n_trials": 6,
                    "timeout": 20000,
                    "sampler": "random",
                    "sum_scaled_metrics": False,
                    "direction": "maximize",
                },
                "metrics": {
                    "accuracy": {"scale": 1.0, "direction": "maximize"},
                    "average_bitwidth": {"scale": 0.2, "direction": "minimize"},
                },
            },
        }
    }


@pytest.fixture
def changed(config: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """``changed({"strategy.setup.n_trials": 8})`` is a copy of the config with those keys set."""

    def change(keys: dict[str, Any]) -> dict[str, Any]:
        document = copy.deepcopy(config)
        for path, value in keys.items():
            table = document["search"]
            *folders, last = path.split(".")
            for folder in folders:
                table = table.setdefault(folder, {})
            if value is ...:
                del table[last]
            else:
                table[last] = value
        return document

    return change


@pytest.fixture
def run(model: nn.Module, data_module: RandomRows) -> Callable[..., Any]:
    """Run a search of the small model."""
    from chop.actions import search

    def call(config: Any, folder: Any, **options: Any) -> Any:
        keywords: dict[str, Any] = {"model": model, "data_module": data_module, **options}
        return search(
            model_info=None,
            task="cls",
            dataset_info=None,
            search_config=config,
            save_path=folder,
            **keywords,
        )

    return call


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running server; skips, with the reason, where there is none to run."""
    # Not below pytest's own folder: the user postgres may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="chop-postgresql-"))
    try:
        server = Server(folder)
        yield server
        server.stop("fast")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
