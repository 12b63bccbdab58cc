"""How the error of a quantized model builds up, layer by layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chop.plotting.style import GREY, PALETTE, axes, shortened, tidy
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def error_waterfall(comparison: Any, ax: Axes | None = None) -> Axes:
    """Draw the noise of each node, as a share of its signal, and what each node adds to that of the one before.

    The height is minus the signal-to-noise ratio (SQNR) in decibels: -40 dB means that the error has 1/10,000 of the
    power of the signal. Each bar reaches from the level in front of the node to that behind it, so a long bar upwards
    is a layer that harms. A node without any error has no level; the bars start at the first error.

    Args:
        comparison: what ``chop.compare`` returned.
        ax: axes to draw in.

    Returns:
        The axes; a bar for each node with an error, in the order of the first graph.

    Raises:
        ConfigError: no node differs by a finite error; matplotlib is missing.

    >>> import torch
    >>> from torch import nn
    >>> import chop
    >>> _ = torch.manual_seed(0)
    >>> graph = chop.MaseGraph(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    >>> coarse = {"name": "integer", "data_in_width": 6, "data_in_frac_width": 3, "weight_width": 6,
    ...           "weight_frac_width": 3, "bias_width": 6, "bias_frac_width": 3}
    >>> config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": coarse}}
    >>> quantized, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(graph.model), config)
    >>> ax = error_waterfall(chop.compare(graph, quantized, torch.randn(9, 4)))
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['_0', '_1']
    """
    levels = [(row.name, -row.sqnr_db) for row in comparison.rows]
    shown = [(name, level) for name, level in levels if math.isfinite(level)]
    if not shown:
        raise ConfigError("error_waterfall: no node has an error above zero, there is nothing to draw")
    drawn = axes(ax, max(5.0, 0.62 * len(shown) + 1.6), 4.0)
    floor = _floor([level for _, level in shown])
    before = floor
    for place, (_, level) in enumerate(shown):
        worse = level >= before
        drawn.bar(
            place,
            level - before,
            bottom=before,
            width=0.7,
            color=PALETTE[1] if worse else PALETTE[2],
            zorder=3,
        )
        drawn.annotate(
            f"{level:.0f}".replace("-", "−"), (place, level), (0, 3 if worse else -3), textcoords="offset points",
            ha="center", va="bottom" if worse else "top", fontsize=8,
        )  # fmt: skip
        if place + 1 < len(shown):
            drawn.plot([place - 0.35, place + 1.35], [level, level], color=GREY, linewidth=0.8, zorder=2)
        before = level
    drawn.set_xticks(
        range(len(shown)), [shortened(name, 22) for name, _ in shown], rotation=40, ha="right", fontsize=8
    )
    drawn.set_xlim(-0.6, len(shown) - 0.4)
    drawn.margins(y=0.1)
    drawn.set_ylabel("error over signal, −SQNR [dB]")
    return tidy(drawn, "y")


def _floor(levels: list[float]) -> float:
    """A round level a little below all; where the first bar starts."""
    return 10.0 * math.floor((min(levels) - 5.0) / 10.0)
