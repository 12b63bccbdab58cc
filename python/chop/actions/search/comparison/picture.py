"""The picture of a comparison: gap and best value, against trials and against seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.comparison.result import SamplerComparison

logger = get_logger(__name__)


def regret_files(found: SamplerComparison, folder: Path) -> list[Path]:
    """Write ``regret.png`` and ``regret.svg``; without matplotlib a warning is all."""
    from chop.plotting import save

    try:
        ax = regret_panels(found)
    except ConfigError as error:
        logger.warning("no picture was made: %s", error)
        return []
    return [save(ax, folder / f"regret{suffix}") for suffix in (".png", ".svg")]


def regret_panels(found: SamplerComparison) -> Any:
    """Return the first of four axes: the gap above, the best of the first objective below; trials left, seconds right.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    from chop.plotting import regret
    from chop.plotting.style import need_matplotlib

    need_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.4), dpi=110, layout="constrained")
    panels = figure.subplots(2, 2, sharex="col")
    for row, value in enumerate(("gap", f"best_{found.names[0]}")):
        for column, by in enumerate(("trial", "seconds")):
            ax = regret(found.frame, value, by, ax=panels[row][column])
            if row == 0:
                ax.set_xlabel("")
            if (row, column) != (0, 0):
                ax.legend_ = None  # one is enough
    if len(found.names) == 1:
        for ax in panels[0]:
            ax.set_ylabel("missing share of the way to the optimum")
    figure.suptitle(f"Median and quartiles over seeds; optimum from {found.truth.words}", fontsize=9)
    return panels[0][0]
