"""Pictures of what the rest of chop finds: functions that take data and return matplotlib axes.

Every function takes ``ax=None``, the axes to draw in; without it a figure is made that belongs to the caller alone.
Nothing is kept: no pyplot, no rcParams. Colours are told apart with any colour blindness. matplotlib is the extra
``plot`` and is imported when the first picture is drawn.
"""

from __future__ import annotations

from chop.plotting.confusion import confusion_matrix
from chop.plotting.drawn_graph import graph
from chop.plotting.grids import grid
from chop.plotting.histograms import histogram
from chop.plotting.learning import learning_curves
from chop.plotting.live import live_front
from chop.plotting.marginal import marginal_effects
from chop.plotting.parallel import parallel_coordinates
from chop.plotting.pareto import pareto_front
from chop.plotting.progress import best_so_far
from chop.plotting.regrets import regret
from chop.plotting.sensitivity import sensitivity_map
from chop.plotting.style import PALETTE, save
from chop.plotting.waterfall import error_waterfall

__all__ = [
    "PALETTE",
    "best_so_far",
    "confusion_matrix",
    "error_waterfall",
    "graph",
    "grid",
    "histogram",
    "learning_curves",
    "live_front",
    "marginal_effects",
    "parallel_coordinates",
    "pareto_front",
    "regret",
    "save",
    "sensitivity_map",
]
