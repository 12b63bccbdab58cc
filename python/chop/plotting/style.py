"""What all pictures have in common: colours, axes to draw in, names as a reader knows them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from chop.registry import did_you_mean
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design" (2008): told apart with any colour blindness; the yellow is left out,
# it is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY = "#8A8A8A"
# Beside the colour, so that lines are told apart in print as well.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
SUFFIXES = (".png", ".svg", ".pdf")

LABELS = {
    "accuracy": "accuracy (macro)",
    "accuracy_micro": "accuracy (micro)",
    "average_bitwidth": "average bit width [bit]",
    "latency": "latency [ms]",
    "latency_spread": "spread of latency [ms]",
    "loss": "loss [nat]",
    "luts": "LUTs",
    "luts_circuit": "LUTs, from the circuit's cells",
    "luts_estimate": "LUTs, estimated",
    "memory_density": "memory density",
    "val_acc": "validation accuracy",
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss [nat]",
    "train_acc": "training accuracy",
    "train_loss": "training loss [nat]",
    "model_size": "model size [byte]",
    "output_sqnr": "signal to noise of the output [dB]",
}


def axes(ax: Axes | None, width: float = 6.4, height: float = 4.2) -> Axes:
    """Return ``ax``, or the axes of a new figure, whose size is in inches.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if ax is not None:
        return ax
    need_matplotlib()
    from chop.plotting.picture import new_figure_axes

    return new_figure_axes(width, height)


def need_matplotlib() -> None:
    """Raise ConfigError where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(f"pictures need matplotlib: {how_to_install('plot')}")


def label(name: str) -> str:
    """Return a metric's name with its unit.

    >>> label("average_bitwidth"), label("my_metric")
    ('average bit width [bit]', 'my metric')
    """
    return LABELS.get(name, name.replace("_", " "))


def parameter_label(name: str, most: int) -> str:
    """Return a parameter's name without the word that all of a quantization space have in common.

    >>> parameter_label("seq_blocks_2/config/weight_width", 40)
    'seq_blocks_2/weight_width'
    """
    return shortened(name.replace("/config/", "/"), most)


def tidy(ax: Axes, grid: str | None = "both") -> Axes:
    """Take the frame away where nothing is read off it, and draw a light grid behind the data."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if grid is not None:
        ax.grid(axis=grid, color="#E3E3E3", linewidth=0.8)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    return ax


def shortened(text: str, most: int = 28) -> str:
    """Return a text with its middle left out where it is long.

    >>> shortened("seq_blocks_2/config/weight_width", 20)
    'seq_bloc…eight_width'
    """
    if len(text) <= most:
        return text
    ahead = (most - 1) * 2 // 5 + 1
    return f"{text[:ahead]}…{text[len(text) - (most - 1 - ahead) :]}"


def save(ax: Axes, path: str | os.PathLike[str]) -> Path:
    """Write the figure of ``ax`` to one file, whole or not at all.

    Args:
        ax: what a function of this package returned, or any axes.
        path: ends in .png, .svg or .pdf.

    Returns:
        The path written.

    Raises:
        ConfigError: another ending.
        OSError: it cannot be written.

    >>> import tempfile
    >>> from chop.plotting import confusion_matrix
    >>> path = save(confusion_matrix([[3, 1], [0, 4]]), Path(tempfile.mkdtemp()) / "counts.svg")
    >>> path.read_text()[:5]
    '<?xml'
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        hint = did_you_mean(target.suffix, SUFFIXES)
        raise ConfigError(f"{target}: a picture ends in {', '.join(SUFFIXES)}{hint}")
    from chop.plotting.picture import figure_bytes

    return atomic_write(target, figure_bytes(ax.figure, target.suffix.removeprefix(".")))
