"""The sweep: every configuration of a space, walked in the core."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch

from chop.search.bounds import Bounds
from chop.search.configurations import Configurations, Space, as_space, size_of
from chop.search.objectives import Objectives
from chop.search.pareto import pareto_front
from chop.search.parts import Part, Parts, StoredParts
from chop.search.report import SweepReport
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.evaluator import Evaluator

logger = get_logger(__name__)

STANDARD: Mapping[str, str] = {"accuracy": "maximize", "average_bitwidth": "minimize"}
STEP = 1024  # configurations a call of the core: Ctrl-C is heard between them
SCOUTS = 128  # configurations from everywhere, whose results the first ones are pruned by
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
) -> SweepReport | None:
    """Evaluate every configuration of a space, and return all results and the exact Pareto front.

    The values are those of :meth:`Evaluator.evaluate` and ``chop.cost``, bit for bit, for any number of threads. The
    GIL is released. Neighbours in the space share the work of the layers that they have in common, and configurations
    that mean the same are measured once.

    Args:
        ev: model and data.
        space: a ``[search.search_space]`` table as read from TOML, or a list of configs.
        objectives: name of a native metric (``chop.metrics``) or of a cost model (``chop.cost``, of one row of data) ->
            "maximize" or "minimize".
        prune: drop a configuration when the rows seen so far prove that a finished one is better: even if all other
            rows were right (and without loss) it would be dominated. The front is the same; dropped ones have no
            measured values. It needs ``accuracy`` or ``accuracy_micro`` to maximize or ``loss`` to minimize, and no
            other metric.
        threads: of the core; None: all processors.
        limit: refuse a space with more configurations than that.
        path: folder for the results, in parts. The same call continues what was stopped. Without it they stay in
            memory.
        dry_run: print how many configurations, seconds and bytes it would be, and return None.
        constraints: name of a metric or cost model -> ``{"min": bound}``, ``{"max": bound}`` or both. The front is
            that of the configurations that keep all of them; the results hold the others too. Nothing is pruned
            where a bound is on something that is not optimised in its direction: a configuration that breaks it may
            then dominate one that does not.

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
    if threads is None:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if limit is not None and size > limit:
        raise ConfigError(f"sweep: the space has {size:,} configurations, more than the limit of {limit:,}")
    bounds = Bounds(constraints or {}, objectives)
    columns = Objectives(ev, {**objectives, **bounds.further})
    all_of = Configurations(ev, columns.costs, chosen)
    walk = _Walk(ev, columns, all_of, prune and bounds.allow_pruning, threads, bounds)
    estimate = walk.estimate()
    if dry_run:
        write_line(estimate)
        return None
    logger.info("%s", estimate)
    return walk.run(None if path is None else Path(path))


class _Walk:
    """One sweep."""

    def __init__(
        self,
        ev: Evaluator,
        objectives: Objectives,
        all_of: Configurations,
        prune: bool,
        threads: int,
        bounds: Bounds,
    ) -> None:
        from chop import _core

        if threads < 1:
            raise ConfigError(f"sweep: threads must be at least 1, got {threads}")
        self.ev, self.objectives, self.all_of = ev, objectives, all_of
        self.prune, self.threads, self.bounds = prune, threads, bounds
        self.distinct = all_of.core.size
        self._core = _core.Sweep(ev._core, all_of.core, objectives.for_core(), threads)

    @property
    def bytes(self) -> int:
        """Of all results."""
        return self.distinct * (8 * len(self.objectives.names) + 1)

    def estimate(self) -> str:
        """Return what a run would take, after trying a few neighbours."""
        tried = min(self.distinct, max(16, min(256, self.distinct // 64)))
        start = time.perf_counter()
        self.measure((self.distinct - tried) // 2, tried, prune=False)
        seconds = (time.perf_counter() - start) / tried * self.distinct
        return (
            f"sweep: {self.all_of.count:,} configurations ({self.distinct:,} distinct) on {self.ev.rows:,} rows, "
            f"about {seconds:.2g} s without pruning on {self.threads} thread{'s' * (self.threads > 1)}, "
            f"{self.bytes:,} bytes of results"
        )

    def measure(self, first: int, count: int, prune: bool) -> Part:
        """Measure the configurations at consecutive positions."""
        values = self.objectives.costs_of(self.all_of, first, count)
        dropped = torch.zeros(count, dtype=torch.uint8)
        with self.ev._torch.one_thread():
            self._core.run(first, prune, values, dropped)
        return values.numpy(), dropped.numpy()

    def run(self, folder: Path | None) -> SweepReport:
        """Measure what is missing, and report on all."""
        start = time.perf_counter()
        if folder is None and self.bytes > MOST_IN_MEMORY:
            raise ConfigError(
                f"sweep: {self.bytes:,} bytes of results do not stay in memory: give a path, a folder"
            )
        parts = (
            Parts(self.distinct) if folder is None else StoredParts(folder, self.distinct, self._described())
        )
        if self.prune:
            self._scout()
        front, pruned = _Front(self.objectives, self.bounds), 0
        for index, first, count in parts.ranges():
            part = parts.get(index)
            if part is None:
                parts.put(index, part := self._part(first, count))
            elif self.prune:
                self._core.add_finished(torch.from_numpy(np.ascontiguousarray(part[0])))
            front.add(first, part)
            pruned += int(part[1].sum())
        report = SweepReport(
            dict(list(zip(self.objectives.names, self.objectives.directions, strict=True))[: front.count]),
            self._entries(front),
            self.all_of.count,
            self.distinct - pruned,
            pruned,
            self.all_of.count - self.distinct,
            self.ev.rows,
            time.perf_counter() - start,
            self.threads,
            self.bounds.given,
            tuple(self.objectives.names),
            self.all_of,
            parts,
        )
        logger.info("%s", report._title())
        return report

    def _scout(self) -> None:
        golden = (5**0.5 - 1) / 2  # its multiples fill the space evenly, last layers included
        for i in range(min(SCOUTS, self.distinct // 16)):
            self.measure(int(i * golden % 1.0 * self.distinct), 1, prune=False)

    def _part(self, first: int, count: int) -> Part:
        steps = [
            self.measure(at, min(STEP, first + count - at), self.prune)
            for at in range(first, first + count, STEP)
        ]
        return np.concatenate([values for values, _ in steps]), np.concatenate([flags for _, flags in steps])

    def _entries(self, front: _Front) -> list[dict[str, Any]]:
        sign = -1.0 if self.objectives.directions[0] == "maximize" else 1.0
        order = np.argsort(sign * front.values[:, 0], kind="stable")
        numbers = self.all_of.numbers(front.positions[order])
        return [
            {**dict(zip(self.objectives.names, row, strict=True)), "config": self.all_of.config(number)}
            for row, number in zip(front.values[order].tolist(), numbers.tolist(), strict=True)
        ]

    def _described(self) -> dict[str, Any]:
        """What the results depend on: not on threads."""
        digest = hashlib.blake2b(digest_size=16)
        state = self.ev.graph.model.state_dict()
        for name, tensor in [*sorted(state.items()), ("x", self.ev._x), ("y", self.ev._labels)]:
            digest.update(name.encode())
            if tensor is not None:
                digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
                digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        names, space = zip(*self.objectives.for_core(), strict=True), self.all_of.space
        described = space if isinstance(space, list) else [space.by, space.choices_flattened]
        return {
            "objectives": dict(zip(self.objectives.names, self.objectives.directions, strict=True)),
            "space": hashlib.blake2b(repr([list(names), described]).encode(), digest_size=16).hexdigest(),
            "model and data": hashlib.blake2b(
                digest.digest() + str(self.ev.graph.fx_graph).encode(), digest_size=16
            ).hexdigest(),
            "configurations": self.all_of.count,
            "prune": self.prune,
        }


class _Front:
    """The front of all parts so far, of what keeps the bounds."""

    def __init__(self, objectives: Objectives, bounds: Bounds) -> None:
        self.names, self.bounds = objectives.names, bounds
        self.count = len(objectives.names) - len(
            bounds.further
        )  # columns to optimise; the others are bounded only
        self.directions = objectives.directions[: self.count]
        self.positions = np.zeros(0, dtype=np.int64)
        self.values = np.zeros((0, len(objectives.names)))

    def add(self, first: int, part: Part) -> None:
        kept = np.flatnonzero(
            (part[1] == 0) & self.bounds.kept(dict(zip(self.names, part[0].T, strict=True)))
        )
        positions = np.concatenate([self.positions, first + kept])
        values = np.concatenate([self.values, part[0][kept]])
        front = pareto_front(values[:, : self.count], self.directions)
        self.positions, self.values = positions[front], values[front]
