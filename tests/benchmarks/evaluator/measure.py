"""One case: prepare all variants, then rounds in which each runs once in a random order."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from chop.tools.writer import write_line

from . import machine
from .bandwidth import read_probe
from .cases import FEWER_CONFIGS, WHAT, Case
from .formats import FormatSource
from .ours import Ours, open_ours
from .peers import Outcome, Peer, Run
from .results import MANY, ONE, READ, CaseResult, Timing, Variant

PROBED_ROWS = 830_000  # from here on the float input leaves the caches: the reading speed is a bound


@dataclass(frozen=True)
class Settings:
    rounds: int = 7
    configs: int = 64
    seed: int = 0
    cpu: int | None = None
    processor_time: bool = False  # instead of time on the wall, where the core cannot be had alone


Configured = Callable[[], Run]


def measure(case: Case, peers: Sequence[Peer], settings: Settings) -> CaseResult:
    """Prepare ours and ``peers``, run the rounds, compare ours with torch's fake-quantized model."""
    before = machine.load()
    configs = min(settings.configs, FEWER_CONFIGS.get(case.name, settings.configs))
    ours, variants = _prepare_ours(case, settings)
    ready: dict[str, Configured] = {}
    if ours is not None:
        ready |= {ONE: ours.configure, MANY: lambda: ours.configure_many(configs)}
    for peer in peers:
        variants[peer.name], configured = _prepare(peer, case, settings.seed)
        if configured is not None:
            ready[peer.name] = configured
    if case.rows >= PROBED_ROWS:
        variants[READ], ready[READ] = _prepare_probe(case.rows)
    wall, cpu = time.perf_counter(), time.process_time()
    for name, timing in _rounds(ready, settings).items():
        variants[name] = replace(variants[name], timing=timing)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    result = CaseResult(case.name, WHAT[case.name], case.rows, configs, variants, cpu_share=share)
    if ours is not None:
        result.ours = {"construction_ms": ours.construction_ms, "first_call_ms": ours.first_call_ms}
        result.ours |= ours.compare()
    result.load = (before, machine.load())
    torch._dynamo.reset()  # the next case compiles from nothing, and never meets the limit of recompilations
    return result


def _prepare_ours(case: Case, settings: Settings) -> tuple[Ours | None, dict[str, Variant]]:
    labels = {ONE: "chop", MANY: "chop, many configurations a pass, each"}
    try:
        ours, reason = open_ours(case, settings.seed), None
    except ValueError as error:
        ours, reason = None, f"not run: {error}"
        write_line(f"  chop: {reason}")
    return ours, {name: Variant(name, label, reason=reason) for name, label in labels.items()}


def _prepare(peer: Peer, case: Case, seed: int) -> tuple[Variant, Configured | None]:
    """Build a peer and let it run once; its configurations come from a source of its own."""
    variant = Variant(peer.name, peer.label, peer.quantized, peer.loss_by_torch, peer.rebuilds)
    reason = peer.missing()
    if reason is None:
        source = FormatSource(len(case.nodes), seed)
        start = time.perf_counter()
        try:
            configure = peer.build(case)
            _check(peer.name, configure(source.draw)())
            taken = time.perf_counter() - start
            return replace(variant, first_answer_s=taken), lambda: configure(source.draw)
        except Exception as error:  # a peer that breaks on this machine must not take the others with it
            reason = (
                f"{type(error).__name__}: {str(error).splitlines()[0][:120]}" if str(error) else repr(error)
            )
    write_line(f"  {peer.name}: not measured: {reason}")
    return replace(variant, reason=f"not measured: {reason}"), None


def _prepare_probe(rows: int) -> tuple[Variant, Configured]:
    name, read = read_probe(rows)

    def run() -> Outcome:
        read()
        return Outcome(0.0, 0.0)

    return Variant(READ, f"reading 68 bytes a row ({name})", quantized=False), lambda: run


def _check(name: str, outcome: Outcome) -> None:
    if not (math.isfinite(outcome.loss) and 0 <= outcome.accuracy <= 1):
        raise ArithmeticError(f"{name} computed {outcome}")


def _rounds(ready: dict[str, Configured], settings: Settings) -> dict[str, Timing]:
    shuffling, last = random.Random(settings.seed), None
    clock = time.process_time if settings.processor_time else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    with machine.pinned(settings.cpu), _without_garbage_collection():
        for round_ in range(-1, settings.rounds):  # the first is not counted
            order = list(ready)
            shuffling.shuffle(order)
            if order[0] == last:  # twice in a row would find its own data in the caches
                order.append(order.pop(0))
            for name in order:
                run = ready[name]()
                start = clock()
                outcome = run()
                elapsed = clock() - start
                if round_ >= 0:
                    seconds[name].append(elapsed)
                _check(name, outcome)
            last = order[-1]
            gc.collect()
    return {name: Timing.of(values) for name, values in seconds.items() if values}


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def fresh_compiler_cache() -> Iterator[None]:
    """Give torch's compiler an empty cache, so that the time to compile is that of a first time."""
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["TORCHINDUCTOR_CACHE_DIR"]
            else:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = before
