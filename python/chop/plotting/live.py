"""A front that grows in a notebook while the search runs."""

from __future__ import annotations

import time
from typing import Any

from chop.plotting.pareto import pareto_front
from chop.plotting.progress import best_so_far
from chop.plotting.tables import points_of_study
from chop.tools.errors import ConfigError

SECONDS = 1.0  # between two drawings


class LiveFront:
    """A callback for ``study.optimize(…, callbacks=[live_front()])`` that redraws the front.

    Attributes:
        drawn: how many times it was drawn.
    """

    def __init__(self, x: str | None, y: str | None, every: float) -> None:
        self.x, self.y, self.every = x, y, every
        self.drawn = 0
        self._display = _display()
        self._handle: Any = None
        self._next = 0.0

    def __call__(self, study: Any, trial: Any = None) -> None:
        """Redraw, unless that was done a moment ago; nothing happens outside a notebook."""
        if self._display is None or time.monotonic() < self._next:
            return
        self.draw(study)
        self._next = time.monotonic() + self.every

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """What a visualizer of ``chop.actions.search`` has as well; the picture is drawn from the study."""

    def draw(self, study: Any) -> None:
        """Redraw now."""
        if self._display is None:
            return
        try:
            picture = _picture(study, self.x, self.y)
        except ConfigError:  # no completed trial as yet
            return
        if self._handle is None:
            self._handle = self._display(picture, display_id=True)
        else:
            self._handle.update(picture)
        self.drawn += 1


def live_front(
    study: Any = None, x: str | None = None, y: str | None = None, every: float = SECONDS
) -> LiveFront:
    """Show the front of a study in a notebook, and return what lets it grow.

    Args:
        study: an Optuna study, or a search's result, to draw at once; None to wait for the first trial.
        x, y: as of :func:`chop.plotting.pareto_front`. A study with one objective is drawn as its best value so far.
        every: seconds between two drawings at least.

    Returns:
        A callback ``(study, trial)`` for Optuna's ``study.optimize``. ``chop.actions.search`` takes it as
        ``visualizer``. Outside a notebook it does nothing, so that the same program runs anywhere.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> live, study = live_front(), optuna.create_study()
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, callbacks=[live])
    >>> live.drawn  # there is no notebook here
    0
    """
    made = LiveFront(x, y, every)
    if study is not None:
        made.draw(getattr(study, "study", study))
    return made


def _display() -> Any:
    """IPython's ``display`` in a notebook, else None."""
    import sys

    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    return display if shell is not None and hasattr(shell, "kernel") else None


def _picture(study: Any, x: str | None, y: str | None) -> Any:
    points = points_of_study(study)
    if len(points.objectives) > 1 or (x is not None and y is not None):
        return pareto_front(points, x, y)
    return best_so_far(points)
