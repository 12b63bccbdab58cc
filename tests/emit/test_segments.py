"""Staircases in segments: tables and comparison as simulated, at every value of the range."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from chop.emit import simulators, testbench
from chop.emit.cells import Circuit, run
from chop.emit.segments import segments_of
from chop.emit.testbench import pack, unpack
from chop.emit.verilog import module


def staircase(random: Random, low: int, high: int) -> tuple[int, list[tuple[int, int]]]:
    """Rising or falling levels, by one or by more, near one another or far apart, some steps outside the range."""
    sign, first = random.choice((-1, 1)), random.randint(-9, 9)
    jump, gap = random.choice((1, 1, 3)), random.randint(1, 12)
    at, level, steps = random.randint(low - 5, high), first, []
    for _ in range(random.randint(2, 40)):
        level += sign * random.randint(1, jump)
        steps.append((at, level))
        at += gap + random.randint(0, 3)
    return first, steps


def staircases(seed: int, low: int, high: int) -> tuple[Circuit, np.ndarray]:
    """A circuit of many staircases of one number, each in every way that it can be cut, and what they are."""
    random, circuit = Random(seed), Circuit()
    x, wanted = circuit.input(low, high), []
    values = np.arange(low, high + 1)
    for _ in range(12):
        first, steps = staircase(random, low, high)
        levels = np.array([first, *(level for _, level in steps)])
        for bits in range(6):
            cell = circuit.segments(x, bits, first, steps)
            if cell is not None:
                circuit.outputs.append(cell)
                wanted.append(levels[np.searchsorted([at for at, _ in steps], values, side="right")])
    return circuit, np.stack(wanted, 1)


@pytest.mark.skipif(simulators.simulator() is None, reason="no Icarus, no Verilator")
@pytest.mark.parametrize(("seed", "low", "high"), [(0, -150, 201), (1, 0, 255), (2, -7, 500), (3, -300, -1)])
def test_every_cut_is_the_staircase(seed: int, low: int, high: int, tmp_path: Path) -> None:
    circuit, wanted = staircases(seed, low, high)
    x = np.arange(low, high + 1)[:, None]
    assert np.array_equal(run(circuit, x), wanted)
    ports = [[circuit[i] for i in numbers] for numbers in (circuit.inputs, circuit.outputs)]
    widths = [[cell.width for cell in port] for port in ports]
    (tmp_path / "net.v").write_text(module(circuit, (widths[0], widths[1]), 0, "stairs"))
    (tmp_path / "testbench.v").write_text(testbench.testbench(sum(widths[0]), sum(widths[1]), len(x), 0))
    program = simulators.simulator()
    assert program is not None
    found = unpack(program.run(tmp_path, pack(x, widths[0])), widths[1], [c.is_signed for c in ports[1]])
    assert np.array_equal(found, wanted)


def test_what_cannot_be_cut() -> None:
    assert segments_of(3, 0, [(8, 1), (15, 2)], 0, 99) is None  # two steps in one segment
    assert segments_of(0, 0, [(0, 1), (600, 2)], -9, 999) is None  # 601 of them
    found = segments_of(2, 0, [(8, 1), (15, 2)], 0, 99)
    assert found is not None and (found.index_bits, found.low, found.high) == (1, 0, 2)


def test_a_long_table_of_what_lies_beside_is_no_table() -> None:
    # Simulators read a literal of so many bits only; the staircase is written as comparisons then.
    steps = [(3, 1), (5, 2), (7, 3)]
    assert segments_of(1, 0, steps, -(2**7), 2**7) is not None
    assert segments_of(1, 0, steps, -(2**16), 2**16) is None
    assert segments_of(1, 0, steps, 2, 9) is not None
