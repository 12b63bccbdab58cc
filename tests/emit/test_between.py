"""Between two sums: every form of a staircase against the operations it stands for, at every value of the range."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.emit.between import Number, _compared, _line, _one_by_one, _staircases, chain
from chop.emit.cells import Circuit, run
from chop.emit.lines import cheapest_line
from chop.emit.terms import Term, signed_digits
from chop.integers import Operation
from chop.integers.execute import KINDS
from chop.integers.net import Tensor
from chop.integers.steps import multiply_add_shift

LOW, HIGH = -150, 201


def requantize(shift: int, low: int, high: int, rounding: str) -> Operation:
    width = (high - low).bit_length()
    rule = {"shift": shift, "rounding": rounding, "overflow": "saturate", "width": width}
    return Operation("requantize", ("x",), Tensor("y", (1,), 0, low, high), "y", {}, rule)


def line(factor: int, offset: int, shift: int, top: int) -> Operation:
    names = ("factor", "offset", "shift", "least", "most")
    constants = {n: np.array([v]) for n, v in zip(names, (factor, offset, shift, 0, top), strict=True)}
    return Operation("multiply_add_shift", ("x",), Tensor("y", (1,), 0, 0, top), "y", constants)


def steps(first: int, at: list[int], sign: int) -> Operation:
    constants = {"sign": np.array([sign]), "first": np.array([first]), "steps": np.array([sorted(at)])}
    output = Tensor("y", (1,), 0, first, first + len(at))
    return Operation("thresholds", ("x",), output, "y", constants)


rounding = st.sampled_from(["half_even", "half_up", "floor"])
requantized = st.builds(
    requantize, st.integers(-3, 7), st.sampled_from([-8, 0]), st.integers(1, 20), rounding
)
lines = st.builds(line, st.integers(-40, 40), st.integers(-300, 300), st.integers(0, 7), st.integers(1, 31))
stepped = st.builds(
    steps,
    st.integers(-9, 9),
    st.lists(st.integers(-300, 300), min_size=1, max_size=12),
    st.sampled_from([-1, 1]),
)


@settings(deadline=None)
@given(
    ops=st.lists(st.one_of(requantized, lines, stepped), min_size=1, max_size=3),
    bits=st.integers(0, 2),
    minus=st.booleans(),
    offset=st.integers(-60, 60),
)
def test_every_form_is_the_chain(ops: list[Operation], bits: int, minus: bool, offset: int) -> None:
    x = np.arange(LOW, HIGH + 1)
    wanted = (-x if minus else x) * (1 << bits) + offset
    wanted = wanted[:, None]
    for op in ops:
        wanted = KINDS[op.kind](op, wanted)
    circuit = Circuit()
    number = Number(Term(circuit.input(LOW, HIGH), bits, minus), offset)
    found = _staircases(circuit, ops, [number], np.array([0]))
    forms = [lambda c: _one_by_one(c, ops, number, 0), lambda c: chain(c, ops, [number])[0]]
    if found is not None:
        forms += [*_compared(number, found[0]), *_line(number, found[0])]
    for form in forms:
        cell = form(circuit)
        if cell is None:  # two steps in a segment
            continue
        circuit.outputs[:] = [cell]
        assert np.array_equal(run(circuit, x[:, None])[:, 0], wanted[:, 0])


@given(st.integers(-(2**40), 2**40))
def test_signed_digits_are_the_number_and_never_neighbours(value: int) -> None:
    digits = signed_digits(value)
    assert sum((-1 if minus else 1) << place for place, minus in digits) == value
    places = [place for place, _ in digits]
    assert all(b - a > 1 for a, b in pairwise(places))


@pytest.mark.parametrize("scale", [0.11, 0.37, 0.93, 0.0314])
def test_a_line_has_no_more_digits_than_the_smallest_one(scale: float) -> None:
    sums = np.arange(LOW, HIGH + 1)
    codes = np.clip(np.floor(sums * scale + 3.3), 0, 63).astype(np.int64)
    at = np.array([int(sums[codes >= level][0]) for level in range(codes[0] + 1, codes[-1] + 1)])
    found, smallest = cheapest_line(int(codes[0]), at), multiply_add_shift(int(codes[0]), at, HIGH)
    assert found is not None and smallest is not None
    assert found.digits <= len(signed_digits(smallest[0]))
    made = np.clip((found.factor * sums + found.offset) >> found.shift, codes[0], codes[-1])
    assert np.array_equal(made, codes)


def test_uneven_steps_have_no_line() -> None:
    assert cheapest_line(0, np.array([1, 2, 50, 51, 52])) is None
    assert cheapest_line(0, np.array([4, 4])) is None
