"""Samplers that the core computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry
from chop.actions.search.validation import StrictTable

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@SAMPLERS.register("native-tpe")
class NativeTreeParzen(SamplerEntry):
    """The tree-structured Parzen estimator in the core: whole configurations in one call, and none of them twice.

    For several objectives as Ozaki et al. (2022); ``multivariate``: kernels over whole configurations.
    """

    class Options(StrictTable):
        """Optuna's names; ``avoid_repeats``: propose no configuration twice while others are left."""

        multivariate: bool = True
        n_startup_trials: int = Field(default=10, ge=0)
        n_ei_candidates: int = Field(default=24, ge=1)
        avoid_repeats: bool = True

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        return cls.build_ordered(options, seed, lengths, set(lengths))

    @classmethod
    def build_ordered(
        cls, options: Any, seed: int, lengths: Mapping[str, int], ordered: set[str]
    ) -> BaseSampler:
        """Return the sampler; ``ordered`` names the parameters whose choices are rising or falling numbers."""
        from chop.actions.search.samplers.native_tpe import NativeTpeSampler

        startup, candidates = options.n_startup_trials, options.n_ei_candidates
        further = startup, candidates, options.multivariate, options.avoid_repeats
        return NativeTpeSampler(lengths, ordered, seed, *further)
