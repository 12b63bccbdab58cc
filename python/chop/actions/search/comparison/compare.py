"""``ch search --compare random,tpe,…``: the same search with several samplers and seeds, and the regret of each."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.comparison import curves
from chop.actions.search.comparison.picture import regret_files
from chop.actions.search.comparison.result import SamplerComparison
from chop.actions.search.comparison.truth import Truth, swept
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from torch import nn

    from chop.actions.search.config import SearchConfig
    from chop.actions.search.objective import Objective
    from chop.ir.graph.mase_graph import MaseGraph

logger = get_logger(__name__)


def compare_samplers(
    model: nn.Module | MaseGraph,
    model_info: Any,
    task: str,
    dataset_info: Any,
    data_module: Any,
    search_config: Mapping[str, Any] | str | os.PathLike[str],
    save_path: str | os.PathLike[str],
    samplers: Sequence[str],
    seeds: int = 10,
    seed: int = 0,
    validate_only: bool = False,
) -> SamplerComparison | None:
    """Run the search of a config with several samplers and seeds, in memory, and compare them with the optimum.

    The optimum is that of the whole space where it can be swept, else the best that any run has seen; the result says
    which. Every run measures for itself, so that seconds can be compared. Runs take turns (all samplers with the first
    seed, then with the second, …): an interrupted comparison leaves whole runs, as many of each sampler.

    Args:
        model, model_info, task, dataset_info, data_module, search_config: as of ``chop.actions.search``; the
            config's strategy must be ``optuna``, whose ``n_trials`` each run gets.
        save_path: folder for ``regret.csv``, ``regret_summary.csv`` and ``regret.png`` and ``.svg``.
        samplers: their names. The config's sampler options count for the config's sampler only.
        seeds: runs of each sampler; their seeds are ``seed``, ``seed + 1``, …
        seed: the first of them.
        validate_only: check everything, run nothing, write nothing, return None.

    Raises:
        ConfigError: a bad config, a sampler named twice, fewer than 1 seed.
        UnknownNameError: an unknown sampler, or anything unknown in the config.
        KeyboardInterrupt: Ctrl-C; the files of what was finished are written.
    """
    from chop.actions.search.preparing import graph_of, prepare, space_of, table_of, threads_of
    from chop.actions.search.schema import parse_search_config

    config = parse_search_config(table_of(search_config))
    _check(config, samplers, seeds)
    graph = graph_of(model, None, "mz")
    space = space_of(config, graph)
    runs = _Runs(config, space, samplers, seeds, seed)
    about = {"model_info": model_info, "task": task, "dataset_info": dataset_info, "data_module": data_module}
    objective, _ = prepare(config, space, graph, about, seed, threads_of(config.strategy.setup))
    runs.check(objective)
    if validate_only:
        return None
    try:
        runs.run(objective)
    except KeyboardInterrupt:
        if runs.studies:
            _finish(runs, objective, Path(save_path), sweeping=False)
        raise
    found = _finish(runs, objective, Path(save_path))
    write_line(repr(found))
    write_line(f"Results: {save_path} ({', '.join(path.name for path in found.files)})")
    return found


def _check(config: SearchConfig, samplers: Sequence[str], seeds: int) -> None:
    if config.strategy.name != "optuna":
        raise ConfigError(
            f"search.strategy.name must be 'optuna' to compare samplers, got {config.strategy.name!r}: "
            "its n_trials are those of each run"
        )
    if not samplers or not all(samplers):
        raise ConfigError(
            "compare must name samplers, separated by commas, such as random,tpe,nsgaii,brute-force"
        )
    plain = [name.lower().replace("_", "-") for name in samplers]
    if twice := next((name for name in plain if plain.count(name) > 1), None):
        raise ConfigError(f"compare names the sampler {twice!r} twice")
    if seeds < 1:
        raise ConfigError(f"seeds must be at least 1, got {seeds}")


class _Runs:
    """All runs, in the order in which they take turns; each is checked before the first one starts."""

    def __init__(
        self, config: SearchConfig, space: Any, samplers: Sequence[str], seeds: int, seed: int
    ) -> None:
        from chop.actions.search.strategies.optuna import SearchStrategyOptuna

        self.setup = config.strategy.setup
        self.plan = [
            (name, number, SearchStrategyOptuna(_setup_for(self.setup, name), space, number))
            for number, name in itertools.product(range(seed, seed + seeds), samplers)
        ]
        self.studies: list[tuple[str, int, Any]] = []

    def check(self, objective: Objective) -> None:
        """Raise ``ConfigError`` where a sampler cannot take so many objectives."""
        for _, _, strategy in self.plan:
            strategy.check(objective)

    def run(self, objective: Objective) -> None:
        """Run what is not done."""
        from tqdm.auto import tqdm

        objective.fresh().measure(
            dict.fromkeys(objective.space.choice_lengths_flattened, 0), 0
        )  # what is made once, such as grids of weights, is nobody's time
        interval = 0.1 if sys.stderr.isatty() else 10.0
        with tqdm(self.plan, desc="Samplers", unit="run", mininterval=interval) as bar:
            for name, number, strategy in bar:
                bar.set_postfix_str(f"{name}, seed {number}", refresh=False)
                study = strategy.run_in_memory(objective.fresh(), f"{name}-{number}")
                self.studies.append((name, number, study))


def _setup_for(setup: Any, name: str) -> Any:
    """The config's set-up with another sampler; options belong to the one that they were given for."""
    changed: dict[str, Any] = {"storage": None, "study_name": None}
    if name.lower().replace("_", "-") != setup.sampler.lower().replace("_", "-"):
        changed |= {"sampler": name, "sampler_options": {}, "multivariate": None, "constant_liar": None}
    return setup.model_copy(update=changed)


def _finish(runs: _Runs, objective: Objective, folder: Path, sweeping: bool = True) -> SamplerComparison:
    """Measure the runs against the optimum, and write the files."""
    import pandas as pd

    scales = {name: table.scale or 1.0 for name, table in objective.metrics.items()}
    if objective.sum_scaled_metrics:
        scales = {"sum": 1.0}
    names = list(scales)
    directions = [way.name.lower() for way in runs.studies[0][2].directions]
    values = [curves.values_of(study) for _, _, study in runs.studies]
    truth = _truth(objective, directions, values, sweeping)
    parts = []
    for (sampler, number, study), found in zip(runs.studies, values, strict=True):
        columns = {"sampler": sampler, "seed": number, "seconds": curves.seconds_of(study)}
        parts.append(pd.DataFrame({**columns, **curves.curve(found, names, truth)}))
        for name, scale in scales.items():  # as measured
            parts[-1][[name, f"best_{name}"]] /= scale
        if len(names) == 1:  # of several objectives it has no unit
            parts[-1]["distance"] /= abs(scales[names[0]])
    frame = pd.concat(parts, ignore_index=True)
    table = curves.summary(frame, runs.setup.n_trials)
    made = SamplerComparison(frame, table, truth, tuple(names), tuple(scales.values()))
    return dataclasses.replace(made, files=tuple(_write(made, folder)))


def _truth(
    objective: Objective, directions: Sequence[str], values: Sequence[np.ndarray], sweeping: bool
) -> Truth:
    seen = np.concatenate(values)
    if not np.isfinite(seen).all(axis=1).any():
        raise RuntimeError("no trial of any sampler gave a result: there is nothing to compare")
    found = swept(objective, directions) if sweeping else "it was interrupted"
    if isinstance(found, Truth):
        return found
    logger.warning(
        "compare: the optimum is the best that any run has seen, the space was not swept: %s", found
    )
    return Truth.of(seen, directions, f"the best of all runs (not the whole space: {found})")


def _write(found: SamplerComparison, folder: Path) -> list[Path]:
    files = [
        atomic_write(folder / "regret.csv", found.frame.to_csv(index=False)),
        atomic_write(folder / "regret_summary.csv", found.summary.to_csv(index=False)),
    ]
    return files + regret_files(found, folder)
