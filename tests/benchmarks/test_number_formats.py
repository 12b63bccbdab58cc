"""Number formats against eager PyTorch: ten million floats, and one trial of 16-16-8-5 on 166,000 rows.

A quantizer returns a new tensor, and the system clears each new page before it is written. That takes about as long as
reading and writing the numbers, and no format can save it. So the bandwidth of memory is that of ``copy_`` into new
memory in large pages, which is what the operator writes into; ``copy_`` into memory that was there before, and
``clone``, which takes small pages, are printed beside it. Formats of single numbers and of whole rows are held to half
of that bandwidth, formats of blocks to twenty times the speed of the eager version. An eager ``scale_integer`` by rows
is but seven passes through memory: twenty times that would be more than memory gives.

CPU seconds of one thread, in turn. Run: pytest -m benchmark -s -n 0 tests/benchmarks/test_number_formats.py
"""

from __future__ import annotations

import json
import mmap
import statistics
import time

import pytest
import torch
from torch import nn

from chop import Evaluator, _core
from chop.nn.quantizers import QUANTIZERS, quantizer_map
from tests.evaluator.models import chain, data

from . import mase_loop
from .eager_formats import PEERS

ROUNDS = 3
ROUNDS_OF_FLOATS = 7
SIZES = (16, 16, 8, 5)


def cpu_seconds(action) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def median(actions, rounds=ROUNDS) -> list[float]:
    times = [[cpu_seconds(action) for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def copy_to_new_memory(x: torch.Tensor) -> None:
    memory = mmap.mmap(-1, x.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    torch.frombuffer(memory, dtype=x.dtype).copy_(x.view(-1))


@pytest.mark.benchmark
@pytest.mark.parametrize("name", PEERS)
def test_ten_million_floats(name: str) -> None:
    torch.set_num_threads(1)
    eager, arguments, blocks = PEERS[name]
    x = torch.randn(10_000, 1000)
    to = torch.empty_like(x)
    native = quantizer_map[name]
    with torch.no_grad():
        expected, found = eager(x), native(x, **arguments)
        differs = float((~torch.isclose(expected, found, rtol=1e-5)).float().mean())
        ours, theirs, copied, new, cloned = median(
            [
                lambda: native(x, **arguments),
                lambda: eager(x),
                lambda: to.copy_(x),
                lambda: copy_to_new_memory(x),
                x.clone,
            ],
            ROUNDS_OF_FLOATS,
        )
    row = {
        "format": name,
        "ns_a_number": ours * 100,
        "eager": theirs / ours,
        "of_a_copy": copied / ours,  # into memory that was there before
        "of_a_new_copy": new / ours,  # into new memory in large pages, as ours
        "of_a_clone": cloned / ours,  # into new memory in small pages
        "differs": differs,
        "isa": _core.active_isa(),
    }
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    assert differs < 1e-3  # a float32 logarithm next to a border
    if blocks:
        assert theirs / ours >= 20
    else:
        assert new / ours >= 0.5


def rule_of(name: str, arguments: dict[str, object]) -> dict[str, object]:
    spec = QUANTIZERS[name]
    renamed = {argument: field for field, argument in spec.arguments.items()}
    entries = {"exponent_bias": None, "stochastic": False, "width": 2, **arguments}
    known = (*spec.fields, *spec.optional_fields)
    fields = {renamed.get(k, k): v for k, v in entries.items() if renamed.get(k, k) in known}
    return {"name": name, **{f"{o}_{k}": v for o in ("data_in", "weight", "bias") for k, v in fields.items()}}


def next_one(name: str, arguments: dict[str, object], turn: int) -> dict[str, object]:
    """Other arguments of a format that cost the same."""
    changes: dict[str, dict[str, object]] = {
        "minifloat_ieee": {"exponent_bias": 7 + turn},
        "minifloat_denorm": {"exponent_bias": 7 + turn},
        "log": {"exponent_bias": 63 - turn},
        "block_fp": {"exponent_bias": 127 - turn},
        "block_minifloat": {"exponent_bias_width": 8 - turn},
        "block_log": {"exponent_bias_width": 8 - turn},
        "mxfp4": {"block_size": 32 >> turn},
        "ternary": {"threshold": 0.1 * turn},
        "scale_integer": {"width": 8 - turn},
    }
    return {**arguments, **changes.get(name, {})}


@pytest.mark.benchmark
@pytest.mark.parametrize("name", PEERS)
def test_one_trial(name: str) -> None:
    torch.set_num_threads(1)
    eager, arguments, _ = PEERS[name]
    model, (x, y) = chain(SIZES), data(166_000, SIZES[0], SIZES[-1])
    ev = Evaluator(model, x, y, threads=1)
    layers = [f"_{i}" for i, layer in enumerate(model) if isinstance(layer, nn.Linear)]
    whole = {"by": "name", "default": {"config": {"name": None}}}
    turns = iter(range(ROUNDS))

    def config() -> dict[str, object]:
        """A configuration that the evaluator has not seen."""
        turn = next(turns)
        rule = rule_of(name, next_one(name, arguments, turn) if turn else arguments)
        # The values of binary have no parameters.
        return whole | {
            layer: {"config": rule} for layer in layers[: -turn or None if name == "binary" else None]
        }

    weights_only = name in ("binary", "ternary")

    def quantizer(operand: int):
        if weights_only and operand != 1:
            return lambda v: v
        return lambda v: eager(v.unsqueeze(0)).squeeze(0) if v.dim() == 1 else eager(v)

    peer = mase_loop.quantized(model, [(0, 1, 2)] * len(layers), quantizer)
    ev.evaluate()  # the data are there
    found: list[float] = []
    ours, theirs = median(
        [
            lambda: found.append(ev.evaluate(config()).accuracy),
            lambda: found.append(mase_loop.evaluate(peer, x, y, SIZES[-1])[0]),
        ]
    )
    row = {"format": name, "chop_ms": ours * 1e3, "loop_ms": theirs * 1e3, "ratio": theirs / ours}
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    assert found[0] == pytest.approx(found[1], abs=2e-3)  # numbers at a border go to either side
    assert theirs / ours >= 100
