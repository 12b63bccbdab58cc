"""Ways to train the same network on the same rows with Adam: each is prepared once, then run and timed."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.models.physical.jet_substructure import JSC_Tiny, JSC_Toy
from chop.training import NativeTrainer
from tests.benchmarks.evaluator.images import resnet8

MODELS: dict[str, Callable[[], nn.Sequential]] = {
    "jsc-tiny": lambda: JSC_Tiny(None).seq_blocks,
    "jsc-toy": lambda: JSC_Toy(None).seq_blocks,
    "resnet8": resnet8,
}
IMAGES = {"resnet8": 10_000}  # of 3x32x32 pixels, in an epoch
IMAGE_BATCH = 128
RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """A network, its data and the size of the batches."""

    name: str
    model: nn.Sequential
    x: Tensor
    y: Tensor
    order: Tensor
    batch: int

    @property
    def steps(self) -> int:
        """Whole batches of the data."""
        return len(self.x) // self.batch


def make_case(name: str, rows: int, batch: int, seed: int = 0) -> Case:
    """Random rows, labels and weights."""
    torch.manual_seed(seed)
    model = MODELS[name]().train()
    rows = min(rows, IMAGES.get(name, rows))
    x = torch.randn(rows, 3, 32, 32) if name in IMAGES else torch.randn(rows, 16)
    y = torch.randint(0, 10 if name in IMAGES else 5, (rows,))
    return Case(name, model, x, y, torch.randperm(rows), batch)


@dataclass(frozen=True)
class Ready:
    """``run`` trains on ``rows`` rows and returns the mean loss of its batches, if it knows it."""

    rows: int
    run: Callable[[], float | None]


def ours(case: Case) -> Ready:
    """The core, one thread."""
    rows = case.steps * case.batch
    trainer, order = NativeTrainer(case.model, case.x, case.y), case.order[:rows]
    return Ready(rows, lambda: float(trainer.epoch(case.batch, RATE, order).losses.mean()))


def plain_torch(case: Case) -> Ready:
    """A loop over resident tensors with torch's fused Adam; no more than 400 steps."""
    steps = min(case.steps, 400)
    model = copy.deepcopy(case.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)

    def run() -> float:
        total = torch.zeros(())
        for step in range(steps):
            rows = case.order[step * case.batch : (step + 1) * case.batch]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(case.x[rows]), case.y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total) / steps

    return Ready(steps * case.batch, run)


def lightning(case: Case) -> Ready:
    """Lightning's Trainer with a shuffling DataLoader, without validation, bar, log files or checkpoints."""
    import lightning as lt
    from torch.utils.data import DataLoader, Subset, TensorDataset

    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    steps = min(case.steps, 400 if case.batch < 256 else 100)

    class Module(lt.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = copy.deepcopy(case.model)

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    data = Subset(TensorDataset(case.x, case.y), range(steps * case.batch))
    loader = DataLoader(data, batch_size=case.batch, shuffle=True)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}

    def run() -> None:
        trainer = lt.Trainer(
            max_epochs=1, accelerator="cpu", devices=1, enable_model_summary=False, **options
        )
        trainer.fit(Module(), loader)

    return Ready(steps * case.batch, run)


def jax_scan(case: Case) -> Ready:
    """JAX: the whole epoch is one compiled scan, which also picks the rows; of images, each step is compiled."""
    from .jax_epoch import compile_epoch

    rows = case.steps * case.batch
    return Ready(rows, compile_epoch(case.model, case.x, case.y, case.order[:rows], case.batch, RATE))


CONTESTANTS: dict[str, Callable[[Case], Ready]] = {
    "chop": ours,
    "Lightning + DataLoader": lightning,
    "torch loop with fused Adam": plain_torch,
    "JAX jit + scan": jax_scan,
}
