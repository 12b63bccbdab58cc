"""Learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chop.plotting.style import DASHES, PALETTE, axes, label, tidy
from chop.plotting.tables import frame_of
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LOSSES, ACCURACIES = ("train_loss", "val_loss"), ("train_acc", "val_acc", "val_accuracy", "train_accuracy")


def learning_curves(
    metrics: Any, what: str | None = None, by: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw loss and accuracy of a training against its epochs.

    Args:
        metrics: the ``metrics.csv`` that a training writes (its path), or a table of the same columns: ``epoch``
            and/or ``step``, and any of ``train_loss``, ``val_loss``, ``train_acc``, ``val_acc``, ``val_accuracy``
            (each row may leave some empty).
        what: ``loss`` or ``accuracy`` for only one of them. Left out, both: the loss to the left, the accuracy, on
            axes of its own, to the right.
        by: ``epoch`` or ``step``; left out, epochs where there are any.
        ax: axes to draw in.

    Returns:
        The axes of the loss, or of what is there; those of the accuracy share their figure.

    Raises:
        ConfigError: no such column; matplotlib is missing.

    >>> ax = learning_curves({"epoch": [0, 1, 2], "train_loss": [1.5, 1.2, 1.1], "val_loss": [1.4, 1.2, 1.15]})
    >>> [line.get_label() for line in ax.lines], ax.lines[0].get_ydata().tolist()
    (['training', 'validation'], [1.5, 1.2, 1.1])
    """
    frame = frame_of(metrics, "metrics")
    by = by or ("epoch" if "epoch" in frame.columns else "step")
    parts = {"loss": _present(frame, LOSSES), "accuracy": _present(frame, ACCURACIES)}
    if what is not None and what not in parts:
        raise ConfigError(f"learning_curves: what must be loss or accuracy, got {what!r}")
    chosen = {name: found for name, found in parts.items() if found and what in (None, name)}
    if by not in frame.columns or not chosen:
        wanted = ", ".join((*LOSSES, *ACCURACIES[:2]))
        raise ConfigError(
            f"learning_curves: needs {by} and some of {wanted}; there are {', '.join(frame.columns)}"
        )
    first = axes(ax, 6.4, 3.9)
    drawn = [first, *(first.twinx() for _ in list(chosen)[1:])]
    handles: list[Any] = []
    for side, (name, columns) in enumerate(chosen.items()):
        handles += _lines(drawn[side], frame, by, columns, name, side, several=len(chosen) > 1)
    first.set_xlabel(by)
    tidy(first)
    if len(drawn) > 1:
        drawn[1].spines["top"].set_visible(False)
    drawn[-1].legend(handles=handles, fontsize=8, loc="center right")
    _whole_numbers(first)
    return first


def _present(frame: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in frame.columns and frame[name].notna().any()]


def _lines(
    ax: Axes, frame: pd.DataFrame, by: str, columns: list[str], name: str, side: int, several: bool
) -> list[Any]:
    handles = []
    for column in columns:
        rows = frame[[by, column]].dropna()
        rows = rows.groupby(by, as_index=False).last()
        split = "training" if column.startswith("train") else "validation"
        (line,) = ax.plot(
            rows[by].to_numpy(),
            rows[column].to_numpy(),
            color=PALETTE[side],
            linestyle=DASHES[0] if split == "validation" else DASHES[1],
            linewidth=1.6,
            marker="o" if len(rows) <= 30 else None,
            markersize=3,
            label=f"{name}, {split}" if several else split,
        )
        handles.append(line)
    ax.set_ylabel(label(name), color=PALETTE[side] if several else "black")
    if several:
        ax.tick_params(axis="y", colors=PALETTE[side])
    return handles


def _whole_numbers(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
