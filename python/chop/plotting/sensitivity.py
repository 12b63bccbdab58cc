"""The heat map of what single changes of a config do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chop.plotting.style import axes, shortened
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VALUES = {
    "delta_loss": "growth of the loss [nat]",
    "delta_accuracy": "change of accuracy (macro)",
    "delta_accuracy_micro": "change of accuracy (micro)",
}
MOST_TEXTS = 240  # cells, above which the numbers are left out


def sensitivity_map(sensitivity: Any, value: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a row for each operand of a layer, a column for each format, the colour telling the harm.

    Args:
        sensitivity: what ``chop.sensitivity`` returned.
        value: ``delta_loss``, ``delta_accuracy`` or ``delta_accuracy_micro``; left out, the first that was measured.
        ax: axes to draw in.

    Returns:
        The axes; their image holds the matrix, NaN where a format was not tried.

    Raises:
        ConfigError: an unknown value, or one that was not measured; matplotlib is missing.

    >>> import torch
    >>> from torch import nn
    >>> import chop
    >>> _ = torch.manual_seed(0)
    >>> ev = chop.Evaluator(nn.Sequential(nn.Linear(4, 3)), torch.randn(60, 4), torch.randint(0, 3, (60,)))
    >>> ax = sensitivity_map(chop.sensitivity(ev, formats=[(4, 2), (8, 4)]))
    >>> ax.images[0].get_array().shape
    (3, 2)
    """
    rows = list(sensitivity.rows)
    if not rows:
        raise ConfigError("sensitivity_map: the result has no row")
    value = value or ("delta_accuracy" if rows[0].delta_loss is None else "delta_loss")
    if value not in VALUES:
        raise ConfigError(f"sensitivity_map: value must be one of {', '.join(VALUES)}, got {value!r}")
    if getattr(rows[0], value) is None:
        raise ConfigError(f"sensitivity_map: {value} was not measured; ask chop.sensitivity for the loss")
    sides = list(dict.fromkeys((row.node, row.operand) for row in rows))
    names = _format_names(rows)
    formats = list(dict.fromkeys(names))
    matrix = [[math.nan] * len(formats) for _ in sides]
    for row, name in zip(rows, names, strict=True):
        matrix[sides.index((row.node, row.operand))][formats.index(name)] = float(getattr(row, value))
    drawn = axes(ax, max(4.6, 0.62 * len(formats) + 2.6), max(2.6, 0.34 * len(sides) + 1.4))
    _draw(drawn, matrix, value)
    drawn.set_yticks(
        range(len(sides)), [f"{shortened(node)}.{operand}" for node, operand in sides], fontsize=8
    )
    turned = max(map(len, formats)) > 6
    drawn.set_xticks(
        range(len(formats)),
        formats,
        fontsize=8,
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
    )
    drawn.set_xlabel("format: width.fraction width")
    return drawn


def _format_names(rows: Sequence[Any]) -> list[str]:
    """Names of the formats; without the sign where the operand decides it, so that one column holds both."""
    names = [row.cells()[2] for row in rows]
    bare = [name.removeprefix("u") for name in names]
    tried = {(row.node, row.operand, name) for row, name in zip(rows, bare, strict=True)}
    return bare if len(tried) == len(rows) else names


def _draw(ax: Axes, matrix: Sequence[Sequence[float]], value: str) -> None:
    from chop.plotting.picture import heat

    finite = [abs(number) for line in matrix for number in line if math.isfinite(number)]
    largest = max(finite, default=0.0) or 1.0
    digits = 3 if largest >= 0.01 else 5
    texts = [["" if math.isnan(number) else f"{number:+.{digits}f}" for number in line] for line in matrix]
    if sum(map(len, texts)) > MOST_TEXTS:
        texts = []
    # Two colours around zero: a change that helps is not a small harm.
    colours = "RdBu_r" if value == "delta_loss" else "RdBu"
    image = heat(ax, matrix, texts, cmap=colours, vmin=-largest, vmax=largest)
    image.cmap.set_bad("#EEEEEE")
    ax.figure.colorbar(image, ax=ax, label=VALUES[value])
