"""The search itself: check everything, build what a trial needs, run the strategy, print the best trials."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.actions.search.preparing import graph_of, prepare, space_of, table_of, threads_of
from chop.pool import Pool, Source, open_pool
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from torch import nn

    from chop.actions.search.config import SearchConfig
    from chop.actions.search.crew import Crew
    from chop.actions.search.results import SearchResult
    from chop.ir.graph.mase_graph import MaseGraph

logger = get_logger(__name__)


def search(
    model: nn.Module | MaseGraph,
    model_info: Any,
    task: str,
    dataset_info: Any,
    data_module: Any,
    search_config: Mapping[str, Any] | str | os.PathLike[str],
    save_path: str | os.PathLike[str] | None,
    accelerator: str = "auto",
    load_name: str | None = None,
    load_type: str | None = None,
    visualizer: Any = None,
    seed: int = 0,
    validate_only: bool = False,
    storage: str | None = None,
    study_name: str | None = None,
    workers: int = 0,
    cluster: str | None = None,
    source: Source | None = None,
    dry_run: bool = False,
    options: Mapping[str, Any] | None = None,
) -> SearchResult | None:
    """Search a space of quantization configs and leave the study in ``save_path``.

    Source: MASE's action of that name, its TOML tables and its files.

    Args:
        model: a float module or its graph; it is not changed.
        model_info, task, dataset_info: as the other actions take them.
        data_module: a ``MaseDataModule``, or any data module with ``batch_size`` and ``*_dataloader``
            methods.
        search_config: path of a TOML file, the whole document, or its ``[search]`` table.
        save_path: folder for ``study_journal.log``, ``log.json`` and ``best.json``. A study that is there
            and has the same config, weights, rows and seed is continued up to ``n_trials`` in all; any other
            is left as it is. None: nothing is written, for a study with storage "memory".
        accelerator: taken for compatibility; the evaluator runs on the CPU.
        load_name, load_type: a checkpoint to load into the model first; its type is found in the file where it is None.
        visualizer: an object with ``log_metrics(metrics, step)``; it receives the scaled metrics of each
            trial. ``chop.plotting.live_front()`` is one: in a notebook it draws a front that grows. One with a method
            ``draw(study)`` is asked for it at the end.
        seed: same seed, same study, whatever the number of threads.
        validate_only: build all that a trial needs and check it, run no trial, write nothing, return None.
        storage, study_name: over the keys of ``search.strategy.setup``: a URL, and the study's name.
        workers: processes to start on this machine and to end; 0: this one does the work.
        cluster: address or scheduler file of a Dask cluster that does the work.
        source: for workers: a function by its name, and plain data for it, which returns a mapping with ``model``,
            ``model_info``, ``task``, ``dataset_info`` and ``data_module``.
        dry_run: print how many configurations, seconds and bytes the strategy ``exhaustive`` would take, run no
            trial, write nothing, return None.
        options: keys of a TOML file that name model and data, for the configs that a report of the study shows.

    Returns:
        The study and its best trials.

    Raises:
        ConfigError: anything in the config that cannot be used; nothing has been written then.
        UnknownNameError: an unknown space, strategy, runner, sampler, metric or arithmetic.
    """
    from chop.actions.search.completion import with_setup
    from chop.actions.search.schema import parse_search_config
    from chop.actions.search.strategies import STRATEGIES

    pool = open_pool(workers, cluster)
    setup_keys = {"storage": storage, "study_name": study_name}
    table = with_setup(table_of(search_config), setup_keys)
    config = parse_search_config(table)
    graph = graph_of(model, load_name, load_type)
    space = space_of(config, graph)
    strategy = STRATEGIES[config.strategy.name](config.strategy.setup, space, seed)
    _check_pool(strategy, config.strategy.name, pool, source)
    if save_path is None and not getattr(strategy, "in_memory", False):
        raise ConfigError('save_path may be None only with the strategy optuna and storage = "memory"')
    about = {"model_info": model_info, "task": task, "dataset_info": dataset_info, "data_module": data_module}
    objective, identity = prepare(config, space, graph, about, seed, threads_of(config.strategy.setup))
    objective.weights.folder = Path(save_path) if save_path is not None else None
    if hasattr(strategy, "check"):
        strategy.check(objective)
    if dry_run and not validate_only:
        _estimate(strategy, config.strategy.name, objective)
    if validate_only or dry_run:
        return None
    _tell(config, space, objective)
    _describe(objective, options)
    folder = Path(save_path) if save_path is not None else None
    with pool:
        if pool.remote and source is not None:
            strategy.crew = _crew(pool, source, table, seed, load_name, load_type)  # type: ignore[attr-defined]
        result = strategy.run(objective, identity, folder, visualizer)  # type: ignore[arg-type]
    result = dataclasses.replace(result, float_metrics=objective.float_figures())
    if config.strategy.picture:
        _draw(result)
    _report(result)
    return result


def _draw(result: SearchResult) -> None:
    """The front of several metrics, or the best so far of one, beside ``best.json``."""
    from chop.actions.pictures import save_picture

    if result.folder is None or not result.best:
        return
    is_front = len(result.study.directions) > 1
    kind = "pareto_front" if is_front else "best_so_far"
    path = result.folder / ("front.png" if is_front else "best_so_far.png")
    floats = {"floats": result.float_metrics} if is_front else {}
    if save_picture(kind, result, path, **floats):
        logger.info("picture: %s", path)
    else:
        logger.warning("no %s: matplotlib is not installed (pip install matplotlib)", path.name)


def check_search_table(graph: MaseGraph, search_config: Mapping[str, Any]) -> None:
    """Check a ``[search]`` table that is not to be run against a graph: no data, no storage is looked at.

    Raises:
        ConfigError, UnknownNameError: as :func:`search`.
    """
    from chop.actions.search.schema import parse_search_config
    from chop.actions.search.strategies import STRATEGIES

    config = parse_search_config(search_config)
    setup = config.strategy.setup
    if getattr(setup, "storage", None) is not None:
        setup = setup.model_copy(update={"storage": None})
    STRATEGIES[config.strategy.name](setup, space_of(config, graph), 0)


def _crew(
    pool: Pool,
    source: Source,
    table: Mapping[str, Any],
    seed: int,
    load_name: str | None,
    load_type: str | None,
) -> Crew:
    """Who does the work, and what it needs to know."""
    from chop.actions.search.crew import Crew

    plain = {
        "search": table.get("search", table),
        "seed": seed,
        "load_name": load_name,
        "load_type": load_type,
    }
    return Crew(pool, {"of": [source.function, source.options], **plain})


def _check_pool(strategy: Any, name: str, pool: Pool, source: Source | None) -> None:
    if not pool.remote:
        return
    if not hasattr(strategy, "crew"):
        raise ConfigError(
            f"search.strategy.name: {name!r} runs in one process; leave --workers and --cluster out"
        )
    if source is None:
        raise ConfigError("workers and cluster need source: what builds model and data in a worker")
    if getattr(strategy, "in_memory", False):
        raise ConfigError("storage 'memory' is for one process; leave --workers and --cluster out")


def _estimate(strategy: Any, name: str, objective: Any) -> None:
    if not hasattr(strategy, "estimate"):
        raise ConfigError(f"search.strategy.name: {name!r} gives no estimate; a dry run is for 'exhaustive'")
    strategy.estimate(objective)


def _tell(config: SearchConfig, space: Any, objective: Any) -> None:
    """Log what the user may have meant otherwise."""
    _tell_what_is_left_out(config)
    _warn_of_unused_keys(space)
    _warn_of_opposing_directions(objective, getattr(config.strategy.setup, "direction", None))


def _tell_what_is_left_out(config: SearchConfig) -> None:
    strategy = config.strategy
    for other, keys in strategy.ignored.items():
        logger.info(
            "search.strategy.setup: %s of the strategy %s: no use for %s",
            ", ".join(keys),
            other,
            strategy.name,
        )


def _warn_of_unused_keys(space: Any) -> None:
    keys = ", ".join(repr(key) for key in getattr(space, "unused_keys", ()))
    if keys:
        logger.warning("search.search_space.seed: no node of the model takes its choices from %s", keys)


def _warn_of_opposing_directions(objective: Any, direction: str | None) -> None:
    if not objective.sum_scaled_metrics:
        return
    for (name, table), own in zip(objective.metrics.items(), objective.directions, strict=True):
        if own != direction and table.scale > 0:
            logger.warning(
                "search.strategy.metrics.%s: better is to %s it, but the sum is %sd and its scale is %g; "
                "a negative scale would turn it round",
                name, own, direction, table.scale,
            )  # fmt: skip


def _describe(objective: Any, options: Mapping[str, Any] | None) -> None:
    """Log the float model's figures, and keep with the rest that the study is about."""
    from chop.actions.search.subject import subject_of

    found = objective.float_metrics()
    if found:
        logger.info("float model: %s", ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    objective.context.subject = subject_of(objective, found, options)


def _why_no_best(result: SearchResult) -> str:
    from optuna.trial import TrialState

    from chop.actions.search.constraints import closest_text

    completed = result.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not completed:
        return f"no trial of study {result.study_name} was completed: there is no best trial"
    return (
        f"no trial of study {result.study_name} keeps the constraints: there is no best trial; "
        f"{closest_text(completed)}"
    )


def _report(result: SearchResult) -> None:
    from chop.actions.search.best_table import best_text

    if not result.best:
        logger.warning("%s", _why_no_best(result))
    write_line(best_text(result.best, result.float_metrics))
    if result.folder is None:
        return
    where = result.journal.name if result.journal is not None else result.storage
    write_line(f"Results: {result.folder} (log.json, best.json; study {result.study_name} in {where})")
