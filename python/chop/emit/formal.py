"""A formal proof that written Verilog is the plain circuit: each line by yosys' SAT solver, the whole by exact sums.

A solver alone does not get through two orders of adding sixteen numbers. So the Verilog is cut at every number: for
each the solver shows that its lines give what the circuit says, for all values that the numbers before it can have, and
that it lies in its interval. What the lines amount to is compared with the plain circuit by :mod:`chop.emit.meaning`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chop.emit.cells import Cell, Circuit, CircuitError
from chop.emit.design import Design, design_of_net
from chop.emit.meaning import Meanings
from chop.emit.options import Wanted
from chop.emit.synthesis import yosys_words
from chop.emit.verilog_operands import bits_of
from chop.tools.atomic_write import atomic_write

_SECONDS = 600
_LINE = re.compile(r"^  wire (?:signed )?\[\d+:0\] n(\d+) = (.*);$", re.M)


@dataclass(frozen=True)
class Proven:
    """What was shown.

    Attributes:
        cells: numbers of the circuit whose lines the solver looked at. outputs: equal to the plain circuit's.
        holds: whether all is proven. why: what is not; empty if all is.
    """

    cells: int
    outputs: int
    holds: bool
    why: str = ""

    def __str__(self) -> str:
        if not self.holds:
            return f"yosys sat: not proven: {self.why}"
        return (
            f"yosys sat: {self.cells:,} numbers proven, {self.outputs:,} outputs equal to the plain circuit's"
        )


def prove(design: Design) -> Proven:
    """Prove that the Verilog of a combinational design computes what its plain circuit does, at every input.

    Raises:
        ConfigError: yosys is missing; names the package.
        RuntimeError: yosys fails.
    """
    yosys_words([])  # refuses before any work where there is none
    circuit = design.circuit
    plain = design_of_net(design.net, Wanted(sums="plain", data=design.wanted.data)).circuit
    try:
        meanings = Meanings()
        wanted, found = meanings.of(plain), meanings.of(circuit)
    except CircuitError as error:
        return Proven(0, 0, False, str(error))
    cells = [n for n in circuit.needed() if circuit[n].kind not in ("input", "constant")]
    equal = sum(a == b for a, b in zip(wanted, found, strict=True))
    if equal < len(wanted):
        return Proven(0, equal, False, f"{len(wanted) - equal} of {len(wanted)} outputs are of another form")
    if counterexample := _solved(_cut(design), _specified(design)):
        return Proven(len(cells), equal, False, counterexample)
    return Proven(len(cells), equal, True)


def _cut(design: Design) -> str:
    """The written module with every number an input and what its line says an output."""
    circuit, text = design.circuit, design.verilog

    def line(match: re.Match[str]) -> str:
        number = int(match[1])
        kind = bits_of(circuit[number])
        return f"  wire {kind} made{number} = {match[2]};\n  assign o{number} = made{number};"

    body = _LINE.sub(line, text[text.index(");") + 2 : text.rindex("endmodule")])
    found = {int(number) for number in _LINE.findall(text) for number in [number[0]]}
    if found != set(circuit.needed()) | set(circuit.inputs):
        raise RuntimeError("the Verilog has other numbers than the circuit")
    return f"{_head('cut', design)}{_numbers(circuit)}{body}endmodule\n"


def _specified(design: Design) -> str:
    """What each number and each output must be, in wide signed arithmetic."""
    circuit, lines = design.circuit, []
    places = _places(design.x.widths)
    for number in sorted(set(circuit.needed()) | set(circuit.inputs)):
        cell = circuit[number]
        if cell.kind == "input":
            width, place = design.x.widths[cell.settings[0]], places[cell.settings[0]]
            lines.append(f"  assign o{number} = {_wide(f'x[{place + width - 1}:{place}]', cell.is_signed)};")
            continue
        operands = [_wide(f"n{i}", circuit[i].is_signed) for i in cell.inputs]
        lines.append(f"  wire signed [63:0] s{number} = {SPECIFIED[cell.kind](cell, *operands)};")
        lines.append(f"  assign o{number} = s{number};")
    places = _places(design.y.widths)
    for number, width, place in zip(circuit.outputs, design.y.widths, places, strict=True):
        lines.append(
            f"  assign y[{place + width - 1}:{place}] = {_wide(f'n{number}', circuit[number].is_signed)};"
        )
    return f"{_head('specified', design)}{_numbers(circuit)}" + "\n".join(lines) + "\nendmodule\n"


def _places(widths: tuple[int, ...]) -> list[int]:
    return [sum(widths[:i]) for i in range(len(widths))]


def _head(name: str, design: Design) -> str:
    numbers = sorted(set(design.circuit.needed()) | set(design.circuit.inputs))
    free = "".join(f",\n  input wire {bits_of(design.circuit[n])} f{n}" for n in numbers)
    made = "".join(f",\n  output wire signed [63:0] o{n}" for n in numbers)
    x, y = design.x.bits, design.y.bits
    return f"module {name} (\n  input wire [{x - 1}:0] x,\n  output wire [{y - 1}:0] y{free}{made}\n);\n"


def _numbers(circuit: Circuit) -> str:
    """Each number as any of its interval."""
    lines = []
    for n in sorted(set(circuit.needed()) | set(circuit.inputs)):
        cell, x = circuit[n], _wide(f"f{n}", circuit[n].is_signed)
        inside = f"({x} >= {_literal(cell.low)}) & ({x} <= {_literal(cell.high)})"
        lines.append(f"  wire {bits_of(cell)} n{n} = {inside} ? f{n} : {_literal(cell.low)};\n")
    return "".join(lines)


def _wide(name: str, is_signed: bool) -> str:
    return f"$signed({name})" if is_signed else f"$signed({{1'b0, {name}}})"


def _literal(value: int) -> str:
    return f"-64'sd{-value}" if value < 0 else f"64'sd{value}"


def _sum(cell: Cell, x: str, y: str) -> str:
    x_bits, y_bits, minus = cell.settings
    return f"({x} * {_literal(1 << x_bits)}) {'-' if minus else '+'} ({y} * {_literal(1 << y_bits)})"


def _round(cell: Cell, x: str) -> str:
    """Down, and one more where the rest says so."""
    shift = cell.settings[0]
    wide = f"({x} + 64'sd0)"
    down = f"({wide} >>> {shift})"
    if cell.rounding == "floor":
        return down
    rest, half = f"({wide} & {_literal((1 << shift) - 1)})", _literal(1 << (shift - 1))
    if cell.rounding == "half_up":
        return f"{down} + (({rest} >= {half}) ? 64'sd1 : 64'sd0)"
    odd = f"(({down} & 64'sd1) == 64'sd1)"
    return f"{down} + ((({rest} > {half}) | (({rest} == {half}) & {odd})) ? 64'sd1 : 64'sd0)"


def _stairs(cell: Cell, x: str) -> str:
    """Asked from the highest step down."""
    first, *rest = cell.settings if cell.kind == "stairs" else cell.settings[1:]
    text = _literal(first)
    for step, level in zip(rest[::2], rest[1::2], strict=True):
        text = f"(({x} >= {_literal(step)}) ? {_literal(level)} : {text})"
    return text


def _clamp(cell: Cell, x: str) -> str:
    low, high = map(_literal, cell.settings)
    return f"({x} > {high}) ? {high} : ({x} < {low}) ? {low} : {x}"


def _wrap(cell: Cell, x: str) -> str:
    low, width = cell.settings
    return f"(({x} - {_literal(low)}) & {_literal((1 << width) - 1)}) + {_literal(low)}"


SPECIFIED: dict[str, Callable[..., str]] = {
    "constant": lambda cell: _literal(cell.low),
    "sum": _sum,
    "round": _round,
    "clamp": _clamp,
    "stairs": _stairs,
    "segments": _stairs,
    "wrap": _wrap,
    "larger": lambda cell, x, y: f"({x} > {y}) ? {x} : {y}",
    "product": lambda cell, x, y: f"{x} * {y}",
}


def _solved(cut: str, specified: str) -> str:
    """Return a counterexample's first words; empty where there is none."""
    lines = [
        "read_verilog both.v",
        "miter -equiv -flatten -make_assert cut specified both",
        "hierarchy -top both",
        "proc",
        "opt -full",
        "sat -verify -prove-asserts -show-ports both",
    ]
    with tempfile.TemporaryDirectory() as name:
        atomic_write(Path(name) / "both.v", cut + specified)
        try:
            done = subprocess.run(
                yosys_words(lines), cwd=name, capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"the solver took more than {_SECONDS} s"
    said = done.stdout + done.stderr
    if "proof did fail" in said:
        return "the solver found numbers for which a line gives another result"
    if done.returncode:
        raise RuntimeError(f"yosys fails: {said.strip()[-300:]}")
    return ""
