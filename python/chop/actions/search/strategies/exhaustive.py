"""The strategy ``exhaustive``: every configuration in the core, and an Optuna study of the best and a sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from chop.actions.search.journal.study import JOURNAL_NAME, about_study, filled_study
from chop.actions.search.metrics import evaluator_metrics, metric_class
from chop.actions.search.results import SearchResult, best_entries, leave_results
from chop.actions.search.strategies.quiet import quiet_optuna
from chop.actions.search.strategies.registry import STRATEGIES
from chop.actions.search.strategies.setup import StudySetup
from chop.actions.search.strategies.trained_front import TrainedFront
from chop.cost import COST_MODELS, Costs
from chop.metrics import METRICS as OF_LOGITS
from chop.metrics import NativeMetric
from chop.search import QuantizationSpace, SweepReport, pareto_front, sweep
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.actions.search.crew import Crew
    from chop.actions.search.objective import Objective
    from chop.actions.search.search_space import SearchSpace

logger = get_logger(__name__)

WHERE = "search.strategy"
FLOAT_BITS = 32


class ExhaustiveSetup(StudySetup):
    """``[search.strategy.setup]``.

    Attributes:
        prune: drop configurations that provably cannot reach the front.
        limit: refuse a larger space.
        most_trials: of the study: the front, and as many others as there is room for, evenly spaced.
        part: configurations of a part, of which workers measure several at a time; without it about a second's work.
        train_front: train what the sweep proposes, by ``sw_runner.basic_train``; the study holds what was trained, and
            nothing is pruned.
        most_trained: trials that train, in all: half of them at most for the sweep's front and what lies near, the
            others for configurations that differ in one choice from the front of what was trained.
        margin: how far behind the front "near" is, in the extent of the front in each objective.
    """

    prune: bool = True
    limit: int | None = Field(default=None, ge=1)
    most_trials: int = Field(default=10_000, ge=1)
    part: int | None = Field(default=None, ge=1)
    train_front: bool = False
    most_trained: int = Field(default=200, ge=1)
    margin: float = Field(default=0.1, ge=0)

    def identity(self) -> dict[str, Any]:
        """What makes a study another one."""
        trained = set() if self.train_front else {"train_front", "most_trained", "margin"}
        own = set() if self.part is not None else {"part"}
        return self.model_dump(exclude={"n_jobs", "limit", *trained, *own})


@STRATEGIES.register("exhaustive")
class SearchStrategyExhaustive:
    """Sweeps the whole space with :func:`chop.search.sweep`.

    Args:
        setup: the checked table.
        space: quantization choices.
        seed: nothing depends on it.

    Raises:
        ConfigError: another kind of space.
    """

    Setup: ClassVar[Any] = ExhaustiveSetup

    def __init__(self, setup: ExhaustiveSetup, space: SearchSpace, seed: int) -> None:
        if not isinstance(space, QuantizationSpace):
            raise ConfigError(
                f"{WHERE}.name: exhaustive sweeps quantization spaces only; use optuna for this one"
            )
        self.setup, self.space = setup, space
        self.crew: Crew | None = None  # set where other processes do the work

    def check(self, objective: Objective) -> None:
        """Check that the core can measure all that configurations are judged by.

        Raises:
            ConfigError: a metric that is measured in Python, clocked or has options, a runner that trains, a batch of
                the cost models other than 1, a scale of 0.
        """
        context = objective.context
        for name in context.asked:
            _check_swept(name, objective)
        if context.evaluator is None or objective.own_models != self.setup.train_front:
            needs = (
                "basic_evaluation and basic_train for train_front"
                if self.setup.train_front
                else ("basic_evaluation, and no training without setup.train_front = true")
            )
            raise ConfigError(f"{WHERE}.sw_runner: the strategy exhaustive needs {needs}")
        batch = getattr(objective.config.hw_runner.get("cost"), "batch", 1)
        if batch != 1:
            raise ConfigError(
                f"{WHERE}.hw_runner.cost.batch must be 1 for the strategy exhaustive, got {batch}"
            )
        if getattr(objective.config.hw_runner.get("average_bitwidth"), "count", "all") != "all":
            raise ConfigError(
                f"{WHERE}.hw_runner.average_bitwidth.count must be 'all' for the strategy exhaustive; "
                "average_bitwidth_mase is a metric of its own"
            )
        for name, table in objective.metrics.items():
            if table.scale == 0:
                raise ConfigError(f"{WHERE}.metrics.{name}.scale must not be 0 for the strategy exhaustive")

    def run(self, objective: Objective, identity: str, folder: Path, visualizer: Any = None) -> SearchResult:
        """Sweep the space, or go on with it, and write ``sweep.parquet`` (or ``.npz``), ``log.json`` and ``best.json``.

        Args:
            objective: what a configuration is judged by.
            identity: digest of all that the study depends on.
            folder: for the files.
            visualizer: used at the end only, if it can ``draw``: no trial is measured by itself.
        """
        report = self._sweep(objective, folder / f"sweep-{identity}", dry_run=False)
        assert report is not None
        write_line(repr(report))
        write_line(f"All results: {report.save(folder / 'sweep')}")
        if self.setup.train_front:
            if self.crew is not None:
                objective.workers = self.crew.workers(objective, identity)
            return self._trained(objective, report).run(identity, folder, visualizer)
        study = self._study(objective, report, f"search-{identity}", folder / JOURNAL_NAME)
        leave_results(study, folder, visualizer, objective, ended=True)
        return SearchResult(study, study.study_name, best_entries(study), folder, folder / JOURNAL_NAME)

    def _trained(self, objective: Objective, report: SweepReport) -> TrainedFront:
        values = np.where(report.feasible[:, None], swept_values(objective, report), np.nan)
        most, margin = self.setup.most_trained, self.setup.margin
        return TrainedFront(self.space, report, values, objective, most, margin)

    def estimate(self, objective: Objective) -> None:
        """Print what a run would take."""
        self._sweep(objective, None, dry_run=True)

    def _sweep(self, objective: Objective, path: Path | None, dry_run: bool) -> SweepReport | None:
        context, setup = objective.context, self.setup
        assert context.evaluator is not None
        prune = setup.prune and not setup.sum_scaled_metrics and not setup.train_front
        return sweep(
            context.evaluator,
            self.space,
            measured_directions(objective),
            prune=prune,
            threads=context.threads,
            limit=setup.limit,
            path=path,
            dry_run=dry_run,
            constraints=swept_bounds(objective, costs_only=setup.train_front),
            part=setup.part,
            pool=None if self.crew is None else self.crew.pool,
            source=None if self.crew is None else self.crew.sweep_source(),
        )

    def _study(self, objective: Objective, report: SweepReport, name: str, journal: Path) -> Any:
        """The study of the journal, with the trials that it lacks added in one go."""
        about = about_study("exhaustive (no seed: every configuration)", subject=objective.context.subject)
        rows = self._rows_for_study(objective, report)
        software = [m for m in objective.context.asked if metric_class(m).kind == "software"]
        with quiet_optuna():
            return filled_study(
                journal,
                name,
                objective,
                about,
                lambda there: [self._trial(objective, report, row, software) for row in rows[there:]],
            )

    def _rows_for_study(self, objective: Objective, report: SweepReport) -> list[int]:
        """The best rows of the results first, then others, evenly spaced."""
        values = swept_values(objective, report)
        # What is not a number is in no front.
        allowed = np.where(report.feasible[:, None], values, np.nan)
        front = pareto_front(allowed, objective.study_directions)[: self.setup.most_trials]
        others = np.setdiff1d(np.flatnonzero(~np.isnan(values).any(axis=1)), front)
        room = self.setup.most_trials - len(front)
        if len(others) > room:
            logger.info(
                "the study holds %d of %d results; all are in the file", room + len(front), len(values)
            )
            others = others[np.linspace(0, len(others) - 1, room).astype(np.int64)] if room else others[:0]
        return [*front.tolist(), *others.tolist()]

    def _trial(self, objective: Objective, report: SweepReport, row: int, software: list[str]) -> Any:
        from optuna.distributions import IntDistribution
        from optuna.trial import create_trial

        index = int(report.results["configuration"][row])
        indexes = report.indexes(index)
        config = self.space.flattened_indexes_to_config(indexes)
        measured = {m: float(report.results[m][row]) for m in software}
        outcome = objective.outcome_of(config, measured)
        lengths = {name: n for name, n in self.space.choice_lengths_flattened.items() if n > 1}
        return create_trial(
            params={name: indexes[name] for name in lengths},
            distributions={name: IntDistribution(0, n - 1) for name, n in lengths.items()},
            values=outcome.values,
            user_attrs=outcome.user_attributes(),
            constraints=outcome.excesses or None,
        )


def _check_swept(name: str, objective: Objective) -> None:
    context = objective.context
    where = f"{WHERE}.{'metrics' if name in objective.metrics else 'constraints'}.{name}"
    if context.asked[name]:
        raise ConfigError(f"{where}.options: the strategy exhaustive takes metrics without options")
    native = name in OF_LOGITS and issubclass(OF_LOGITS[name], NativeMetric)
    if metric_class(name).computes_itself() or not (native or name in COST_MODELS):
        known = [n for n in evaluator_metrics() if issubclass(OF_LOGITS[n], NativeMetric)]
        raise ConfigError(
            f"{where}: the strategy exhaustive judges by what the core computes ({', '.join([*known, *COST_MODELS])}); "
            "use brute-force of the strategy optuna for others"
        )
    if name in COST_MODELS:
        try:
            strict = getattr(objective.config.hw_runner.get("cost"), "strict", False)
            Costs(context.graph, models=(name,), input_shapes=context.row_shape, strict=strict)
        except ValueError as error:
            raise ConfigError(f"{where}: the strategy exhaustive cannot work it out: {error}") from error


def measured_directions(objective: Objective) -> dict[str, str]:
    """Return metric -> the direction of its figure before the scale, which may be negative."""
    pairs = zip(objective.metrics.items(), objective.directions, strict=True)
    return {name: way if table.scale >= 0 else _OPPOSITE[way] for (name, table), way in pairs}


def swept_bounds(objective: Objective, costs_only: bool = False) -> dict[str, dict[str, float]]:
    """Return the constraints of a search in the figures of a sweep; those on accuracy may wait for the training."""
    return {
        name: {k: v / _factor(name, objective) for k, v in table.model_dump(exclude_none=True).items()}
        for name, table in objective.config.constraints.items()
        if not costs_only or metric_class(name).kind == "hardware"
    }


def swept_figure(objective: Objective, report: SweepReport, name: str) -> np.ndarray:
    """Return a metric of all swept configurations as a trial measures it: float64 [rows]."""
    return report.results[name] * _factor(name, objective)


def swept_values(objective: Objective, report: SweepReport) -> np.ndarray:
    """Return the values that a trial of each swept configuration has: float64 [rows, objectives]."""
    scales = {name: table.scale for name, table in objective.metrics.items()}
    values = np.stack([swept_figure(objective, report, n) * scale for n, scale in scales.items()], axis=1)
    return values.sum(axis=1, keepdims=True) if objective.sum_scaled_metrics else values


def _factor(name: str, objective: Objective) -> float:
    """What turns a figure of the sweep into that of a trial: the runner's ``compare_to`` for the density."""
    if name != "memory_density":
        return 1.0
    compared = getattr(objective.config.hw_runner.get("average_bitwidth"), "compare_to", FLOAT_BITS)
    return float(compared) / FLOAT_BITS


_OPPOSITE = {"maximize": "minimize", "minimize": "maximize"}
