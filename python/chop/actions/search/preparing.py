"""What a search needs before its strategy runs, built alike in the command and in its workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chop.pool import Source

if TYPE_CHECKING:
    from chop.actions.search.config import SearchConfig
    from chop.actions.search.objective import Objective
    from chop.ir.graph.mase_graph import MaseGraph


def table_of(search_config: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the table of a search, read from its file where it is a path."""
    if isinstance(search_config, (str, os.PathLike)):
        from chop.tools.config_load import load_config

        return load_config(search_config)
    return search_config


def graph_of(model: Any, load_name: str | None = None, load_type: str | None = None) -> MaseGraph:
    """Return the float graph of a model, with the weights of a checkpoint where one is named."""
    from chop.ir.graph.mase_graph import MaseGraph

    if load_name is not None:
        from chop.actions.transform import load_float

        model = load_float(load_name, load_type, model.model if isinstance(model, MaseGraph) else model)
    return model if isinstance(model, MaseGraph) else MaseGraph(model)


def space_of(config: SearchConfig, graph: MaseGraph) -> Any:
    """Return the search space of a config for a graph."""
    from chop.actions.search.search_space import SEARCH_SPACES

    own = config.search_space
    return SEARCH_SPACES[own.name](graph, own.setup, own.seed)


def prepare(
    config: SearchConfig,
    space: Any,
    graph: MaseGraph,
    about: Mapping[str, Any],
    seed: int,
    threads: int,
) -> tuple[Objective, str]:
    """Build runners and objective on the data; what they refuse is refused before the first trial.

    Args:
        config: of the search.
        space, graph: of the trials, and of the float model.
        about: ``model_info``, ``task``, ``dataset_info`` and ``data_module``.
        seed: of the study.
        threads: of the core.

    Returns:
        The objective, and the identity of the study.
    """
    from chop.actions.search.context import SearchContext
    from chop.actions.search.journal.identity import study_identity
    from chop.actions.search.objective import Objective

    module, info = about["data_module"], about.get("dataset_info")
    context = SearchContext(
        graph, module, about.get("model_info"), info, about.get("task", "cls"), threads, seed=seed
    )
    summed = getattr(config.strategy.setup, "sum_scaled_metrics", False)
    objective = Objective(space, context, config.strategy, summed)
    return objective, study_identity(config, context, seed)


def threads_of(setup: Any) -> int:
    """Threads of the core that a set-up asks for: all that this process may use, where it names none."""
    jobs = int(getattr(setup, "n_jobs", 1))
    if jobs > 0:
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resident_objective(options: Mapping[str, Any]) -> tuple[Objective, str]:
    """Build the objective of a worker from names and plain data.

    Args:
        options: ``of``, a :class:`chop.pool.Source` of the arguments of :func:`chop.actions.search.search` that are
            objects, ``search``, its table, and ``seed``, ``load_name`` and ``load_type``.
    """
    from pathlib import Path

    from chop.actions.search.schema import parse_search_config

    about = Source(*options["of"]).call()
    config = parse_search_config(options["search"])
    graph = graph_of(about["model"], options["load_name"], options["load_type"])
    objective, identity = prepare(config, space_of(config, graph), graph, about, int(options["seed"]), 1)
    objective.weights.folder = Path()  # so that they are held; the command writes them
    return objective, identity


def resident_evaluator(options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Build what a worker sweeps, evaluator and space; ``options`` as :func:`resident_objective` takes them."""
    objective, _ = resident_objective(options)
    return objective.context.evaluator, objective.space
