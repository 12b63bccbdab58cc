"""Layer norms, group norms and layers of rows of features in the core, against torch.autograd in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chop.training import NativeTrainer
from tests.training.test_native_gradients import assert_gradients_equal


def rows_of(rows: int, *shape: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rows)
    return torch.randn(rows, *shape, dtype=torch.float64), torch.randint(0, 4, (rows,))


@pytest.mark.parametrize("rows", [7, 130])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"elementwise_affine": False}, {"eps": 0.1}])
def test_layer_norms_of_features(rows: int, options: dict[str, bool]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9, **options), nn.GELU(), nn.Linear(9, 4))
    assert_gradients_equal(model, *rows_of(rows, 6))


def test_a_norm_of_the_input_has_gradients_of_its_weights() -> None:
    torch.manual_seed(0)
    assert_gradients_equal(nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 4)), *rows_of(20, 6))


class Mixer(nn.Module):
    """Tokens through layers of their features, with sums of what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(5, 8), nn.LayerNorm(8)
        self.wide, self.narrow = nn.Linear(8, 19, bias=False), nn.Linear(19, 8)
        self.last = nn.Linear(6 * 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of tokens."""
        x = self.first(x)
        x = x + self.narrow(nn.functional.silu(self.wide(self.norm(x))))
        return self.last(self.norm(x).flatten(1))


@pytest.mark.parametrize("rows", [9, 300])
def test_rows_of_features(rows: int) -> None:
    torch.manual_seed(0)
    assert_gradients_equal(Mixer(), *rows_of(rows, 6, 5))


def test_few_rows_of_few_features_in_float() -> None:
    # In float, chains of layers that are no wider than a vector have a road of their own, which takes one row a sample.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6, 4))
    x, y = rows_of(40, 2, 3)
    found = []
    for dtype in ("float32", "float64"):
        trainer = NativeTrainer(model, x, y, dtype=dtype)
        trainer.epoch(40, 0.0)
        found.append(trainer.gradients())
    for name, gradient in found[1].items():
        torch.testing.assert_close(found[0][name].double(), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "norm",
    [
        nn.GroupNorm(2, 6),
        nn.GroupNorm(6, 6),
        nn.GroupNorm(1, 6, affine=False),
        nn.LayerNorm([6, 4, 5]),
        nn.LayerNorm(5),
    ],
    ids=str,
)
def test_norms_of_images(norm: nn.Module) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4 * 5, 4))
    assert_gradients_equal(model, *rows_of(21, 2, 6, 7))
