"""Multiplying widths, and what a layer's new widths must keep to."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from torch import fx

from chop.passes.graph.transforms.redefine.rules import MOST_WEIGHTS, WIDEST
from chop.tools.errors import ConfigError


def scaled(width: int, multiplier: float | None, node: fx.Node) -> int:
    """Return the channels of an output after its multiplier, which must leave a whole number of them."""
    exact = width * (1 if multiplier is None else multiplier)
    whole = round(exact)
    if abs(exact - whole) > 1e-9 * max(1.0, exact) or not 1 <= whole <= WIDEST:
        raise ConfigError(
            f"redefine: {node.name}.channel_multiplier must make a whole number of 1..{WIDEST} channels of "
            f"{width}, got {multiplier!r} (which makes {exact:g})"
        )
    return whole


def scaled_by(width: int, ratio: Fraction, node: fx.Node, what: str) -> int:
    """Return the channels of an input (or norm) at a ratio that layers before it give."""
    exact = width * ratio
    if exact.denominator != 1 or not 1 <= exact <= WIDEST:
        raise ConfigError(
            f"redefine: node {node.name}: {what} has {width} channels, and {float(ratio):g} times as many are "
            f"{float(exact):g}, which is no whole number of 1..{WIDEST}"
        )
    return int(exact)


def check_groups(node: fx.Node, groups: int, inputs: int, outputs: int) -> None:
    """Refuse channels that a convolution cannot split into its groups."""
    for what, width in (("input", inputs), ("output", outputs)):
        if width % groups:
            raise ConfigError(
                f"redefine: node {node.name} is a convolution in {groups} groups: its {what} cannot have "
                f"{width} channels, which {groups} does not divide"
            )


def check_size(node: fx.Node, inputs: int, outputs: int, module: Any) -> None:
    """Refuse a layer whose weights would fill the memory."""
    window = 1
    for size in getattr(module, "kernel_size", ()):
        window *= size
    if inputs * outputs * window > MOST_WEIGHTS:
        raise ConfigError(
            f"redefine: node {node.name} would have {inputs * outputs * window} weights; "
            f"at most {MOST_WEIGHTS} are made"
        )
