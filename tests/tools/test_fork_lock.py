"""Forks amid threads that hold Python locks: the child finds them free and what they guard whole."""

from __future__ import annotations

import os

import pytest

from tests import forks

HEAD = """
import os, signal, sys, threading, time
from chop.tools import fork_lock
from chop.tools.fork_lock import ForkLock
from tests.forks import child
"""
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def run(code: str) -> None:
    forks.run(HEAD + code)


def test_what_is_guarded_is_whole_in_every_child() -> None:
    run("""
sys.setswitchinterval(1e-5)
outer, inner = ForkLock(), ForkLock()
pair, over = [0, 0], False

def nested():
    while not over:
        with outer, inner:
            pair[0] += 1
            time.sleep(1e-4)
            pair[1] += 1

def plain():
    while not over:
        with inner:
            assert pair[0] == pair[1]

threads = [threading.Thread(target=each) for each in (nested, nested, plain)]
[each.start() for each in threads]

def work():
    for lock in (outer, inner):
        assert lock.acquire(timeout=5)
        lock.release()
    assert pair[0] == pair[1] > 0

time.sleep(0.01)
for _ in range(40):
    child(work)
over = True
[each.join() for each in threads]
""")


def test_the_holder_may_fork_and_threads_may_fork_at_once() -> None:
    run("""
lock = ForkLock()

def work():
    with lock:
        child(lambda: lock.acquire(timeout=5) or sys.exit(1))

with lock:
    child(work)
    child(lambda: ForkLock().acquire(timeout=5) or sys.exit(1))
threads = [threading.Thread(target=work) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
""")


def test_a_lock_that_is_never_given_back_holds_up_no_fork_and_is_new_in_the_child() -> None:
    run("""
fork_lock._LONGEST_WAIT = 0.3
lock, other, over = ForkLock(), ForkLock(), threading.Event()
taken = threading.Event()

def hold():
    with lock:
        taken.set()
        over.wait()

thread = threading.Thread(target=hold)
thread.start()
taken.wait()

def work():
    for each in (lock, other):
        assert each.acquire(timeout=5)

before = time.monotonic()
child(work)
assert time.monotonic() - before < 30
assert not lock.acquire(blocking=False)  # here it is still held
over.set()
thread.join()
assert lock.acquire(timeout=5)
""")


def test_tracing_and_samplers_go_on_in_a_child_of_a_busy_process() -> None:
    run("""
import optuna, torch
from torch import nn
from chop import Evaluator, MaseGraph
from chop.actions.search.samplers.native_tpe import NativeTpeSampler
optuna.logging.disable_default_handler()
optuna.logging.set_verbosity(optuna.logging.ERROR)
over, x = False, torch.randn(70, 4)
study = optuna.create_study(sampler=NativeTpeSampler({"a": 10}, {"a"}, 0))
evaluator = Evaluator(nn.Sequential(nn.Linear(4, 4), nn.Softsign()), x)

def model():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU())

def busy(number):
    while not over:
        if number == 0: MaseGraph(model())
        if number == 1: study.optimize(lambda trial: trial.suggest_int("a", 0, 9), n_trials=1)
        if number == 2: evaluator.forward()

threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
[each.start() for each in threads]

def work():
    MaseGraph(model())
    assert len(MaseGraph(model()).model(x)) == 70
    optuna.create_study(sampler=study.sampler).optimize(lambda trial: trial.suggest_int("a", 0, 9), n_trials=3)
    evaluator.forward()

time.sleep(0.05)
for _ in range(8):
    child(work)
over = True
[each.join() for each in threads]
""")
