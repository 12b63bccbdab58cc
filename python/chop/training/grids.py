"""A grid of training runs: every combination of some options, several times, many runs at once."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from chop.ir.graph.tracing import TRACING
from chop.pool import Recipe, Source, open_pool
from chop.tools.errors import ConfigError
from chop.training.axes import check_axes, points
from chop.training.data import TrainingData, digest_of
from chop.training.engines import AUTO, choose
from chop.training.fitting import fit
from chop.training.grid_table import GridTable
from chop.training.order import derive_seed
from chop.training.plan import Job, Plan
from chop.training.trainer_args import TrainerArgs

_LIMITS = ("max_epochs", "gradient_clip_val")  # axes that are part of the trainer's arguments


@dataclasses.dataclass(frozen=True)
class GridResult:
    """What a grid came to.

    Attributes:
        rows: one a run: the varied options, repeat, seed, val_acc and val_loss of the last epoch (macro), train_acc and
            train_loss as means over it, seconds_an_epoch, epochs, engine, and failure (why there are no figures).
        summary: one a combination: runs, failed, and mean and sample standard deviation of each figure.
        engine: which trained them.
    """

    rows: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    engine: str


def grid(
    model: nn.Module | Callable[[], nn.Module],
    data: Any,
    axes: Mapping[str, Sequence[Any]],
    *,
    classes: int,
    repeats: int = 1,
    workers: int = 0,
    cluster: str | None = None,
    source: Source | None = None,
    seed: int = 0,
    engine: str = AUTO,
    trainer_args: Mapping[str, Any] | TrainerArgs | None = None,
    save_path: str | os.PathLike[str] | None = None,
    bar: bool = True,
    model_info: Any = None,
    validate_only: bool = False,
    **options: Any,
) -> GridResult:
    """Train every combination of the axes' values ``repeats`` times.

    A run's figures depend on its combination, the repeat and the seed alone: the number of workers, and whether the
    grid was stopped (or killed) and started again, change nothing but the seconds. Workers of a cluster write nothing.

    Args:
        model: a function that builds the model (its random weights are those of the run's seed), or a module that every
            run starts from.
        data: a data module, or ``{"train": (x, y), "val": (x, y)}``.
        axes: option -> values; see ``chop.training.axes.AXES``.
        classes: number of labels.
        repeats: runs of each combination; the seed of one is derived from (seed, repeat).
        workers: runs at once on engine native (0: one a core), in threads; Lightning trains one after the other.
        cluster: address or scheduler file of a Dask cluster that trains instead.
        source: for a cluster: a function by its name, and plain data for it, which returns a mapping with ``model``,
            ``data`` and ``model_info``.
        engine: as of :func:`fit`.
        trainer_args, options: what the axes leave as it is; see :func:`fit`.
        save_path: folder for ``grid.csv`` and ``grid_summary.csv``, which are whole after every run; the same grid
            again goes on where they end.
        validate_only: check everything, train and write nothing; the result has no rows.

    Raises:
        ConfigError: an axis or a value that is not allowed, or a folder with a grid of other settings.

    >>> x = torch.randn(64, 4)
    >>> rows = x, (x[:, 0] > 0).long()
    >>> found = grid(lambda: nn.Sequential(nn.Linear(4, 2)), {"train": rows, "val": rows},
    ...              {"learning_rate": [1e-3, 1e-1]}, classes=2, repeats=2, batch_size=16, engine="native", bar=False,
    ...              trainer_args={"max_epochs": 1, "accelerator": "cpu"})
    >>> [(line["learning_rate"], line["runs"]) for line in found.summary]
    [(0.001, 2), (0.1, 2)]
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ConfigError(f"repeats must be an integer of at least 1, got {repeats!r}")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise ConfigError(f"workers must be an integer of at least 0, got {workers!r}")
    if cluster is not None and source is None:
        raise ConfigError("cluster needs source: what builds model and data in a worker")
    checked = check_axes(axes)
    limits = trainer_args if isinstance(trainer_args, TrainerArgs) else TrainerArgs.parse(trainer_args)
    runs = _Runs(model, data, checked, limits, classes, seed, engine, model_info, options, not validate_only)
    if validate_only:
        return GridResult([], [], runs.engine)
    table = GridTable(None if save_path is None else Path(save_path), list(checked), runs.settings())
    wanted = [(point, repeat) for point in points(checked) for repeat in range(repeats)]
    order = [table.key(point, repeat) for point, repeat in wanted]
    missing = [run for run, key in zip(wanted, order, strict=True) if key not in table]
    jobs = (workers or os.cpu_count() or 1) if runs.engine == "native" else 1
    began, total = len(wanted) - len(missing), len(wanted)
    with (
        open_pool(cluster=cluster, threads=jobs) as pool,
        closing(pool.run(run_one, runs.recipe(source), missing)) as rows,
        tqdm(total=total, initial=began, desc="Grid", unit="run", disable=not bar) as shown,
    ):
        for _, row in rows:
            table.add(row, order)
            shown.set_postfix_str(pool.words(), refresh=False)
            shown.update()
    table.write(order)
    return GridResult(table.rows(), table.summary(), runs.engine)


def run_one(runs: _Runs, run: tuple[dict[str, Any], int]) -> dict[str, Any]:
    """Do one run, as any pool has it done."""
    return runs.run(*run)


def resident(options: Mapping[str, Any]) -> tuple[_Runs, str]:
    """Build what a worker trains, and say what its rows depend on."""
    found = Source(*options["of"]).call()
    limits = TrainerArgs(**options["limits"] | {"device": torch.device(options["limits"]["device"])})
    classes, seed, engine = (options[name] for name in ("classes", "seed", "engine"))
    info, further = found.get("model_info"), options["options"]
    runs = _Runs(
        found["model"], found["data"], options["axes"], limits, classes, seed, engine, info, further, False
    )
    return runs, runs.recipe(None).identity


class _Runs:
    # What the runs have in common, and how one is done.

    def __init__(
        self,
        model: nn.Module | Callable[[], nn.Module],
        data: Any,
        axes: Mapping[str, Sequence[Any]],
        limits: TrainerArgs,
        classes: int,
        seed: int,
        engine: str,
        model_info: Any,
        options: Mapping[str, Any],
        tell: bool,
    ) -> None:
        self._model, self._data, self._limits, self._classes = model, data, limits, classes
        self._seed, self._info, self._options = seed, model_info, dict(options)
        self._axes, self._values = tuple(axes), axes
        self._halt = threading.Event()
        for point in points(axes):
            self._plan(point, 0)  # a value that no run could have is refused before the first one
        first = next(points(axes))
        job = Job(self._build(0), self._plan(first, 0), TrainingData(data, self._batch_size(first)), bar=tell)
        self.engine = choose(engine, job).name
        self._first = job

    def settings(self) -> dict[str, Any]:
        """What a grid that goes on must have in common with its beginning."""
        plan = self._first.plan.identity()
        common = {key: value for key, value in plan.items() if key not in (*self._axes, "seed")}
        return {
            **common,
            "seed": self._seed,
            "engine": self.engine,
            "early_stopping_patience": self._limits.early_stopping_patience,
            "model": digest_of(self._first.model.state_dict().values(), repr(self._first.model)),
            "rows": self._first.data.digest(),
        }

    def recipe(self, source: Source | None) -> Recipe:
        """What a worker needs to do runs of this grid."""
        settings = json.dumps(self.settings(), sort_keys=True, default=str)
        identity = hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
        if source is None:
            return Recipe(self, None, identity, self._halt)
        options = {
            "of": [source.function, source.options], "axes": {name: list(v) for name, v in self._values.items()},
            "limits": dataclasses.asdict(self._limits) | {"device": str(self._limits.device)},
            "classes": self._classes, "seed": self._seed, "engine": self.engine, "options": self._options,
        }  # fmt: skip
        return Recipe(self, Source("chop.training.grids:resident", options), identity, self._halt)

    def run(self, point: dict[str, Any], repeat: int) -> dict[str, Any]:
        """Train once, and return the row; a run that diverges is one too."""
        seed = derive_seed(self._seed, repeat)
        row: dict[str, Any] = {**point, "repeat": repeat, "seed": seed, "engine": self.engine}
        model = self._build(repeat)
        began = time.perf_counter()
        try:
            found = fit(
                model,
                self._data,
                classes=self._classes,
                trainer_args=self._limits_of(point),
                engine=self.engine,
                seed=seed,
                bar=False,
                halt=self._halt,
                model_info=self._info,
                **self._options | {key: value for key, value in point.items() if key not in _LIMITS},
            )
        except (RuntimeError, ValueError) as error:
            # A run that diverges, or whose values do not go together, is a row; the others are trained.
            if isinstance(error, RuntimeError) and "training stopped" not in str(error):
                raise
            return {**row, "failure": str(error)}
        return row | {
            "val_acc": found["val_acc_epoch"],
            "val_loss": found["val_loss_epoch"],
            "train_acc": found["train_acc_epoch"],
            "train_loss": found["train_loss_epoch"],
            "seconds_an_epoch": (time.perf_counter() - began) / found["epochs"],
            "epochs": found["epochs"],
        }

    def _build(self, repeat: int) -> nn.Module:
        if isinstance(self._model, nn.Module):
            with TRACING:
                return copy.deepcopy(self._model)
        with TRACING, torch.random.fork_rng(devices=[]):  # one stream for all threads
            torch.default_generator.manual_seed(derive_seed(self._seed, repeat))
            return self._model()

    def _limits_of(self, point: Mapping[str, Any]) -> TrainerArgs:
        changed = {key: point[key] for key in _LIMITS if key in point}
        if changed.get("max_epochs", 1) < 1:
            raise ConfigError(f"grid.max_epochs must be at least 1, got {changed['max_epochs']}")
        if changed.get("gradient_clip_val", 1) <= 0:
            changed["gradient_clip_val"] = None  # no limit, as in TrainerArgs.parse
        return dataclasses.replace(self._limits, **changed)

    def _batch_size(self, point: Mapping[str, Any]) -> int | None:
        size = point.get("batch_size", self._options.get("batch_size"))
        if size is not None and size < 1:
            raise ConfigError(f"grid.batch_size must be at least 1, got {size}")
        return size

    def _plan(self, point: Mapping[str, Any], repeat: int) -> Plan:
        from chop.plt_wrapper.schedules import Schedule, check_schedule

        values = {**self._options, **{key: value for key, value in point.items() if key not in _LIMITS}}
        size = self._batch_size(values) or TrainingData(self._data).batch_size
        values.pop("batch_size", None)
        schedule = Schedule(check_schedule(values.pop("lr_scheduler", "cosine")))
        plan = Plan(self._limits_of(point), size, self._classes, schedule=schedule, seed=repeat, **values)
        plan.make_optimizer(nn.Linear(1, 1))
        return plan
