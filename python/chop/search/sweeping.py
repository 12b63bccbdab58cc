"""The sweep: every configuration of a space, walked in the core."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from chop.pool import Pool, Recipe, Source, ThisProcess
from chop.search.configurations import Space, as_space, size_of
from chop.search.front import Front
from chop.search.parts import Part, Parts, StoredParts
from chop.search.report import SweepReport
from chop.search.walk import Walk
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.evaluator import Evaluator

logger = get_logger(__name__)

STANDARD: Mapping[str, str] = {"accuracy": "maximize", "average_bitwidth": "minimize"}
MOST_IN_MEMORY = 2 << 30  # bytes


@overload
def sweep(
    ev: Evaluator,
    space: Space,
    objectives: Mapping[str, str] = ...,
    prune: bool = ...,
    threads: int | None = ...,
    limit: int | None = ...,
    path: str | os.PathLike[str] | None = ...,
    dry_run: Literal[False] = ...,
    constraints: Mapping[str, Mapping[str, float]] | None = ...,
    part: int | None = ...,
    pool: Pool | None = ...,
    source: Source | None = ...,
) -> SweepReport: ...
@overload
def sweep(
    ev: Evaluator,
    space: Space,
    objectives: Mapping[str, str] = ...,
    prune: bool = ...,
    threads: int | None = ...,
    limit: int | None = ...,
    path: str | os.PathLike[str] | None = ...,
    dry_run: bool = ...,
    constraints: Mapping[str, Mapping[str, float]] | None = ...,
    part: int | None = ...,
    pool: Pool | None = ...,
    source: Source | None = ...,
) -> SweepReport | None: ...
def sweep(
    ev: Evaluator,
    space: Space,
    objectives: Mapping[str, str] = STANDARD,
    prune: bool = True,
    threads: int | None = None,
    limit: int | None = None,
    path: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    constraints: Mapping[str, Mapping[str, float]] | None = None,
    part: int | None = None,
    pool: Pool | None = None,
    source: Source | None = None,
) -> SweepReport | None:
    """Evaluate every configuration of a space, and return all results and the exact Pareto front.

    The values are those of :meth:`Evaluator.evaluate` and ``chop.cost``, bit for bit. They, what is pruned and the
    files are the same for any number of threads and workers, in any order and after any stop. The GIL is released.
    Neighbours in the space share the work of the layers that they have in common, and configurations that mean the same
    are measured once.

    Args:
        ev: model and data.
        space: a ``[search.search_space]`` table as read from TOML, or a list of configs.
        objectives: name of a native metric (``chop.metrics``) or of a cost model (``chop.cost``, of one row of data) ->
            "maximize" or "minimize".
        prune: drop a configuration when the rows seen so far prove that a finished one of its part, or one of 128 from
            everywhere, is better: even if all other rows were right (and without loss) it would be dominated. The front
            is the same; dropped ones have no measured values. It needs ``accuracy`` or ``accuracy_micro`` to maximize
            or ``loss`` to minimize, and no other metric.
        threads: of the core; None: all processors.
        limit: refuse a space with more configurations than that.
        path: folder for the results, in parts. The same call continues what was stopped. Without it they stay in
            memory.
        dry_run: print how many configurations, seconds and bytes it would be, and return None.
        constraints: name of a metric or cost model -> ``{"min": bound}``, ``{"max": bound}`` or both. The front is
            that of the configurations that keep all of them; the results hold the others too. Nothing is pruned
            where a bound is on something that is not optimised in its direction: a configuration that breaks it may
            then dominate one that does not.
        part: configurations of a part, which is measured, pruned and kept by itself; None: about a second's work.
        pool: where the parts are measured; None: in this process.
        source: for a pool of workers, what each builds ``(ev, space)`` with.

    Raises:
        ConfigError: a bad space, config or objective, a space above ``limit`` or too large for memory, or a ``path``
            with another sweep.
        UnknownNameError: an unknown objective or arithmetic.

    >>> import torch
    >>> from torch import nn
    >>> from chop import Evaluator
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.3]]))
    >>> ev = Evaluator(nn.Sequential(layer), torch.eye(2), torch.tensor([0, 1]))
    >>> widths = {"data_in_width": [8], "data_in_frac_width": [4], "weight_width": [2, 4, 8],
    ...           "weight_frac_width": [0, 2]}
    >>> seed = {"default": {"config": {"name": ["integer"], **widths, "bias_width": [8], "bias_frac_width": [4]}}}
    >>> found = sweep(ev, {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "name"}, "seed": seed})
    >>> found.configurations, [(entry["accuracy"], entry["average_bitwidth"]) for entry in found.front]
    (6, [(1.0, 2.0)])
    """
    chosen = as_space(ev, space)
    size = size_of(chosen)
    if limit is not None and size > limit:
        raise ConfigError(f"sweep: the space has {size:,} configurations, more than the limit of {limit:,}")
    walk = Walk(ev, chosen, objectives, prune, constraints or {}, part)
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    walk.use(threads)
    estimate = walk.estimate()
    if dry_run:
        write_line(estimate)
        return None
    logger.info("%s", estimate)
    # What is pruned within a part may not depend on threads: each part is walked by one.
    own = ThisProcess(threads if walk.prune else 1)
    walk.use(1 if walk.prune else threads)
    options = {"of": None if source is None else [source.function, source.options], **walk.given}
    build = Source("chop.search.sweeping:resident", options)
    recipe = Recipe(walk, build if source is not None else None, walk.identity(), walk.halt)
    return run_parts(walk, None if path is None else Path(path), pool or own, recipe, threads)


def resident(options: Mapping[str, Any]) -> tuple[Walk, str]:
    """Build the walk of a worker, and say what its results depend on."""
    ev, space = Source(*options["of"]).call()
    given = [options[name] for name in ("objectives", "prune", "constraints", "part")]
    walk = Walk(ev, as_space(ev, space), *given)
    return walk, walk.identity()


def measure_part(walk: Walk, index: int) -> Part:
    """Measure a part, as any pool has it done."""
    return walk.part(index)


def run_parts(walk: Walk, folder: Path | None, pool: Pool, recipe: Recipe, threads: int) -> SweepReport:
    """Measure the parts that are missing, and report on all."""
    start = time.perf_counter()
    if folder is None and walk.bytes > MOST_IN_MEMORY:
        raise ConfigError(
            f"sweep: {walk.bytes:,} bytes of results do not stay in memory: give a path, a folder"
        )
    parts = (
        Parts(walk.distinct, walk.size)
        if folder is None
        else StoredParts(folder, walk.distinct, walk.described(), walk.size)
    )
    missing = [index for index, _, _ in parts.ranges() if parts.get(index) is None]
    with closing(pool.run(measure_part, recipe, missing)) as measured, _bar(pool, parts, missing) as shown:
        for index, part in measured:
            parts.put(index, part)
            shown.set_postfix_str(pool.words(), refresh=False)
            shown.update(len(part[1]))
    front, pruned = Front(walk.objectives, walk.bounds), 0
    for index, first, _ in parts.ranges():
        kept = parts.get(index)
        assert kept is not None
        front.add(first, kept)
        pruned += int(kept[1].sum())
    report = SweepReport(
        dict(list(zip(walk.objectives.names, walk.objectives.directions, strict=True))[: front.count]),
        _entries(walk, front),
        walk.all_of.count,
        walk.distinct - pruned,
        pruned,
        walk.all_of.count - walk.distinct,
        walk.ev.rows,
        time.perf_counter() - start,
        threads,
        walk.bounds.given,
        tuple(walk.objectives.names),
        walk.all_of,
        parts,
    )
    logger.info("%s", report._title())
    return report


def _bar(pool: Pool, parts: Parts, missing: list[int]) -> Any:
    """A bar of configurations where workers measure them; here the estimate says enough."""
    from tqdm.auto import tqdm

    left = sum(parts.range_of(index)[1] for index in missing)
    done = parts.count - left
    return tqdm(
        total=parts.count, initial=done, desc="Sweep", unit="trial", unit_scale=True, disable=not pool.remote
    )


def _entries(walk: Walk, front: Front) -> list[dict[str, Any]]:
    sign = -1.0 if walk.objectives.directions[0] == "maximize" else 1.0
    order = np.argsort(sign * front.values[:, 0], kind="stable")
    numbers = walk.all_of.numbers(front.positions[order])
    return [
        {**dict(zip(walk.objectives.names, row, strict=True)), "config": walk.all_of.config(number)}
        for row, number in zip(front.values[order].tolist(), numbers.tolist(), strict=True)
    ]
