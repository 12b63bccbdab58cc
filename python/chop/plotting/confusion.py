"""What a classifier takes for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.plotting.style import axes, shortened
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TEXTS = 20  # classes, above which the numbers are left out


def confusion_matrix(
    counts: Any, classes: Sequence[str] | None = None, normalise: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw the matrix of labels (down) and predictions (to the right), with counts and shares of a label's rows.

    Args:
        counts: whole numbers [classes, classes]: ``counts[label][predicted]``, as a list, array or tensor.
        classes: their names.
        normalise: colour by the share of the label's rows; else by the count.
        ax: axes to draw in.

    Raises:
        ConfigError: no square matrix of counts, or another number of names; matplotlib is missing.

    >>> ax = confusion_matrix([[3, 1], [0, 4]], classes=["q", "g"])
    >>> [text.get_text() for text in ax.texts]
    ['75 %\\n3', '25 %\\n1', '', '100 %\\n4']
    """
    matrix = np.asarray(counts.cpu() if hasattr(counts, "cpu") else counts, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size or (matrix < 0).any():
        raise ConfigError(
            f"confusion_matrix: counts must be a square matrix of counts, got shape {matrix.shape}"
        )
    names = [str(k) for k in range(len(matrix))] if classes is None else [str(name) for name in classes]
    if len(names) != len(matrix):
        raise ConfigError(f"confusion_matrix: {len(names)} names for {len(matrix)} classes")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    size = max(3.6, 0.75 * len(names) + 1.4)
    drawn = axes(ax, size + 1.0, size)
    _draw(drawn, matrix, shares, normalise)
    turned = max(map(len, names)) > 4
    words = [shortened(name, 16) for name in names]
    drawn.set_xticks(
        range(len(names)), words, rotation=45 if turned else 0, ha="right" if turned else "center"
    )
    drawn.set_yticks(range(len(names)), words)
    drawn.set_xlabel("predicted")
    drawn.set_ylabel("label")
    return drawn


def _draw(ax: Axes, matrix: np.ndarray, shares: np.ndarray, normalise: bool) -> None:
    from chop.plotting.picture import text_colour

    image = ax.imshow(
        shares if normalise else matrix, cmap="Blues", vmin=0.0, vmax=1.0 if normalise else None
    )
    ax.figure.colorbar(image, ax=ax, label="share of the label's rows" if normalise else "rows")
    if len(matrix) > MOST_TEXTS:
        return
    for (row, column), count in np.ndenumerate(matrix):
        text = f"{100 * shares[row, column]:.3g} %\n{count:,.0f}" if count else ""
        colour = text_colour(image.cmap(image.norm(shares[row, column] if normalise else count)))
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
