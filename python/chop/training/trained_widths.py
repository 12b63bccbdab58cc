"""Widths that are trained with the weights: fractions and integer bits as the core's trainer holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chop import _core

__all__ = ["REACH", "LayerWidths", "TrainedWidths"]

REACH = 24  # fraction bits and integer bits lie within -24..24


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """Of one linear layer, real numbers that are rounded to the nearest where they are used.

    Attributes:
        input_fractions: fraction bits of the input, shape [features], or [1] where all features share them.
        input_integers: its integer bits without the sign, in that shape. A feature has ``max(0, i + f)`` bits and
            saturates; without bits it is the constant 0.
        weight_fractions: fraction bits of the weight, shape [outputs, inputs], [outputs, 1] or [1, 1]. A weight has as
            many integer bits as it needs; one that rounds to 0 is pruned.
    """

    input_fractions: Tensor
    input_integers: Tensor
    weight_fractions: Tensor

    @property
    def input_bits(self) -> Tensor:
        """Bits of the features without the sign, whole numbers of the same dtype, shape as ``input_fractions``."""
        return (self.input_fractions.round() + self.input_integers.round()).clamp_min(0)

    def codes(self, weight: Tensor) -> Tensor:
        """Return the whole numbers that a weight [outputs, inputs] is rounded to, float64."""
        return torch.round(weight.double() * 2.0 ** self.weight_fractions.round().double())

    def quantized(self, weight: Tensor) -> Tensor:
        """Return the weight as the layer uses it, float64."""
        return self.codes(weight) * 2.0 ** -self.weight_fractions.round().double()


class TrainedWidths:
    """The trained widths of a :class:`chop.training.NativeTrainer`; all methods raise if none are trained.

    Args:
        core: the trainer.
        layers: node -> layer, in the core's order.
        sharing: operand -> ``tensor``, ``channel`` or ``element``.
        dtype: of the trainer's numbers.
    """

    def __init__(
        self,
        core: _core.Trainer,
        layers: Mapping[str, nn.Module | None],
        sharing: Mapping[str, str],
        dtype: torch.dtype,
    ) -> None:
        self._core, self._dtype = core, dtype
        self._shapes = [shape for layer in layers.values() for shape in _shapes(layer, sharing)]
        self._layers = list(layers)

    def __len__(self) -> int:
        """Layers whose widths are trained."""
        return len(self._layers)

    def read(self) -> dict[str, LayerWidths]:
        """Return copies of the widths, by node."""
        return self._read("widths")

    def gradients(self) -> dict[str, LayerWidths]:
        """Return the gradients of the last update's batches in the places of the widths, without the bits' price."""
        return self._read("width_gradients")

    def write(self, widths: Mapping[str, LayerWidths]) -> None:
        """Set the widths of all layers, and forget what the optimizer knows of them."""
        self._need()
        for name, of in widths.items():
            _check_reach(name, of)
        fractions = list[Tensor]()
        integers = list[Tensor]()
        shapes = iter(self._shapes)
        for name in self._layers:
            if name not in widths:
                raise ValueError(f"training: widths of node {name} are missing")
            of = widths[name]
            given = (of.input_fractions, of.input_integers, of.weight_fractions)
            values, weights = next(shapes), next(shapes)
            for each, shape in zip(given, (values, values, weights), strict=True):
                if each.shape != shape:
                    raise ValueError(
                        f"training: widths of node {name} must have the shape {list(shape)}, got {list(each.shape)}"
                    )
            fractions += [of.input_fractions, of.weight_fractions]
            integers += [of.input_integers, torch.zeros_like(of.weight_fractions)]
        row = torch.cat([each.detach().reshape(-1).to(self._dtype) for each in (*fractions, *integers)])
        self._core.write("widths", row)
        for moments in ("width_first", "width_second"):
            self._core.write(moments, torch.zeros_like(row))
        self._core.width_updates = 0

    def learn(self, rate: float, price: float) -> None:
        """Set how the next epochs train the widths.

        Args:
            rate: learning rate of their own Adam; 0: they stay.
            price: what one bit of a weight times one bit of its input adds to the loss.
        """
        self._need()
        for name, value in (("rate", rate), ("price", price)):
            if not 0 <= value < math.inf:
                raise ValueError(f"training: the {name} of widths must be a number from 0, got {value}")
        self._core.learn_widths(rate, price)

    def bits(self) -> float:
        """Return what the price is for: the sum over the weights of their bits times the bits of their input.

        Bits of a weight go from the highest one set down to the last one of its grid, so this is an upper bound of
        the cost ``ebops_hgq``, which counts to the last bit set.
        """
        self._need()
        return self._core.bits()

    def _need(self) -> None:
        if not self._layers:
            raise ValueError("training: no widths are trained, give learned_widths to the trainer")

    def _read(self, state: str) -> dict[str, LayerWidths]:
        self._need()
        counts = [shape.numel() for shape in self._shapes]
        row = torch.empty(2 * sum(counts), dtype=self._dtype)
        self._core.read(state, row)
        pieces = [
            p.reshape(s).clone() for p, s in zip(row.split([*counts, *counts]), self._shapes * 2, strict=True)
        ]
        fractions, integers = pieces[: len(counts)], pieces[len(counts) :]
        return {
            name: LayerWidths(fractions[2 * k], integers[2 * k], fractions[2 * k + 1])
            for k, name in enumerate(self._layers)
        }


SHARING = {"weight": ("tensor", "channel", "element"), "data_in": ("tensor", "element")}


def check_trained(layers: Mapping[str, nn.Module], sharing: Mapping[str, str]) -> None:
    """Check that widths of layers can be trained as asked for.

    Args:
        layers: node -> quantized linear layer.
        sharing: operand -> who shares a width.

    Raises:
        ValueError: an operand or a sharing that is not there, or is missing; a model without a quantized linear layer.
    """
    for operand, by in sharing.items():
        if operand not in SHARING:
            raise ValueError(f"training: widths can be trained of weight and data_in, got {operand!r}")
        if by not in SHARING[operand]:
            raise ValueError(
                f"training: who shares a width of {operand} is {' or '.join(SHARING[operand])}, got {by!r}"
            )
    if missing := SHARING.keys() - sharing.keys():
        raise ValueError(f"training: learned_widths must name weight and data_in, {min(missing)} is missing")
    if not layers:
        raise ValueError(
            "training: learned_widths needs linear layers quantized to integers, the model has none"
        )


def _shapes(layer: nn.Module | None, sharing: Mapping[str, str]) -> Sequence[torch.Size]:
    assert isinstance(layer, nn.Linear)
    outputs, inputs = layer.weight.shape
    weight = {"tensor": (1, 1), "channel": (outputs, 1), "element": (outputs, inputs)}[sharing["weight"]]
    return torch.Size((inputs if sharing["data_in"] == "element" else 1,)), torch.Size(weight)


def _check_reach(node: str, of: LayerWidths) -> None:
    for field in ("input_fractions", "input_integers", "weight_fractions"):
        bits = getattr(of, field).detach()
        beyond = bits[~(bits.abs() <= REACH)]  # also what is no number
        if beyond.numel():
            raise ValueError(
                f"training: {field} of node {node} must be -{REACH}..{REACH}, got {beyond.flatten()[0].item():g}"
            )
