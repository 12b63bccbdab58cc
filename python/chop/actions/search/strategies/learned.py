"""The strategy ``learned``: widths are trained by gradient, and what no checkpoint dominates is the study."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from chop.actions.search.journal.study import JOURNAL_NAME, about_study, filled_study
from chop.actions.search.results import SearchResult, best_entries, leave_results
from chop.actions.search.strategies.quiet import quiet_optuna
from chop.actions.search.strategies.registry import STRATEGIES
from chop.actions.search.strategies.setup import StudySetup
from chop.search import QuantizationSpace
from chop.tools.config_arrays import read_named_arrays
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective
    from chop.actions.search.outcome import Outcome
    from chop.actions.search.search_space import SearchSpace
    from chop.training import LearnedModel
    from chop.training.learning.learning import Learning

logger = get_logger(__name__)

WHERE = "search.strategy"


class LearnedSetup(StudySetup):
    """``[search.strategy.setup]``; what is not named here is an attribute of ``chop.training.WidthRecipe``.

    Attributes:
        targets: bounds of ``cost``, in any order; one that stands there twice is learned twice.
        cost: the cost model that they bound.
        prices: instead of targets, the price of a bit at the beginning and at the end of one run.
    """

    targets: list[float] | None = None
    cost: str = "ebops_hgq"
    prices: list[float] | None = None
    epochs: int = Field(default=20, ge=1)
    epochs_narrow: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = 4e-3
    width_rate: float = 5e-3
    reach: float = 0.3
    freeze: float = 0.9
    settle: float = 0.1
    aim: float = 0.97
    distill: float = 1.0
    distill_wide: float | None = 0.0
    weight: str = "element"
    data_in: str = "element"

    @model_validator(mode="after")
    def _known(self) -> LearnedSetup:
        from chop.training.learning.counts import Target
        from chop.training.learning.learn import stages_of

        bounds = "targets" if self.prices is None else "prices"
        key = ""
        try:
            self.recipe(0)
            key = "cost: "
            Target(self.cost, 1.0)
            key = f"{bounds}: "
            stages_of(self.targets, self.cost, self.prices)
        except ConfigError as error:
            raise ValueError(f"{key}{error}") from None
        return self

    def recipe(self, seed: int) -> Any:
        """The recipe."""
        from chop.training import WidthRecipe

        names = {field.name for field in dataclasses.fields(WidthRecipe)}
        return WidthRecipe(seed=seed, **{k: v for k, v in self.model_dump().items() if k in names})

    def identity(self) -> dict[str, Any]:
        """What makes a study another one."""
        return self.model_dump(exclude={"n_jobs"})


@STRATEGIES.register("learned")
class SearchStrategyLearned:
    """Learns widths with :class:`chop.training.learning.learning.Learning`.

    Args:
        setup: the checked table.
        space: quantization choices: learning begins at the first choice of each list.
        seed: of the order of the rows.

    Raises:
        ConfigError: another kind of space.
    """

    Setup: ClassVar[Any] = LearnedSetup

    def __init__(self, setup: LearnedSetup, space: SearchSpace, seed: int) -> None:
        if not isinstance(space, QuantizationSpace):
            raise ConfigError(
                f"{WHERE}.name: learned begins at the formats of a quantization space; use optuna for this one"
            )
        self.setup, self.space, self.seed = setup, space, seed
        self._ready: Learning | None = None
        several = [name for name, n in space.choice_lengths_flattened.items() if n > 1]
        if several:
            logger.warning(
                "search.search_space.seed: the strategy learned begins at the first choice of %s; the others are "
                "not looked at",
                ", ".join(several[:3]) + (", …" if len(several) > 3 else ""),
            )

    def check(self, objective: Objective) -> None:
        """Check that widths of this model can be learned, and that something measures accuracy.

        Raises:
            ConfigError: a runner that trains, or a model that the core cannot train.
        """
        if objective.trains:
            raise ConfigError(
                f"{WHERE}.sw_runner: the strategy learned trains by itself; leave basic_train out"
            )
        self._ready = self._learning(objective)

    def run(self, objective: Objective, identity: str, folder: Path, visualizer: Any = None) -> SearchResult:
        """Learn, or go on, and write ``learned.csv``, ``log.json``, ``best.json`` and the files that it names.

        Args:
            objective: measures the models of the front.
            identity: digest of all that the study depends on.
            folder: for the files.
            visualizer: used at the end only, if it can ``draw``.
        """
        from chop.tools.atomic_write import atomic_write
        from chop.training.learning.files import history_csv
        from chop.training.learning.learn import finished, run

        learning, self._ready = self._ready or self._learning(objective), None
        run(learning, folder / f"learned-{identity}.mz")
        atomic_write(folder / "learned.csv", history_csv(learning.position.history))
        models = finished(learning, list(learning.front))
        outcomes = [self._outcome(objective, found, folder) for found in models]
        about = about_study("learned", self.seed, objective.context.subject)
        with quiet_optuna():
            study = filled_study(
                folder / JOURNAL_NAME,
                f"search-{identity}",
                objective,
                about,
                lambda there: [_trial(outcome) for outcome in outcomes[there:]],
            )
        leave_results(study, folder, visualizer, objective, ended=True)
        return SearchResult(study, study.study_name, best_entries(study), folder, folder / JOURNAL_NAME)

    def _learning(self, objective: Objective) -> Learning:
        from chop.training.learning.learn import stages_of, start

        setup, context = self.setup, objective.context
        return start(
            context.graph,
            context.data_module,
            stages_of(setup.targets, setup.cost, setup.prices),
            setup.cost,
            self.space.flattened_indexes_to_config({}),
            setup.recipe(self.seed),
            None,
        )

    def _outcome(self, objective: Objective, found: LearnedModel, folder: Path) -> Any:
        from chop.training.learning.files import formats_file

        named, formats = formats_file(found.config, folder)
        config = read_named_arrays(named, folder)
        outcome = objective.measure_trained(config, found.weights)
        objective.weights.write(outcome.user_attributes())
        return dataclasses.replace(outcome, config=named, formats=formats)


def _trial(outcome: Outcome) -> Any:
    from optuna.trial import create_trial

    return create_trial(
        values=outcome.values,
        user_attrs=outcome.user_attributes(),
        constraints=outcome.excesses or None,
    )
