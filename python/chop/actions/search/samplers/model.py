"""Samplers with a model of what is good: TPE, Gaussian processes and CMA-ES (packages of the extra ``search``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from chop.actions.search.samplers.registry import SAMPLERS, SamplerEntry
from chop.actions.search.validation import StrictTable

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@SAMPLERS.register("tpe")
class TreeParzen(SamplerEntry):
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) as in Optuna 5.

    ``multivariate`` left out is Optuna 5's default: True for one objective, False for several. Both options
    set to false are nearest to the TPE of 2024.
    """

    class Options(StrictTable):
        """Optuna's names."""

        multivariate: bool | None = None
        constant_liar: bool = True
        n_startup_trials: int = Field(default=10, ge=0)
        n_ei_candidates: int = Field(default=24, ge=1)

    each_trial = True

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, **options.model_dump())

    @classmethod
    def in_effect(cls, options: Any, lengths: Mapping[str, int], objectives: int) -> dict[str, Any]:
        known = dict(options)
        return known if known["multivariate"] is not None else {**known, "multivariate": objectives == 1}


@SAMPLERS.register("gp")
class GaussianProcess(SamplerEntry):
    """Gaussian processes with expected improvement, of the hypervolume where objectives are several (Optuna 5).

    Constraints are modelled too. Each trial fits all earlier ones: meant for hundreds of trials, not thousands.
    """

    class Options(StrictTable):
        """Optuna's names; ``deterministic_objective`` tells it that a trial measured twice gives the same."""

        n_startup_trials: int = Field(default=10, ge=1)
        deterministic_objective: bool = False

    each_trial = True
    needs = ("scipy",)

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, **options.model_dump())


@SAMPLERS.register("cmaes")
class CovarianceMatrixAdaptation(SamplerEntry):
    """CMA-ES (Hansen and Ostermeier, 2001) on the indexes of the choices, for one objective.

    Sensible where the choices of a parameter are in order, such as widths.
    """

    class Options(StrictTable):
        """``sigma0``: as a part of each axis; ``popsize``, ``with_margin``: Optuna's names."""

        sigma0: float = Field(default=1 / 6, gt=0, le=1)
        popsize: int | None = Field(default=None, ge=4)
        with_margin: bool = True

    needs = ("cmaes",)
    most_objectives = 1

    @classmethod
    def build(cls, options: Any, seed: int, lengths: Mapping[str, int]) -> BaseSampler:
        from chop.actions.search.samplers.covariance import CovarianceSampler

        return CovarianceSampler(lengths, seed, **options.model_dump())

    @classmethod
    def in_effect(cls, options: Any, lengths: Mapping[str, int], objectives: int) -> dict[str, Any]:
        from chop.actions.search.samplers.covariance import usual_popsize

        return {**dict(options), "popsize": options.popsize or usual_popsize(len(lengths))}
