"""What a metric is, and the table of all of them."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Literal

from torch import Tensor

from chop.registry import Registry


class Metric:
    """A number, a list or a matrix for the logits of a set of rows; the class's docstring is its definition.

    Options are the keyword arguments of the constructor; a ``ValueError`` that it raises reaches the user as a
    :class:`~chop.tools.errors.ConfigError`. An object is used again and again, and keeps nothing of what it saw.

    Attributes:
        unit: in words.
        direction: which way is better; None for what is neither.
        needs_labels: False for a metric that works without ``y``.
        needs_reference: True for a metric that compares with the float model: ``compute`` then gets its logits too.

    >>> @METRICS.register("logit_power")
    ... class LogitPower(Metric):
    ...     \"\"\"Absolute logits to a power, mean over rows and classes.\"\"\"
    ...     unit, direction, needs_labels = "logit^p", "minimize", False
    ...     def __init__(self, p=2):
    ...         self.p = p
    ...     def compute(self, logits, y):
    ...         return (logits.abs() ** self.p).mean()
    >>> from chop.metrics import score
    >>> import torch
    >>> score(torch.tensor([[1.0, 3.0]]), metrics=[{"name": "logit_power", "p": 1}])
    Metrics(rows=1, logit_power(p=1)=2)
    >>> del METRICS["logit_power"]
    """

    unit: ClassVar[str] = "1"
    direction: ClassVar[Literal["minimize", "maximize"] | None] = None
    needs_labels: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False

    def compute(self, logits: Tensor, y: Any, *reference: Tensor) -> float | Tensor:
        """Return the value for all rows.

        Args:
            logits: float32, shape [rows, classes].
            y: class indices, int64, shape [rows]; None where there are no labels and ``needs_labels`` is False.
            reference: the float model's logits, like ``logits``, if ``needs_reference`` is True.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute")

    @classmethod
    def definition(cls) -> str:
        """What is computed, in words."""
        return inspect.cleandoc(cls.__doc__) if cls.__doc__ else ""

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Names of the options."""
        return tuple(inspect.signature(cls).parameters)

    def check(self, classes: int) -> None:
        """Raise ``ValueError`` where the options do not go with so many classes."""


METRICS: Registry[type[Metric]] = Registry("metric")
