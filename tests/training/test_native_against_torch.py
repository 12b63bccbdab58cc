"""Whole runs of the core against torch: losses, states of optimizers, running statistics, clipped gradients."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.models.physical.jet_substructure import JSC_Tiny, JSC_Toy
from chop.training import NativeTrainer

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adam decayed": {"weight_decay": 0.01, "betas": (0.8, 0.95), "eps": 1e-4},
    "adamw": {"weight_decay": 0.1},
    "sgd": {"weight_decay": 0.01},
    "sgd momentum": {"momentum": 0.9, "weight_decay": 0.01},
    "sgd nesterov": {"momentum": 0.9, "nesterov": True},
}
TORCH = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def clusters(rows: int, features: int = 16, classes: int = 5) -> tuple[Tensor, Tensor]:
    y = torch.randint(0, classes, (rows,))
    return torch.randn(rows, features) + torch.randn(classes, features)[y], y


def assert_near(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert (found - wanted).double().norm() <= 1e-9 * wanted.double().norm()


def run_torch(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    order: Tensor,
    batch: int,
    optimizer: torch.optim.Optimizer,
    clip: tuple[str, float] | None = None,
) -> Tensor:
    losses = []
    for rows in order.split(batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        if clip is not None and clip[0] == "norm":
            nn.utils.clip_grad_norm_(model.parameters(), clip[1])
        elif clip is not None:
            nn.utils.clip_grad_value_(model.parameters(), clip[1])
        optimizer.step()
        losses.append(loss.detach().double())
    return torch.stack(losses)


@pytest.mark.parametrize(("kind", "tolerance"), [(JSC_Tiny, 1e-6), (JSC_Toy, 5e-3)])
@pytest.mark.parametrize("batch", [16, 200])
def test_losses_of_400_steps(kind: type[nn.Module], tolerance: float, batch: int) -> None:
    torch.manual_seed(0)
    x, y = clusters(400 * batch)
    model = kind(None).train()
    order = torch.randperm(len(x))
    epoch = NativeTrainer(model, x, y).epoch(batch, 1e-3, order)
    losses = run_torch(model, x, y, order, batch, torch.optim.Adam(model.parameters(), lr=1e-3))
    assert epoch.steps == 400 and (epoch.losses - losses).abs().max() <= tolerance
    assert epoch.loss == pytest.approx(float(losses.mean()), abs=tolerance)
    assert epoch.losses[-50:].mean() < 0.8 * epoch.losses[:10].mean()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, ("norm", 0.05), ("value", 0.003)])
def test_states_after_50_steps(name: str, clip: tuple[str, float] | None) -> None:
    torch.manual_seed(1)
    x, y = clusters(50 * 20 - 7)  # the last batch is a short one
    x = x.double()
    # A bias before a batch norm would have a gradient of rounding errors alone.
    layers = nn.Linear(16, 9, bias=False), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 5)
    model = nn.Sequential(*layers).double().train()
    options, kind = OPTIMIZERS[name], name.split()[0]
    limit = {"gradient_clip_algorithm": clip[0], "gradient_clip_val": clip[1]} if clip else {}
    trainer = NativeTrainer(model, x, y, optimizer=kind, dtype="float64", **options, **limit)
    order = torch.randperm(len(x))
    epoch = trainer.epoch(20, 0.01, order)
    optimizer = TORCH[kind](model.parameters(), lr=0.01, **options)
    losses = run_torch(model, x, y, order, 20, optimizer, clip)
    torch.testing.assert_close(epoch.losses, losses, rtol=1e-9, atol=0)
    for key, value in model.state_dict().items():
        assert_near(trainer.state_dict()[key], value)
    found, wanted = trainer.optimizer_state_dict(), optimizer.state_dict()
    assert found["param_groups"] == wanted["param_groups"]
    assert found["state"].keys() == wanted["state"].keys()
    for place in wanted["state"]:
        mine, theirs = found["state"][place], wanted["state"][place]
        assert mine.keys() == {k for k, v in theirs.items() if v is not None}
        for key, value in mine.items():
            assert_near(value, theirs[key])


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize("batch", [10, 300])
def test_running_statistics(momentum: float | None, batch: int) -> None:
    torch.manual_seed(2)
    x, y = clusters(950)
    x = 3 + 5 * x.double()
    norm = nn.BatchNorm1d(16, momentum=momentum)
    model = nn.Sequential(norm, nn.Linear(16, 5)).double().train()
    trainer = NativeTrainer(model, x, y, dtype="float64", optimizer="sgd")
    trainer.epoch(batch, 0.0)
    for rows in x.split(batch):
        model(rows)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(trainer.state_dict()[key], value, rtol=1e-12, atol=0)
    scores = trainer.evaluate(x, y)
    logits = model.eval()(x)
    assert scores.loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-12)
    wanted = torch.zeros(5, 5, dtype=torch.int64)
    wanted.index_put_((y, logits.argmax(1)), torch.tensor(1), accumulate=True)
    assert torch.equal(scores.confusion, wanted) and scores.rows == 950
    assert torch.equal(scores.correct, torch.stack([wanted.diagonal(), y.bincount(minlength=5)], 1))
    assert scores.accuracy == pytest.approx((logits.argmax(1) == y).double().mean().item())


def test_accumulation_is_one_update_of_the_mean() -> None:
    torch.manual_seed(3)
    x, y = clusters(90)
    x = x.double()
    model = nn.Sequential(nn.Linear(16, 5)).double()
    one, many = (NativeTrainer(model, x, y, dtype="float64") for _ in range(2))
    one.epoch(30, 0.1)
    many.epoch(10, 0.1, accumulate=3)
    for key, value in one.state_dict().items():
        torch.testing.assert_close(many.state_dict()[key], value, rtol=1e-12, atol=1e-14)


def test_a_frozen_parameter_stays() -> None:
    torch.manual_seed(4)
    x, y = clusters(200)
    x = x.double()
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5)).double()
    model[0].weight.requires_grad_(False)
    reference = copy.deepcopy(model)
    trainer = NativeTrainer(model, x, y, dtype="float64", optimizer="adamw", weight_decay=0.1)
    trainer.epoch(50, 0.01)
    optimizer = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.1)
    run_torch(reference, x, y, torch.arange(200), 50, optimizer)
    assert torch.equal(trainer.state_dict()["0.weight"], model[0].weight)
    for key, value in reference.state_dict().items():
        torch.testing.assert_close(trainer.state_dict()[key], value, rtol=1e-10, atol=1e-12)
    assert trainer.optimizer_state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()


class Branched(nn.Module):
    """Has a layer whose result nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.idle, self.layer = nn.Linear(16, 5), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        return self.layer(x)


def test_a_layer_that_nobody_reads_does_not_decay() -> None:
    torch.manual_seed(6)
    x, y = clusters(100)
    model = Branched().double()
    reference = copy.deepcopy(model)
    trainer = NativeTrainer(model, x.double(), y, dtype="float64", optimizer="adamw", weight_decay=0.1)
    trainer.epoch(50, 0.01)
    optimizer = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.1)
    run_torch(reference, x.double(), y, torch.arange(100), 50, optimizer)
    assert torch.equal(trainer.state_dict()["idle.weight"], model.idle.weight)
    for key, value in reference.state_dict().items():
        torch.testing.assert_close(trainer.state_dict()[key], value, rtol=1e-10, atol=1e-12)
    assert trainer.optimizer_state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()


def test_a_torch_optimizer_continues_and_is_continued() -> None:
    torch.manual_seed(5)
    x, y = clusters(400)
    x = x.double()
    model = nn.Sequential(nn.Linear(16, 5)).double()
    reference, rows = copy.deepcopy(model), torch.arange(200)
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.01)
    first = NativeTrainer(model, x[:200], y[:200], dtype="float64")
    first.epoch(20, 0.01)
    run_torch(reference, x, y, rows, 20, optimizer)
    optimizer.load_state_dict(first.optimizer_state_dict())  # the core's, into torch
    reference.load_state_dict(first.state_dict())
    second = NativeTrainer(model, x[200:], y[200:], dtype="float64")
    second.load_optimizer_state_dict(optimizer.state_dict())
    second.load_state_dict(reference.state_dict())
    second.epoch(20, 0.01)
    run_torch(reference, x, y, rows + 200, 20, optimizer)
    second.write_back(model)
    torch.testing.assert_close(model[0].weight, reference[0].weight, rtol=1e-11, atol=1e-13)
