"""Optuna samplers by name, with their options checked and a seed of their own for each trial.

A sampler that is made anew for each trial from (seed, trial number) has no hidden state: a study that was
stopped goes on exactly as if it had not been. A sampler of your own is one registered class:
``@SAMPLERS.register("mine") class Mine(optuna.samplers.BaseSampler)`` with a ``seed`` argument.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from chop.actions.search.validation import StrictTable, validate_table
from chop.registry import Registry, UnknownNameError, did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

SAMPLERS: Registry[Any] = Registry("sampler")


class NoOptions(StrictTable):
    """A sampler without options."""


class SamplerEntry:
    """A sampler that chop knows.

    Attributes:
        Options: its options.
        each_trial: True where a new one is built for each trial from a seed of that trial.
        exhausts: True where it stops by itself after the whole space.
        needs: packages of the extra ``search`` without which it does not run.
        most_objectives: how many it can take; None for any number.
    """

    Options: ClassVar[type[StrictTable]] = NoOptions
    each_trial: ClassVar[bool] = False
    exhausts: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    most_objectives: ClassVar[int | None] = None

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        """Return the Optuna sampler; ``lengths`` holds the number of choices of each parameter."""
        raise NotImplementedError

    @classmethod
    def in_effect(cls, options: Any, lengths: Mapping[str, int], objectives: int) -> dict[str, Any]:
        """Return the options with what those that were left out amount to."""
        return dict(options)


class SamplerPlan:
    """A sampler looked up and checked, ready to be built.

    Args:
        name: a registered name; case does not matter, nor does ``_`` for ``-``.
        options: the sampler's options.
        lengths: parameter -> number of choices (more than one).
        seed: of the study.
        ordered: parameters whose neighbouring choices resemble each other; all without it.

    Raises:
        UnknownNameError: an unknown sampler.
        ConfigError: an option that the sampler does not have, a wrong value, or a package that is missing.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        lengths: Mapping[str, int],
        seed: int,
        ordered: set[str] | None = None,
    ) -> None:
        self.name = name if name in SAMPLERS else name.lower().replace("_", "-")
        try:
            self._entry = SAMPLERS[self.name]
        except UnknownNameError as error:
            raise UnknownNameError(f"search.strategy.setup.sampler: {error}") from None
        self._known = isinstance(self._entry, type) and issubclass(self._entry, SamplerEntry)
        self._check_packages()
        self.options = self._checked(options)
        self._lengths = dict(lengths)
        self._seed = seed
        self._ordered = set(lengths) if ordered is None else ordered
        self.each_trial = self._known and self._entry.each_trial
        self.exhausts = self._known and self._entry.exhausts

    def _check_packages(self) -> None:
        missing = [n for n in self._entry.needs if importlib.util.find_spec(n) is None] if self._known else []
        if missing:
            raise ConfigError(
                f"search.strategy.setup.sampler: {self.name!r} needs the package {missing[0]}: "
                f"{how_to_install('search', missing)}"
            )

    def check_objectives(self, count: int) -> None:
        """Raise ``ConfigError`` where the sampler cannot take so many objectives."""
        most = self._entry.most_objectives if self._known else None
        if most is not None and count > most:
            raise ConfigError(
                f"search.strategy.setup.sampler: {self.name!r} takes one objective, and there are {count}: set "
                "sum_scaled_metrics = true, or name one metric and put the others under search.strategy.constraints"
            )

    def _checked(self, options: Mapping[str, Any]) -> Any:
        where = "search.strategy.setup.sampler_options"
        if self._known:
            return validate_table(self._entry.Options, options, where)
        known = inspect.signature(self._entry).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            return dict(options)
        for key in options:
            if key not in known:
                raise ConfigError(
                    f"{where}.{key} is not known to sampler {self.name!r}{did_you_mean(key, known)}"
                )
        return dict(options)

    def check(self) -> None:
        """Build a sampler once, so that what it refuses itself is refused before anything is written.

        Raises:
            ConfigError: a wrong option of a sampler of one's own, one that is missing, too large a space.
        """
        try:
            self.build(0)
        except ConfigError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"search.strategy.setup.sampler: {self.name!r} cannot be made: {error}"
            ) from error

    def trials(self, wanted: int) -> int:
        """Return how many trials there can be: ``wanted``, or fewer where the space ends before."""
        return min(wanted, math.prod(self._lengths.values())) if self.exhausts else wanted

    def build(self, number: int) -> BaseSampler:
        """Return the sampler for trial ``number`` and, unless ``each_trial``, for those that follow."""
        if not self._known:
            seeded = "seed" in inspect.signature(self._entry).parameters
            return self._entry(**self.options, **({"seed": trial_seed(self._seed, number)} if seeded else {}))
        seed = trial_seed(self._seed, number if self.each_trial else 0)
        if hasattr(self._entry, "build_ordered"):
            return self._entry.build_ordered(self.options, seed, self._lengths, self._ordered)
        return self._entry.build(self.options, seed, self._lengths)

    def describe(self, objectives: int) -> str:
        """One line for the log: name and options in effect."""
        options = dict(self.options)
        if self._known:
            options = self._entry.in_effect(self.options, self._lengths, objectives)
        listed = ", ".join(
            f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"
            for key, value in options.items()
        )
        return f"{self.name} ({listed})" if listed else self.name


def trial_seed(seed: int, number: int) -> int:
    """Return a 32-bit seed for one trial, unrelated to those of its neighbours.

    >>> trial_seed(0, 1) == trial_seed(0, 1) != trial_seed(1, 0)
    True
    """
    return int.from_bytes(hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=4).digest(), "little")
