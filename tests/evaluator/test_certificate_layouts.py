"""torch's batch norm rounds otherwise where its input is a view in memory; no certificate promises bits there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph
from chop.passes.graph import quantize_transform_pass

from .models import by_type, integer

EIGHT = by_type(linear=integer(8, 4), relu=integer(8, 4))


class Views(nn.Module):
    """A batch norm behind something, then a quantized layer."""

    def __init__(self, before: Callable[[Tensor], Tensor], shape: tuple[int, ...], channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before = before
        self.norm = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)[len(shape) - 1](channels)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.3, 2.0)
        size = before(torch.zeros(2, *shape)).shape[-1]
        self.last = nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.before(x)))


@pytest.mark.parametrize(
    ("before", "shape", "channels", "is_view"),
    [
        (lambda x: x, (6,), 6, False),
        (lambda x: x * 0.5, (6,), 6, False),
        (lambda x: x[:, 2:], (6,), 4, True),
        (lambda x: x[:, ::2].abs(), (6,), 3, True),
        (lambda x: x.narrow(1, 0, 3), (6,), 3, True),
        (lambda x: x.chunk(2, 1)[1], (6,), 3, True),
        (lambda x: torch.relu(x.transpose(1, 2)), (4, 6), 6, True),
        (lambda x: x.permute(0, 2, 1) + 1, (4, 6), 6, True),
        (lambda x: x.permute(0, 3, 1, 2), (4, 5, 6), 6, True),
        (lambda x: x[:, :, 1:], (4, 5, 6), 4, True),
        (lambda x: torch.cat([x[:, 1:], x], 1), (6,), 11, False),
    ],
)
def test_bits_behind_a_view(
    before: Callable[[Tensor], Tensor], shape: tuple[int, ...], channels: int, is_view: bool
) -> None:
    model = Views(before, shape, channels).eval()
    x = torch.randn(300, *shape)
    ev = Evaluator(model, x)
    found, certificate = ev.forward(EIGHT), ev.certificate(EIGHT)
    assert certificate.quantized_part_is_exact is not is_view
    assert [("norm (batch_norm" in line and "reads a view" in line) for line in certificate.between] == [
        True
    ] * is_view
    quantized, _ = quantize_transform_pass(MaseGraph(model), EIGHT)
    with torch.no_grad():
        wanted = quantized.model(x)
    assert torch.equal(found, wanted) if not is_view else torch.isclose(found, wanted, atol=0.1).all()


def test_data_that_is_a_view_of_a_table() -> None:
    model = Views(lambda x: x, (6,), 6).eval()
    table = torch.randn(300, 9)
    assert Evaluator(model, table[:, :6]).certificate(EIGHT).between
    assert Evaluator(model, table[:, :6].contiguous()).certificate(EIGHT).quantized_part_is_exact


def test_a_layer_in_between_lays_its_numbers_out_anew() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).eval()
    assert Evaluator(model, torch.randn(50, 4, 3)).certificate(EIGHT).between == ()
