"""Gradients of the core against torch.autograd, in float64."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from chop import _core
from chop.training import NativeTrainer
from tests.programs import output_on
from tests.training.random_models import ACTIVATIONS, RandomNetwork


def labelled(rows: int, features: int = 7, classes: int = 5) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, features, dtype=torch.float64), torch.randint(0, classes, (rows,))


def autograd(
    model: nn.Module, x: Tensor, y: Tensor, batch: int
) -> tuple[float, dict[str, Tensor], nn.Module]:
    """Sum of the losses, gradients of their mean, and the model with its new running statistics."""
    reference = copy.deepcopy(model)
    losses = [F.cross_entropy(reference(a), b) for a, b in zip(x.split(batch), y.split(batch), strict=True)]
    (torch.stack(losses).sum() / len(losses)).backward()
    named = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
    return sum(loss.item() for loss in losses), named, reference


def inexact(model: nn.Module, error: float = 1e-12) -> nn.Module:
    """The model with an error in what each of its layers gives; the core's activations are good to 1e-11 in double."""
    found = copy.deepcopy(model)
    for layer in found.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda _, __, out: out * (1 + error * torch.randn_like(out)))
    return found


def assert_gradients_equal(model: nn.Module, x: Tensor, y: Tensor, accumulate: int = 1) -> None:
    model = model.double().train()
    trainer = NativeTrainer(model, x, y, dtype="float64", optimizer="sgd")
    batch = -(-len(x) // accumulate)
    epoch = trainer.epoch(batch, 0.0, accumulate=accumulate)
    loss, named, reference = autograd(model, x, y, batch)
    assert epoch.losses.sum().item() == pytest.approx(loss, rel=1e-11)
    found = trainer.gradients()
    assert found.keys() == named.keys()
    # What rounding and the error of activations are worth: a batch norm of next to no variance makes much of them.
    _, near, near_reference = autograd(inexact(model), x * (1 + 2.0**-50 * torch.randn_like(x)), y, batch)
    # Gradients that are zero but for rounding are compared with the largest one, or with activations of about 1.
    largest = max(0.1, *(gradient.norm() for gradient in named.values()))
    for name, gradient in named.items():
        scale = max(gradient.norm(), 1e-3 * largest)
        assert (found[name] - gradient).norm() <= 1e-9 * scale + 30 * (near[name] - gradient).norm(), name
    near_state, state = near_reference.state_dict(), trainer.state_dict()
    for name, value in reference.state_dict().items():
        allowed = 1e-12 * (1 + value.abs().max()) + 30 * (near_state[name] - value).abs().max()
        assert state[name].shape == value.shape and (state[name] - value).abs().max() <= allowed, name


# Batch norms of very few rows divide by next to nothing: they would show the rounding of activations, times 1000.
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.sampled_from([12, 15, 16, 17, 127, 128, 129, 300]))
@example(seed=5975, rows=12)  # running variances that such errors move by 2e-12
def test_random_graphs(seed: int, rows: int) -> None:
    assert_gradients_equal(RandomNetwork(seed), *labelled(rows))


@pytest.mark.parametrize("kind", range(len(ACTIVATIONS)))
def test_each_activation(kind: int) -> None:
    torch.manual_seed(kind)
    model = nn.Sequential(nn.Linear(7, 9), ACTIVATIONS[kind](), nn.Linear(9, 5))
    x, y = labelled(200)
    assert_gradients_equal(model, 3 * x, y)


@pytest.mark.parametrize("rows", [2049, 5000])
def test_more_blocks_than_parts(rows: int) -> None:
    torch.manual_seed(rows)
    model = nn.Sequential(
        nn.BatchNorm1d(7), nn.Linear(7, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 5)
    )
    assert_gradients_equal(model, *labelled(rows))


@pytest.mark.parametrize(("ins", "outs"), [(1, 2), (3, 17), (16, 16), (33, 8), (65, 3), (130, 70)])
def test_widths(ins: int, outs: int) -> None:
    torch.manual_seed(ins)
    model = nn.Sequential(
        nn.Linear(ins, outs), nn.Tanh(), nn.Linear(outs, outs, bias=False), nn.Linear(outs, 3)
    )
    assert_gradients_equal(model, *labelled(140, ins, 3))


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_batches(accumulate: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5))
    assert_gradients_equal(model, *labelled(96), accumulate)


def test_a_layer_used_twice_adds_its_gradients() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(6, 6), nn.BatchNorm1d(6)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(torch.relu(self.norm(self.layer(self.norm(x)))))

    torch.manual_seed(0)
    assert_gradients_equal(Twice(), *labelled(50, 6, 6))


def test_channels_with_places() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 3, 4, dtype=torch.float64)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5))
    assert_gradients_equal(model, x, torch.randint(0, 5, (50,)))
    assert_gradients_equal(model, torch.randn(300, 3, 4).double(), torch.randint(0, 5, (300,)))


def test_tied_weights_are_one_parameter() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5))
    model[2].weight = model[0].weight
    assert_gradients_equal(model, *labelled(40, 5, 5))


ISA_PROGRAM = """
import sys, torch
from torch import nn
from chop import _core
from chop.training import NativeTrainer
found = {}
for dtype in ("float32", "float64"):
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 11), nn.GELU(), nn.Linear(11, 5))
    images = nn.Sequential(
        nn.Conv2d(1, 27, 3, padding=1), nn.GroupNorm(3, 27), nn.ReLU(), nn.Conv2d(27, 30, 3, padding=1),
        nn.MaxPool2d(2), nn.Conv2d(30, 30, 2, groups=30), nn.Flatten(), nn.LayerNorm(30), nn.Linear(30, 5))
    x, y = torch.randn(301, 16), torch.randint(0, 5, (301,))
    for given, rows in ((model, x), (images, x.reshape(301, 1, 4, 4))):
        trainer = NativeTrainer(given, rows, y, dtype=dtype)
        trainer.epoch(301, 0.0)
        found |= {f"{dtype} {len(given)} {name}": gradient for name, gradient in trainer.gradients().items()}
torch.save(found, sys.argv[1])
"""


def gradients_under(isa: str, file: Path) -> dict[str, Tensor]:
    output_on(isa, ISA_PROGRAM, str(file))
    found: dict[str, Tensor] = torch.load(file, weights_only=True)
    return found


def test_every_instruction_set(tmp_path: Path) -> None:
    found = {isa: gradients_under(isa, tmp_path / isa) for isa in _core.available_isas()}
    first = found.pop("baseline")
    assert len(first) == 2 * (6 + 12)
    for others in found.values():
        for name, gradient in first.items():
            tolerance = 1e-5 if gradient.dtype == torch.float32 else 1e-11
            torch.testing.assert_close(others[name], gradient, rtol=tolerance, atol=tolerance / 10)
