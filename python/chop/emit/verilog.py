"""A circuit as one module of Verilog-2001: a line a cell, constants sized, numbers as wide as their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from chop.emit.cells import Circuit
from chop.emit.stages import stages_of
from chop.emit.verilog_cells import TEXTS
from chop.emit.verilog_operands import Operand, bits_of, fitting


def module(circuit: Circuit, widths: tuple[Sequence[int], Sequence[int]], latency: int, notes: str) -> str:
    """Return the source of the module ``net``.

    Args:
        circuit: what it computes.
        widths: bits of each input and of each output; the first of them lies in the lowest bits of ``x`` and ``y``.
        latency: clock edges from ``x`` to ``y``; 0: no clock, a combinational module.
        notes: one line for its head.
    """
    writer = _Writer(circuit, latency)
    for number in circuit.needed():
        writer.cell(number)
    inputs, outputs = (sum(part) for part in widths)
    writer.outputs(widths[1])
    clock = "  input wire clk,\n" if latency else ""
    ports = f"{clock}  input wire [{inputs - 1}:0] x,\n  output wire [{outputs - 1}:0] y\n"
    head = f"// {notes}\n// Verilog-2001. Written by chop.\n"
    body = [*writer.inputs(widths[0]), *writer.lines, *writer.registers(), *writer.assigned]
    lines = "\n".join(f"  {line}" for line in body)
    return f"{head}module net (\n{ports});\n{lines}\nendmodule\n"


class _Writer:
    def __init__(self, circuit: Circuit, latency: int) -> None:
        self.circuit, self.latency = circuit, latency
        self.stages = stages_of(circuit, latency) if latency else {}
        self.lines: list[str] = []
        self.assigned: list[str] = []
        self.delayed: dict[int, int] = {}  # cell -> ranks of registers behind it

    def cell(self, number: int) -> None:
        """One declaration with its value."""
        cell = self.circuit[number]
        if cell.kind in ("input", "constant"):
            return
        stage = self.stages.get(number, 0)
        operands = [Operand(self.circuit[i], self.name(i, stage)) for i in cell.inputs]
        *before, value = TEXTS[cell.kind](f"n{number}", cell, *operands)
        self.lines += [*before, f"wire {bits_of(cell)} n{number} = {value};"]

    def name(self, number: int, stage: int) -> str:
        """A cell as it is in a stage: behind so many registers."""
        if number not in self.stages:
            return f"n{number}"
        ranks = stage - self.stages[number]
        self.delayed[number] = max(self.delayed.get(number, 0), ranks)
        return f"n{number}_{ranks}" if ranks else f"n{number}"

    def registers(self) -> list[str]:
        """All ranks: declarations, and the one block that moves them."""
        names, moves = [], []
        for number, ranks in sorted(self.delayed.items()):
            for rank in range(1, ranks + 1):
                names.append(f"reg {bits_of(self.circuit[number])} n{number}_{rank};")
                before = f"n{number}_{rank - 1}" if rank > 1 else f"n{number}"
                moves.append(f"  n{number}_{rank} <= {before};")
        return [*names, "always @(posedge clk) begin", *moves, "end"] if self.latency else []

    def inputs(self, widths: Sequence[int]) -> list[str]:
        """Slices of ``x`` and the constants."""
        lines, place = [], 0
        for number, width in zip(self.circuit.inputs, widths, strict=True):
            part = f"x[{place + width - 1}:{place}]"
            lines.append(f"wire {bits_of(self.circuit[number])} n{number} = {part};")
            place += width
        for number in self.circuit.needed():
            cell = self.circuit[number]
            if cell.kind == "constant":
                lines.append(f"wire {bits_of(cell)} n{number} = {fitting(cell.low)};")
        return lines

    def outputs(self, widths: Sequence[int]) -> None:
        """Fill the slices of ``y``, widened where they are wider than the number."""
        place = 0
        for number, width in zip(self.circuit.outputs, widths, strict=True):
            name = self.name(number, self.latency)
            cell = self.circuit[number]
            self.assigned.append(
                f"assign y[{place + width - 1}:{place}] = {Operand(cell, name).widened(width)};"
            )
            place += width
