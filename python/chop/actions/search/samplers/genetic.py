"""The genetic samplers of Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry
from chop.actions.search.validation import StrictTable

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Genetic(SamplerEntry):
    """What the two have in common."""

    each_trial = True

    @classmethod
    def in_effect(cls, options: Any, lengths: Mapping[str, int], objectives: int) -> dict[str, Any]:
        known = dict(options)
        if known["mutation_prob"] is None:
            known["mutation_prob"] = 1 / max(1, len(lengths))
        return known


class PopulationOptions(StrictTable):
    """Options of the genetic samplers, under Optuna's names."""

    population_size: int = Field(default=50, ge=2)
    mutation_prob: float | None = Field(default=None, ge=0, le=1)
    crossover_prob: float = Field(default=0.9, ge=0, le=1)
    swapping_prob: float = Field(default=0.5, ge=0, le=1)


@SAMPLERS.register("nsgaii")
class NonDominatedSorting2(Genetic):
    """NSGA-II (Deb et al., 2002)."""

    Options = PopulationOptions

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, **options.model_dump())


@SAMPLERS.register("nsgaiii")
class NonDominatedSorting3(Genetic):
    """NSGA-III (Deb and Jain, 2014)."""

    Options = PopulationOptions

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        from optuna.samplers import NSGAIIISampler

        return NSGAIIISampler(seed=seed, **options.model_dump())
