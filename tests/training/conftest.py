"""Small data for training runs, and comparison of what they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.training import fit

ENGINES = ("native", "lightning")


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 of the synthetic jets as an .npz file."""
    x, y = MaseDataModule("jsc-synth", 64).arrays("val")
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=x[:1000].numpy(), y=y[:1000].numpy())
    return path


@pytest.fixture
def small(small_file: Path) -> MaseDataModule:
    """The same as a data module: 600 rows to train, 200 to validate; batches of 64."""
    return MaseDataModule(str(small_file), 64)


def toy(seed: int = 0, name: str = "jsc-toy") -> nn.Module:
    """A jet classifier whose weights the seed decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_model(name)


@pytest.fixture
def run(small: MaseDataModule) -> Callable[..., tuple[nn.Module, dict[str, Any]]]:
    """Train a toy on the small data; keywords are those of ``fit``, ``args`` those of the trainer."""

    def go(model: nn.Module | None = None, args: dict[str, Any] | None = None, **options: Any) -> Any:
        model = toy() if model is None else model
        given = {"learning_rate": 1e-2, "bar": False} | options
        trainer_args = {"max_epochs": 3, "accelerator": "cpu"} | (args or {})
        return model, fit(model, given.pop("data", small), classes=5, trainer_args=trainer_args, **given)

    return go


def assert_same(one: Any, other: Any, place: str = "") -> None:
    """Nested values are equal, tensors bit for bit."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_same(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{place}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert one == other, place


def assert_same_files(one: Path, other: Path) -> None:
    """Two folders of training_ckpts hold the same run."""
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for name in ("last.ckpt", "best.ckpt"):
        contents = [torch.load(folder / name, weights_only=True) for folder in (one, other)]
        for content in contents:
            content.pop("callbacks")  # Lightning's hold paths
        assert_same(*contents, name)
