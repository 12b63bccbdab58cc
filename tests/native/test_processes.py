"""Forks, refused threads and the end of the interpreter: an answer or an error, never a hang or a signal."""

from __future__ import annotations

import os

import pytest

from tests import forks

# ThreadSanitizer ends the child of a process with threads when the child starts some of its own.
FORKS = pytest.mark.skipif("libtsan" in os.environ.get("LD_PRELOAD", ""), reason="threads after a fork")

HEAD = """
import os, signal, sys, threading, time
import torch
from chop import _core
from tests.forks import child
from tests.native import plausible as p

def evaluator(threads=3, rows=9000):
    return _core.Evaluator(p.GRAPH, p.floats(rows, 4), p.labels(rows), threads, True)

def loss(e):
    return e.evaluate([_core.Formats([])], [("loss", {}), ("accuracy", {})])
"""


def run(code: str, *, ends: int = 0, seconds: int = 300) -> str:
    return forks.run(HEAD + code, ends=ends, seconds=seconds)


@FORKS
def test_what_was_made_before_a_fork_works_in_the_child() -> None:
    run("""
e, t, s = evaluator(), p.trainer(), _core.Sweep(p.EVALUATOR, p.SPACE, [("accuracy", True)], 3)
before = loss(e)
t.epoch(35, 1e-3, None, 1, 0, -1, [])

def work():
    found = []
    threads = [threading.Thread(target=lambda: found.append(loss(e))) for _ in range(4)]
    [x.start() for x in threads]; [x.join() for x in threads]
    assert found == [before] * 4
    t.epoch(35, 1e-3, None, 1, 0, -1, [])
    s.run(0, True, torch.zeros(4, 1, dtype=torch.float64), torch.zeros(4, dtype=torch.uint8))
    child(lambda: loss(e) == before or sys.exit(1))
    assert loss(e) == before

child(work)
child(work)
assert loss(e) == before
""")


@FORKS
def test_a_fork_amid_other_threads_work() -> None:
    """Locks that another thread holds at the moment of the fork are free in the child."""
    run("""
e, tpe, statistic, errors = evaluator(), p.told(), p.seen("moments"), _core.QuantizationErrors(8, True, [1, 2])
x = torch.randn(20000)
configs = [_core.Formats([(n, "integer", {"weight": (w, 2, True, "half_even", "saturate")})])
           for n in p.LINEAR for w in range(2, 9)]
over = False

def busy(number):
    turn = 0
    while not over:
        turn += 1
        if number == 0: e.evaluate([configs[turn % len(configs)]], [("loss", {}), ("accuracy", {})][: 1 + turn % 2])
        if number == 1: tpe.propose(turn); tpe.tell(turn, [turn % 3, 0], [0.5, 1.0 * turn])
        if number == 2: statistic.update(x, 1); statistic.compute()
        if number == 3: errors.update(x, 2)

threads = [threading.Thread(target=busy, args=(n,)) for n in range(4)]
[t.start() for t in threads]

def work():
    for c in configs[:3]:
        e.evaluate([c], [("accuracy", {})])
    tpe.propose(5)
    tpe.tell(10**6, [0, 0], [0.0, 0.0])
    statistic.update(x, 1)
    statistic.compute()
    errors.update(x, 2)
    assert errors.count >= 20000

for _ in range(12):
    time.sleep(0.01)
    child(work)
over = True
[t.join() for t in threads]
""")


@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORKS), "spawn", "forkserver"])
def test_multiprocessing(method: str) -> None:
    run(f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from tests.native.processes import losses
e = evaluator()
before = loss(e)
context = multiprocessing.get_context({method!r})
with ProcessPoolExecutor(2, mp_context=context) as pool:
    assert list(pool.map(losses, [1, 2, 3])) == [losses(1)] * 3
assert loss(e) == before
""")


@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer needs all addresses")
def test_a_refused_thread_is_one_error() -> None:
    said = run("""
import resource
import faulthandler
limit = 4 << 30
with open("/proc/self/statm") as f:
    limit = int(f.read().split()[0]) * 4096 + (1 << 30)  # room for about 100 stacks
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
faulthandler.dump_traceback_later(60, exit=True)
makers = {
    "evaluator": lambda: evaluator(1000, 90),
    "sweep": lambda: _core.Sweep(p.EVALUATOR, p.SPACE, [("accuracy", True)], 1000),
    "trainer": lambda: _core.Trainer(p.GRAPH, p.trainable(), _core.TrainingOptions(*p.OPTIONS), "float32", 1000),
}
for name, make in makers.items():
    for _ in range(3):
        try:
            make()
            print(name, "made")
        except RuntimeError as error:
            assert "ask for fewer" in str(error) and "of 1000" in str(error), error
        except MemoryError:
            print(name, "no memory")
e = evaluator(2)
assert loss(e) == loss(e)
print("done")
""")
    assert said.split()[-1] == "done" and "made" not in said


ENDINGS = {
    "statistics": "s = p.seen('moments'); x = torch.randn(3000)\ndef work(): s.update(x, 1)",
    "evaluations": "e = evaluator()\ndef work(): loss(e)",
    "calls of torch": """
e = evaluator()
c = _core.Formats([], [_core.TorchCall(p.NAMES["relu"], p.look, [5], 5)])
def work(): e.evaluate([c], [("loss", {})])""",
    "estimators": "t = p.told()\ndef work(): t.propose(3)",
    "training": "t = p.trainer()\ndef work(): t.epoch(70, 1e-3, None, 1, 0, -1, [])",
}


@pytest.mark.parametrize("what", ENDINGS)
def test_the_interpreter_ends_amid_the_work_of_daemons(what: str) -> None:
    run(
        ENDINGS[what]
        + """
def forever():
    while True:
        try: work()
        except RuntimeError: pass
for _ in range(4): threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
"""
    )


def test_objects_that_live_to_the_end() -> None:
    run(
        """
import atexit
e, s = evaluator(4), _core.Sweep(p.EVALUATOR, p.SPACE, [("accuracy", True)], 3)
class Keeper:
    kept = e
    def __del__(self): loss(self.kept)
k = Keeper()
k.me = k  # a cycle with the evaluator in it
e2 = evaluator(2)
atexit.register(lambda: loss(e2))
call = _core.TorchCall(p.NAMES["relu"], p.look, [5], 5)
e3 = _core.Evaluator(p.GRAPH, p.floats(90, 4), p.labels(90), 2, True, [call])
loss(e3)
sys.exit(7)
""",
        ends=7,
    )
