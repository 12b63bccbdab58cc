"""What widths cannot be trained, or written, is one sentence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from chop.nn.quantized.modules import LinearInteger
from chop.training import LayerWidths, NativeTrainer
from tests.training.test_trained_widths import WIDE, data


def plain(config: dict = WIDE) -> nn.Sequential:
    return nn.Sequential(LinearInteger(6, 5, config=config), nn.ReLU(), LinearInteger(5, 4, config=config))


def tied() -> nn.Sequential:
    layer = LinearInteger(6, 6, config=WIDE)
    return nn.Sequential(layer, nn.ReLU(), layer, LinearInteger(6, 4, config=WIDE))


class Raised(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1)


def rows() -> nn.Sequential:
    return nn.Sequential(
        Raised(), LinearInteger(6, 6, config=WIDE), nn.Flatten(), LinearInteger(6, 4, config=WIDE)
    )


def convolution() -> nn.Sequential:
    return nn.Sequential(Raised(), nn.Conv1d(1, 1, 1), nn.Flatten(), LinearInteger(6, 4, config=WIDE))


EACH = {"weight": "element", "data_in": "element"}


@pytest.mark.parametrize(
    ("model", "sharing", "said"),
    [
        (plain, {"weight": "row", "data_in": "element"}, r"width of weight is tensor or channel or element, got 'row'"),
        (plain, {"weight": "element", "data_in": "channel"}, r"width of data_in is tensor or element, got 'channel'"),
        (plain, {"weight": "element"}, r"must name weight and data_in, data_in is missing"),
        (plain, {"bias": "element"}, r"can be trained of weight and data_in, got 'bias'"),
        (lambda: nn.Sequential(nn.Linear(6, 4)), EACH, r"the model has none"),
        (lambda: plain({**WIDE, "weight_rounding": "floor"}), EACH, r"must round half_even and saturate"),
        (lambda: plain({**WIDE, "data_in_overflow": "wrap"}), EACH, r"must round half_even and saturate"),
        (tied, EACH, r"shares a parameter"),
        (rows, EACH, r"node _1 \(linear\) takes more than one row of features, whose widths the core does not learn"),
        (convolution, EACH, r"node _1 \(conv1d\) is a convolution, and the core learns the widths of linear"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_one_sentence(model, sharing: dict, said: str) -> None:
    x, y, _ = data(8)
    with pytest.raises(ValueError, match=said):
        NativeTrainer(model(), x.float(), y, learned_widths=sharing)


def test_widths_are_written_in_their_shapes_or_not_at_all() -> None:
    x, y, _ = data(8)
    trainer = NativeTrainer(plain(), x.float(), y, learned_widths=EACH)
    before = trainer.widths.read()
    first = next(iter(before))
    of = before[first]
    fractions = f"input_fractions of node {first} must be -24..24, got nan"
    integers = f"input_integers of node {first} must be -24..24, got [0-9]+"
    for wrong, said in (
        (
            {first: LayerWidths(of.input_fractions[:1], of.input_integers, of.weight_fractions)},
            "have the shape",
        ),
        (
            {first: LayerWidths(of.input_fractions, of.input_integers, of.weight_fractions.T)},
            "have the shape",
        ),
        (
            {first: LayerWidths(of.input_fractions * math.nan, of.input_integers, of.weight_fractions)},
            fractions,
        ),
        ({first: LayerWidths(of.input_fractions, of.input_integers + 99, of.weight_fractions)}, integers),
    ):
        with pytest.raises(ValueError, match=f"training: .*{said}"):
            trainer.widths.write({**before, **wrong})
    with pytest.raises(ValueError, match="are missing"):
        trainer.widths.write({first: of})
    for rate, price in ((-1.0, 0.0), (math.nan, 0.0), (1e-3, -1.0), (1e-3, math.inf)):
        with pytest.raises(ValueError, match="must be a number from 0"):
            trainer.widths.learn(rate, price)
    after = trainer.widths.read()
    assert all(torch.equal(before[n].weight_fractions, after[n].weight_fractions) for n in before)
    with pytest.raises(ValueError, match="no widths are trained"):
        NativeTrainer(plain(), x.float(), y).widths.learn(1e-3, 0.0)
