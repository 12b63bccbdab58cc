"""One testbench for every circuit: packed rows in, packed rows out, both as hexadecimal words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def testbench(inputs: int, outputs: int, rows: int, latency: int) -> str:
    """Return the module ``testbench``: reads ``x.hex``, writes ``y.out``, a row a clock cycle.

    Args:
        inputs, outputs: bits of ``x`` and ``y``. rows: to run. latency: clock edges; 0 without a clock.
    """
    if latency:
        clock = "\n  reg clk = 1'b0;"
        port, wait = ".clk(clk), ", "#1 clk = 1'b1; #1 clk = 1'b0;"
    else:
        clock, port, wait = "", "", "#1;"
    return f"""// Runs net on the rows of x.hex and writes what comes out to y.out. Written by chop.
module testbench;
  reg [{inputs - 1}:0] rows [0:{rows - 1}];
  reg [{inputs - 1}:0] x;
  wire [{outputs - 1}:0] y;{clock}
  integer file, i;
  net dut ({port}.x(x), .y(y));
  initial begin
    $readmemh("x.hex", rows);
    file = $fopen("y.out", "w");
    for (i = 0; i < {rows + max(0, latency - 1)}; i = i + 1) begin
      x = rows[i < {rows} ? i : {rows - 1}];
      {wait}
      {f"if (i >= {latency - 1}) " if latency > 1 else ""}$fdisplay(file, "%h", y);
    end
    $fclose(file);
    $finish;
  end
endmodule
"""


def pack(codes: np.ndarray, widths: Sequence[int]) -> str:
    """Return rows of whole numbers as hexadecimal words, one a line; the first number in the lowest bits.

    >>> pack(np.array([[1, -1], [2, 0]]), [4, 4])
    'f1\\n02\\n'
    """
    digits = -(-sum(widths) // 4)
    lines = []
    for row in codes.tolist():
        word, place = 0, 0
        for value, width in zip(row, widths, strict=True):
            word |= (value & ((1 << width) - 1)) << place
            place += width
        lines.append(f"{word:0{digits}x}\n")
    return "".join(lines)


def unpack(text: str, widths: Sequence[int], signed: Sequence[bool]) -> np.ndarray:
    """Return the whole numbers of :func:`pack`, int64, shape [rows, numbers].

    >>> unpack("f1\\n02\\n", [4, 4], [False, True]).tolist()
    [[1, -1], [2, 0]]

    Raises:
        ValueError: a word is no number: an x or z of the simulator.
    """
    rows = []
    for line in text.split():
        word, row = int(line, 16), []
        for width, has_sign in zip(widths, signed, strict=True):
            value = word & ((1 << width) - 1)
            row.append(value - (1 << width) if has_sign and value >> (width - 1) else value)
            word >>= width
        rows.append(row)
    return np.array(rows, np.int64).reshape(len(rows), len(widths))
