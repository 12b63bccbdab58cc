"""AMX tiles: permission is a process's, their shapes a thread's; pools, other threads and forked children have both."""

from __future__ import annotations

import pytest

from chop import _core
from tests import forks

from .test_processes import FORKS

PROGRAM = """
import sys, threading
import torch
from torch import nn
from chop import Evaluator, _core
from tests.evaluator.models import by_type, integer
from tests.forks import child

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(70, 48), nn.ReLU(), nn.Linear(48, 33), nn.ReLU(), nn.Linear(33, 5)).eval()
x = torch.randn(9000, 70)
config = by_type(linear=integer(8, 5, 8, 6, 8, 5))

# Made before, as tracing a model is for one thread at a time.
evaluators = {n: Evaluator(model, x, threads=n) for n in (1, 2, 3)}

def bits(threads):
    return evaluators[threads].forward(config).numpy().tobytes()

assert _core.active_isa() == "amx"
expected = bits(1)
assert Evaluator(model, x[:9], threads=1).forward(config).numpy().tobytes() == expected[: 9 * 5 * 4]

def everywhere():
    found = [bits(1), bits(3)]
    threads = [threading.Thread(target=lambda n=n: found.append(bits(n))) for n in (1, 3, 2)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert found == [expected] * 5

everywhere()
child(everywhere)
child(lambda: child(everywhere))
everywhere()
sys.stdout.buffer.write(expected.hex().encode())
"""


@FORKS
def test_threads_and_children_may_use_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    if "amx" not in _core.available_isas():
        pytest.skip("no AMX on this processor")
    monkeypatch.setenv("CHOP_CPU_ISA", "amx")
    by_tiles = forks.run(PROGRAM)
    monkeypatch.setenv("CHOP_CPU_ISA", "avx512")
    assert by_tiles == forks.run(PROGRAM.replace('"amx"', repr("avx512")))


@FORKS
def test_a_forked_child_is_the_first_to_use_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is asked for before the fork, the tiles are used behind it only."""
    if "amx" not in _core.available_isas():
        pytest.skip("no AMX on this processor")
    monkeypatch.setenv("CHOP_CPU_ISA", "amx")
    start, end = PROGRAM.split("expected = bits(1)")
    end = end.split("everywhere()\nchild")[0]
    body = "\n    ".join(f"global expected\nexpected = bits(1){end}everywhere()".splitlines())
    forks.run(f"{start}def first():\n    {body}\nchild(first)\n")
