"""How long a forward pass takes, measured so that the figure means something."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from chop.actions.search.context import SearchContext
from chop.actions.search.runners.basic_evaluation import first_rows
from chop.actions.search.runners.registry import HW_RUNNERS
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)

WHERE = "search.strategy.hw_runner.latency"
USUAL_BATCH = 512  # of ch
SAID = "latency: said what it is the time of"


class LatencyOptions(StrictTable):
    """What is timed, and how.

    Attributes:
        of: ``evaluator``: the core's forward pass, which computes on integers of the sampled widths; ``torch``:
            the module that ``quantize_transform_pass`` makes, which rounds floats and so costs about the same
            whatever the widths.
        batch_size: rows of one pass, from the start of the validation split; None: 512, or all where there are fewer.
        warm_up: passes before the first that counts.
        repeats: passes that count.
        cpu: number of the CPU to stay on; None: one of those that this process may use.
    """

    of: Literal["evaluator", "torch"] = "evaluator"
    batch_size: int | None = Field(default=None, ge=1)
    warm_up: int = Field(default=5, ge=0)
    repeats: int = Field(default=30, ge=3)
    cpu: int | None = Field(default=None, ge=0)


@HW_RUNNERS.register("latency")
class LatencyRunner:
    """Median and distance between the quartiles, in ms, of a forward pass on one thread of one CPU.

    It is the time on this machine, in software, and says nothing about a circuit. Unlike every other figure it differs
    from run to run, so a study that is judged by it is not repeatable.
    """

    metrics: ClassVar[tuple[str, ...]] = ("latency", "latency_spread")
    Options: ClassVar[Any] = LatencyOptions

    def __init__(self, context: SearchContext, options: LatencyOptions) -> None:
        self.options, self.graph = options, context.graph
        self._cpu = chosen_cpu(options.cpu)
        size = options.batch_size or USUAL_BATCH
        self._x = first_rows(context.data_module, "val", size, WHERE)[0][:size].contiguous()
        if options.batch_size is not None and len(self._x) < size:
            raise ConfigError(
                f"{WHERE}.batch_size must be at most {len(self._x)}, the rows of the validation split, "
                f"got {options.batch_size}"
            )
        self._evaluator: Any = None
        if options.of == "evaluator":
            from chop.evaluator import Evaluator

            try:
                self._evaluator = Evaluator(self.graph, self._x, threads=1)
            except ValueError as error:
                raise ConfigError(f"{WHERE}: this model and data cannot be evaluated: {error}") from error
        self._shared = context.shared

    def __call__(self, config: Mapping[str, Any]) -> dict[str, float]:
        self._say_once()
        call = self._call(config)
        times = []
        with pinned(self._cpu), _undisturbed():
            for number in range(self.options.warm_up + self.options.repeats):
                start = time.perf_counter_ns()
                call()
                lasted = time.perf_counter_ns() - start
                if number >= self.options.warm_up:
                    times.append(lasted / 1e6)
        first, median, last = np.percentile(times, [25, 50, 75]).tolist()
        return {"latency": median, "latency_spread": last - first}

    def _say_once(self) -> None:
        if self._shared.get(SAID):
            return
        self._shared[SAID] = True
        what = "the evaluator's forward pass" if self._evaluator is not None else "the torch module"
        place = "not pinned (this system cannot)" if self._cpu is None else f"on CPU {self._cpu}"
        repeats = self.options.repeats
        logger.info("latency: %s on %d rows, %s, median of %d", what, len(self._x), place, repeats)

    def _call(self, config: Mapping[str, Any]) -> Callable[[], object]:
        if self._evaluator is not None:
            return lambda: self._evaluator.forward(config)
        import copy

        from chop.passes.graph import quantize_transform_pass

        model = quantize_transform_pass(copy.deepcopy(self.graph), config)[0].model.eval()
        return lambda: model(self._x)


def chosen_cpu(asked: int | None) -> int | None:
    """Return the CPU to stay on; None where the system has no such thing.

    Raises:
        ConfigError: this process may not use the CPU that was asked for.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if asked is None:
        return allowed[os.getpid() % len(allowed)]  # workers of one machine take different ones
    if asked not in allowed:
        raise ConfigError(f"{WHERE}.cpu must be one of {', '.join(map(str, allowed))}, got {asked}")
    return asked


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Keep the calling thread on one CPU for a while; None changes nothing."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """One thread of torch, no gradients, no garbage collection."""
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        if collecting:
            gc.enable()
        torch.set_num_threads(threads)
