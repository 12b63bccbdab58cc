"""Samplers by name: what proposes the next configurations of a study.

A sampler of your own is one registered class:
``@SAMPLERS.register("mine") class Mine(optuna.samplers.BaseSampler)`` with a ``seed`` argument.
"""

# Each member registers itself when its file is imported.
from chop.actions.search.samplers import enumeration, genetic, model, native, uniform  # noqa: F401
from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry, SamplerPlan, trial_seed

__all__ = ["SAMPLERS", "SamplerEntry", "SamplerPlan", "trial_seed"]
