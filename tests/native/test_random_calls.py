"""Wrong arguments are refused by name; nothing that one may hand to a binding ends the process."""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys

import pytest
import torch

from chop._core import native
from tests.native import plausible
from tests.native.random_calls import FIRST_ROUNDS, is_refusal, targets

SECONDS_A_CALL = 0.1  # under a sanitizer, on a busy machine


def run(seed: int, calls: int) -> dict[str, dict[str, int]]:
    sys.stdout.write(f"python -m tests.native.random_calls {seed} {calls}\n")  # shown where it fails
    command = [sys.executable, "-m", "tests.native.random_calls", str(seed), str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 + SECONDS_A_CALL * calls)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_class_has_an_object() -> None:
    classes = {name for name, member in vars(native).items() if isinstance(member, type)}
    assert set(plausible.OBJECTS) == classes
    for name, make in plausible.OBJECTS.items():
        assert type(make(random.Random(0))) is getattr(native, name)


def test_every_argument_is_known() -> None:
    """A new binding comes with its plausible arguments: wrong ones alone reach nothing."""
    seen = run(0, FIRST_ROUNDS * len(list(targets())))
    assert set(seen["tried"]) == {target.name for target in targets()}
    assert set(seen["tried"]) - set(seen["answered"]) == {"Graph.__init__"}, "no plausible arguments"


def test_random_calls() -> None:
    seen = run(secrets.randbits(32), 2000)
    assert sum(seen["answered"].values()) > 300  # the rest shows what is refused


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_many_random_calls(part: int) -> None:
    run(secrets.randbits(32), 10000)


def test_only_torchs_own_words_about_arguments_are_refusals_of_an_operator() -> None:
    target = next(each for each in targets() if each.name == "chop::integer_quantize")
    for given in (("x", 8, 4, True), (torch.ones(2), 8), (torch.ones(2).to_sparse(), 8, 4, True, 0, 0)):
        with pytest.raises(RuntimeError) as caught:
            target.run(*given)
        assert is_refusal(target, caught.value), caught.value
    for text in (
        "vector::_M_range_check",
        "bad allocation",
        "chop: an index beyond the buffer",
        "CUDA error",
    ):
        assert not is_refusal(target, RuntimeError(text))
