"""The distribution of a tensor, with what a fixed-point format can hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.nn.quantizers import IntegerFormat
from chop.plotting.style import GREY, PALETTE, axes, tidy
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 120
MOST_STEPS = 64  # codes, above which the grid's lines would be a grey area


def histogram(values: Any, fixed_point: Any = None, bins: int = BINS, ax: Axes | None = None) -> Axes:
    """Draw how often values occur (logarithmic), with the range and the grid of a fixed-point format.

    Bars outside the range are coloured: these values saturate. The lines below are the grid, where its steps are at
    most 64 codes.

    Args:
        values: a tensor or array of any shape (NaN and infinities are left out), or what the statistic ``histogram``
            of ``profile_statistics_analysis_pass`` exported.
        fixed_point: an ``IntegerFormat``, or ``(width, frac_width)`` of a signed one.
        bins: of a tensor, at least 2.
        ax: axes to draw in.

    Returns:
        The axes; their bars are the patches.

    Raises:
        ConfigError: no finite value, no such format; matplotlib is missing.

    >>> import torch
    >>> ax = histogram(torch.linspace(-4.0, 4.0, 1000), fixed_point=(4, 2), bins=16)
    >>> len(ax.patches), ax.get_title()
    (17, 'fixed point 4.2: −2 … 1.75 in steps of 0.25, 53.1 % saturate')
    """
    from matplotlib.ticker import LogFormatter

    counts, edges = _counts(values, bins)
    format = _format(fixed_point)
    drawn = axes(ax, 6.4, 3.8)
    centres = (edges[:-1] + edges[1:]) / 2
    lowest, highest = (
        (-np.inf, np.inf) if format is None else (format.qmin * format.scale, format.qmax * format.scale)
    )
    step = 0.0 if format is None else format.scale / 2
    inside = (centres >= lowest - step) & (centres <= highest + step)
    colours = np.where(inside, PALETTE[0], PALETTE[1])
    drawn.bar(centres, counts, width=np.diff(edges), color=colours.tolist(), linewidth=0, zorder=3)
    drawn.set_yscale("log")
    drawn.yaxis.set_major_formatter("{x:,g}")  # counts, not powers of ten
    drawn.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
    drawn.set_ylim(bottom=0.6)
    drawn.set_xlabel("value")
    drawn.set_ylabel("how often")
    tidy(drawn, "y")
    if format is not None:
        _draw_format(drawn, format, _saturated(values, counts, inside, lowest, highest))
    return drawn


def _format(fixed_point: Any) -> IntegerFormat | None:
    if fixed_point is None or isinstance(fixed_point, IntegerFormat):
        return fixed_point
    try:
        width, frac_width = fixed_point
        return IntegerFormat(int(width), int(frac_width), True)
    except (TypeError, ValueError):
        raise ConfigError(
            f"histogram: fixed_point must be an IntegerFormat or (width, frac_width), got {fixed_point!r}"
        ) from None


def _counts(values: Any, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and the edges between them."""
    if isinstance(values, Mapping):
        found = values.get("histogram", values)
        if not isinstance(found, Mapping) or not {"counts", "low", "width"} <= set(found):
            raise ConfigError(
                "histogram: these statistics hold no histogram; profile with histogram = {bins = 64}"
            )
        counts = np.asarray(found["counts"], dtype=np.float64)
        if counts.ndim != 1 or not counts.any():
            raise ConfigError(
                "histogram: it needs one histogram of a whole tensor (dims = 'all') with a value in it"
            )
        return counts, float(found["low"]) + float(found["width"]) * np.arange(len(counts) + 1)
    array = _finite(values)
    if not len(array):
        raise ConfigError("histogram: there is no finite value")
    counts, edges = np.histogram(array, bins=max(2, bins))
    return counts.astype(np.float64), edges


def _finite(values: Any) -> np.ndarray:
    tensor = values.detach().cpu() if hasattr(values, "detach") else values
    array = np.asarray(tensor, dtype=np.float64).reshape(-1)
    return array[np.isfinite(array)]


def _saturated(values: Any, counts: np.ndarray, inside: np.ndarray, lowest: float, highest: float) -> float:
    """Share of the values outside the range; of a histogram, as its bins tell."""
    if isinstance(values, Mapping):
        return float(counts[~inside].sum() / counts.sum())
    array = _finite(values)
    return float(((array < lowest) | (array > highest)).mean())


def _draw_format(ax: Axes, format: IntegerFormat, saturated: float) -> None:
    lowest, highest = format.qmin * format.scale, format.qmax * format.scale
    ax.axvspan(lowest, highest, color=PALETTE[4], alpha=0.16, zorder=1)
    for end in (lowest, highest):
        ax.axvline(end, color=GREY, linewidth=1.0, zorder=2)
    if format.qmax - format.qmin < MOST_STEPS:
        grid = np.arange(format.qmin, format.qmax + 1) * format.scale
        ax.plot(
            grid, np.full(len(grid), 0.0), "|", color="black", markersize=7, transform=ax.get_xaxis_transform(),
            clip_on=False, zorder=4,
        )  # fmt: skip
    sign = "" if format.is_signed else "u"
    name = f"fixed point {sign}{format.width}.{format.frac_width}"
    text = f"{name}: {lowest:g} … {highest:g} in steps of {format.scale:g}"
    ax.set_title(f"{text}, {100 * saturated:.3g} % saturate".replace("-", "−"), fontsize=9)
