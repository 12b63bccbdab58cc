"""What is trained: networks, rows and the float weights to start from. One data set serves every way."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chop.dataset import DATASETS, MaseDataModule, register_dataset
from chop.models import get_model
from chop.plt_wrapper.schedules import Schedule
from chop.training import fit

Rows = dict[str, tuple[Tensor, Tensor]]
SYNTH = ("train", "val", "test")
FOLDS = 5


class Missing(Exception):
    """Why a case or a peer cannot run here."""


class Chain(nn.Module):
    """Linear layers with ReLUs between them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.seq_blocks = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.seq_blocks(x)


@dataclass(frozen=True, eq=False)
class Case:
    """A network on its rows.

    Attributes:
        sizes: features, units of each layer.
        targets: EBOPs at which ways are compared.
        rows: split -> (features [rows, features], classes [rows]).
        model: trained in float, the start of what starts from float.
        batch: of chop's trainings. peer_batch: of the peer's.
        epochs: how many times as many epochs as for the large data set a training of a config takes.
        recipe: what learning widths does otherwise than by default.
    """

    name: str
    what: str
    sizes: tuple[int, ...]
    targets: tuple[int, ...]
    rows: Rows
    model: nn.Module
    batch: int = 512
    peer_batch: int = 1024
    epochs: int = 1
    recipe: dict[str, Any] = field(default_factory=dict)

    def data(self) -> MaseDataModule:
        """The rows as a data set of the search."""
        name = f"trained-fronts-{self.name}"
        if name in DATASETS:
            del DATASETS[name]
        register_dataset(name, num_features=self.sizes[0], num_classes=self.sizes[-1])(lambda _: self.rows)
        module = MaseDataModule(name, batch_size=self.batch)
        module.prepare_data()
        module.setup()
        return module

    def limited(self, rows: int) -> Case:
        """The same case with the first rows of each split."""
        return replace(self, rows={split: (x[:rows], y[:rows]) for split, (x, y) in self.rows.items()})


def synthetic() -> Rows:
    data = MaseDataModule("jsc-synth", batch_size=512)
    data.prepare_data()
    data.setup()
    return {split: data.arrays(split) for split in SYNTH}


def trained_in_float(
    sizes: tuple[int, ...], rows: Rows, batch: int, epochs: int, rate: float, seed: int
) -> nn.Module:
    """A chain with the weights of the epoch that is best on the validation rows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Chain(sizes)
    fit(
        model, {split: rows[split] for split in ("train", "val")}, classes=sizes[-1],
        trainer_args={"max_epochs": epochs, "accelerator": "cpu"}, engine="native", learning_rate=rate,
        lr_scheduler=Schedule("cosine", "step"), batch_size=batch, seed=seed, bar=False, validate=False,
    )  # fmt: skip
    return model.eval()


def mlp(seed: int) -> Case:
    del seed  # the shipped weights are the start of all
    return Case(
        "16-64-32-32-5", "jsc-synth, the shipped weights of jsc-mlp", (16, 64, 32, 32, 5),
        (1_000, 1_500, 3_000, 10_000, 17_500, 30_000), synthetic(), get_model("jsc-mlp", pretrained=True).eval(),
    )  # fmt: skip


def toy(seed: int) -> Case:
    del seed
    rows, sizes = synthetic(), (16, 16, 8, 5)
    model = trained_in_float(sizes, rows, 512, 20, 1e-2, 0)
    return Case(
        "16-16-8-5", "jsc-synth, trained in float for 20 epochs", sizes,
        (500, 1_000, 1_500, 3_000, 6_000), rows, model,
    )  # fmt: skip


def jets(fold: int) -> Case:
    """The real jets: a fifth of the rows to test, the next fifth to choose points, three to train."""
    rows, sizes = fold_of(*real_jets(), fold), (16, 64, 32, 32, 5)
    model = trained_in_float(sizes, rows, 32, 20, 3e-3, fold)
    return Case(
        "real jets", "1,000 real jets in five folds (600 / 200 / 200 rows), 16-64-32-32-5", sizes,
        (1_000, 1_500, 3_000, 10_000, 17_500), rows, model, batch=32, peer_batch=32, epochs=2,
        recipe={"batch_size": 32, "learning_rate": 3e-3},
    )  # fmt: skip


def real_jets() -> tuple[Tensor, Tensor]:
    """Standardised features [1000, 16] and classes."""
    shared = Path(os.environ.get("CHOP_SHARED", Path(__file__).resolve().parents[4] / "shared"))
    file = shared / "data" / "jsc-openml-1000.npz"
    if not file.is_file():
        raise Missing(f"the real jets did not run: no {file.name}; CHOP_SHARED names the folder above data/")
    data = MaseDataModule(
        "jsc", 256, data_file=file, split="all", class_order="gqtwz",
        scaler=file.with_name("jsc-openml-marginals.npz"),
    )  # fmt: skip
    return data.arrays("test")


def fold_of(x: Tensor, y: Tensor, fold: int) -> Rows:
    """One of five folds, each with the classes in the whole's shares."""
    place = np.random.default_rng(0).permutation(len(y))
    place = place[np.argsort(y.numpy()[place], kind="stable")]  # by class, at random within each
    part = np.empty(len(y), np.int64)
    part[place] = np.arange(len(y)) % FOLDS
    test, val = part == fold % FOLDS, part == (fold + 1) % FOLDS
    return {
        split: (x[mask], y[mask]) for split, mask in (("train", ~test & ~val), ("val", val), ("test", test))
    }


CASES: dict[str, tuple[Callable[[int], Case], tuple[int, ...]]] = {
    "16-64-32-32-5": (mlp, (0, 1, 2)),
    "16-16-8-5": (toy, (0, 1, 2)),
    "real jets": (jets, tuple(range(FOLDS))),
}
