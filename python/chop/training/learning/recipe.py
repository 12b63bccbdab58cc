"""How widths are learned: everything but model, rows and targets that the result depends on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.training.trained_widths import SHARING


@dataclasses.dataclass(frozen=True)
class WidthRecipe:
    """How widths are learned.

    Attributes:
        epochs: passes over the rows for each target.
        epochs_narrow: passes for the narrowest of several targets; from the widest, which has ``epochs``, they go to it
            in a straight line of the target's logarithm. None: ``epochs`` for all.
        batch_size: rows of a batch.
        learning_rate: of the weights' Adam; it falls on a cosine over each target's epochs, by steps.
        width_rate: of the widths' own Adam. In one step a width moves by about this much, so a run needs some hundred
            steps a bit.
        settle: share of ``width_rate`` that is left where widths freeze; it falls from ``reach`` on.
        reach: share of the steps after which the cost is to be at the target.
        freeze: share of the steps after which widths stay.
        aim: share of the target that the price is set for; the rest is room for what weights still do when widths stay.
        distill: share of the float model's own probabilities in the targets of the loss; the rest are the labels.
        distill_wide: that share for the widest of several targets; from there to the narrowest, which has ``distill``,
            it goes in a straight line of the target's logarithm. None: ``distill`` for all.
        start_bits: fraction bits that weights and inputs begin with, where the config gives none.
        weight: who shares a width of a weight: ``tensor``, ``channel`` or ``element``.
        data_in: who shares a width of a layer's input: ``tensor`` or ``element`` (a feature).
        seed: of the order of the rows.

    Raises:
        ConfigError: a value out of range.

    >>> WidthRecipe(epochs=60).batch_size
    128
    """

    epochs: int = 20
    epochs_narrow: int | None = None
    batch_size: int = 128
    learning_rate: float = 4e-3
    width_rate: float = 5e-3
    reach: float = 0.3
    freeze: float = 0.9
    settle: float = 0.1
    aim: float = 0.97
    distill: float = 1.0
    distill_wide: float | None = 0.0
    start_bits: int = 6
    weight: str = "element"
    data_in: str = "element"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name == "epochs_narrow":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"learn_widths: {name} must be a whole number from {least}, got {value!r}")
        if self.start_bits > _MOST_BITS:
            raise ConfigError(f"learn_widths: start_bits must be 0..{_MOST_BITS}, got {self.start_bits}")
        for name, most in _LIMITS.items():
            value = getattr(self, name)
            if value is None and name == "distill_wide":
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not 0 <= value <= most
                or (name not in _MAY_BE_ZERO and value == 0)
            ):
                most_text = "" if math.isinf(most) else f", at most {most:g}"
                least_text = "from 0" if name in _MAY_BE_ZERO else "above 0"
                raise ConfigError(
                    f"learn_widths: {name} must be a number {least_text}{most_text}, got {value!r}"
                )
        for operand, choices in SHARING.items():
            if (value := getattr(self, operand)) not in choices:
                raise ConfigError(f"learn_widths: {operand} must be {' or '.join(choices)}, got {value!r}")

    def rate_of_widths(self, t: float) -> float:
        """Return the rate of the widths after the share ``t`` of a stage's steps.

        >>> recipe = WidthRecipe(width_rate=0.01, reach=0.3, freeze=0.9, settle=0.5)
        >>> [round(recipe.rate_of_widths(t), 6) for t in (0.0, 0.3, 0.6, 0.9, 1.0)]
        [0.01, 0.01, 0.0075, 0.005, 0.005]
        """
        way = max(self.freeze - self.reach, 1e-9)
        gone = min(max((t - self.reach) / way, 0.0), 1.0)
        return self.width_rate * (1 - (1 - self.settle) * gone)

    def shares(self, targets: Sequence[float]) -> list[float]:
        """Return the share of distillation for each of some targets, widest first.

        >>> WidthRecipe(distill=1.0, distill_wide=0.0).shares([10_000, 1_000, 100])
        [0.0, 0.5, 1.0]
        """
        if self.distill_wide is None or len(set(targets)) < 2:
            return [self.distill] * len(targets)
        return [self.distill_wide + (self.distill - self.distill_wide) * gone for gone in _way(targets)]

    def epochs_of(self, targets: Sequence[float]) -> list[int]:
        """Return the epochs for each of some targets, widest first.

        >>> WidthRecipe(epochs=20, epochs_narrow=40).epochs_of([10_000, 1_000, 100])
        [20, 30, 40]
        """
        if self.epochs_narrow is None or len(set(targets)) < 2:
            return [self.epochs] * len(targets)
        return [round(self.epochs + (self.epochs_narrow - self.epochs) * gone) for gone in _way(targets)]

    @classmethod
    def of(cls, given: WidthRecipe | Mapping[str, Any] | None) -> WidthRecipe:
        """Return a recipe from a table of its attributes; None: the default one.

        Raises:
            ConfigError: a name that is not there, or a value out of range.

        >>> WidthRecipe.of({"epochs": 3}).epochs
        3
        """
        if isinstance(given, WidthRecipe):
            return given
        names = [field.name for field in dataclasses.fields(cls)]
        for name in given or {}:
            if name not in names:
                hint = did_you_mean(str(name), names) or f"; known: {', '.join(names)}"
                raise ConfigError(f"learn_widths: there is no option {name!r}{hint}")
        return cls(**dict(given or {}))


def _way(targets: Sequence[float]) -> list[float]:
    """How far each of some targets is from the widest, which is the first, to the narrowest, in logarithms."""
    whole = math.log(targets[0] / targets[-1])
    return [math.log(targets[0] / each) / whole for each in targets]


_MOST_BITS = 12
_LEAST = {"epochs": 1, "epochs_narrow": 1, "batch_size": 1, "start_bits": 0, "seed": 0}
_LIMITS = {
    "learning_rate": math.inf,
    "width_rate": 1.0,
    "settle": 1.0,
    "reach": 1.0,
    "freeze": 1.0,
    "aim": 1.0,
    "distill": 1.0,
    "distill_wide": 1.0,
}
_MAY_BE_ZERO = ("reach", "settle", "distill", "distill_wide")
