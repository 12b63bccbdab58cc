"""One space, walked in the core part by part: what a sweep keeps in each process that takes part."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from chop.search.bounds import Bounds
from chop.search.configurations import Configurations
from chop.search.objectives import Objectives
from chop.search.part_size import part_size
from chop.search.parts import Part
from chop.search.quantization_space import QuantizationSpace
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.evaluator import Config, Evaluator

STEP = 1024  # configurations a call of the core: Ctrl-C is heard between them
SCOUTS = 128  # configurations from everywhere, whose results the first ones of a part are pruned by


class Walk:
    """A space, and what its configurations are judged by.

    Args:
        ev: model and data.
        space: as ``as_space`` returns it.
        objectives, prune, constraints, part: see :func:`chop.search.sweep`.

    Attributes:
        size: configurations of a part, the last one excepted.
        halt: set where a part that is under way is to end.
        given: what another process makes the same walk with, beside model, data and space.
    """

    def __init__(
        self,
        ev: Evaluator,
        space: QuantizationSpace | list[Config | None],
        objectives: Mapping[str, str],
        prune: bool,
        constraints: Mapping[str, Mapping[str, float]],
        part: int | None,
    ) -> None:
        if part is not None and part < 1:
            raise ConfigError(f"sweep: part must be at least 1, got {part}")
        self.ev, self.bounds = ev, Bounds(constraints, objectives)
        self.objectives = Objectives(ev, {**objectives, **self.bounds.further})
        self.all_of = Configurations(ev, self.objectives.costs, space)
        self.prune = prune and self.bounds.allow_pruning
        self.distinct = self.all_of.core.size
        self.size = part_size(ev, self.all_of) if part is None else part
        self.halt = threading.Event()
        self.given = {
            "objectives": dict(objectives), "prune": prune, "constraints": self.bounds.given, "part": part,
        }  # fmt: skip
        self.use(1)

    def use(self, threads: int) -> None:
        """Walk with so many threads of the core from now on."""
        if threads < 1:
            raise ConfigError(f"sweep: threads must be at least 1, got {threads}")
        self.threads = threads

    def _core(self) -> Any:
        from chop import _core

        return _core.Sweep(self.ev._core, self.all_of.core, self.objectives.for_core(), self.threads)

    @property
    def bytes(self) -> int:
        """Of all results."""
        return self.distinct * (8 * len(self.objectives.names) + 1)

    def estimate(self) -> str:
        """Return what a run would take, after trying a few neighbours."""
        tried = min(self.distinct, max(16, min(256, self.distinct // 64)))
        start = time.perf_counter()
        self._measure(self._core(), (self.distinct - tried) // 2, tried, prune=False)
        seconds = (time.perf_counter() - start) / tried * self.distinct
        return (
            f"sweep: {self.all_of.count:,} configurations ({self.distinct:,} distinct) on {self.ev.rows:,} rows, "
            f"about {seconds:.2g} s without pruning on {self.threads} thread{'s' * (self.threads > 1)}, "
            f"{self.bytes:,} bytes of results"
        )

    def part(self, index: int) -> Part:
        """Measure a part, pruned by the scouts and by itself only: whatever was measured before, it is the same.

        Raises:
            InterruptedError: ``halt`` was set meanwhile.
        """
        first = index * self.size
        end, core = min(first + self.size, self.distinct), self._core()
        if self.prune:
            core.add_finished(self._scouts)
        steps = []
        for at in range(first, end, STEP):
            if self.halt.is_set():
                raise InterruptedError
            steps.append(self._measure(core, at, min(STEP, end - at), self.prune))
        return np.concatenate([values for values, _ in steps]), np.concatenate([flags for _, flags in steps])

    @cached_property
    def _scouts(self) -> torch.Tensor:
        golden = (5**0.5 - 1) / 2  # its multiples fill the space evenly, last layers included
        core, count = self._core(), min(SCOUTS, self.distinct // 16)
        places = [int(i * golden % 1.0 * self.distinct) for i in range(count)]
        rows = [self._measure(core, place, 1, prune=False)[0] for place in places]
        return torch.from_numpy(np.concatenate([np.zeros((0, len(self.objectives.names))), *rows]))

    def _measure(self, core: Any, first: int, count: int, prune: bool) -> Part:
        """Measure the configurations at consecutive positions."""
        values = self.objectives.costs_of(self.all_of, first, count)
        dropped = torch.zeros(count, dtype=torch.uint8)
        with self.ev._torch.one_thread():
            core.run(first, prune, values, dropped)
        return values.numpy(), dropped.numpy()

    def described(self) -> dict[str, Any]:
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

    def identity(self) -> str:
        """Return a digest of :meth:`described` and the size of a part."""
        text = json.dumps({**self.described(), "part": self.size}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
