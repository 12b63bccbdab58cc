"""Numbers and constant arrays as C++17, and the parts of the runtime that a network needs."""

from __future__ import annotations

from collections.abc import Set
from importlib.resources import files

import numpy as np

_WIDTH = 118  # of the lines of numbers


def kind_of(low: int, high: int) -> str:
    """Return the narrowest type of 8, 16, 32 or 64 bits that holds a range.

    >>> kind_of(-128, 127), kind_of(0, 128), kind_of(0, 2**31)
    ('int8_t', 'int16_t', 'int64_t')
    """
    bits = next(b for b in (8, 16, 32, 64) if -(1 << (b - 1)) <= low and high < 1 << (b - 1))
    return f"int{bits}_t"


def array(name: str, values: np.ndarray) -> str:
    """Return the definition of a constant array."""
    flat = values.reshape(-1)
    if values.dtype == np.float32:
        kind, words = "float", [number(v) for v in flat]
    else:
        kind, words = kind_of(int(flat.min()), int(flat.max())), [str(v) for v in flat.tolist()]
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 1 > _WIDTH:
            lines.append(line)
            line = ""
        line += f"{word},"
    return f"constexpr {kind} {name}[{len(flat)}] = {{\n" + "\n".join([*lines, line.rstrip(",")]) + "};"


def number(value: float) -> str:
    """Return a float32 as a literal that is exact.

    >>> number(np.float32(0.5)), number(np.float32(-3)), number(np.float32("inf"))
    ('0.5f', '-3.0f', 'HUGE_VALF')
    """
    v = float(value)
    if not np.isfinite(v):
        return "NAN" if np.isnan(v) else "HUGE_VALF" if v > 0 else "-HUGE_VALF"
    short = repr(v)
    if len(short) <= 8 and "e" not in short:
        return f"{short}f"
    digits, _, power = v.hex().partition("p")
    return f"{digits.rstrip('0').rstrip('.')}p{power}f"


def pieces(uses: Set[str]) -> str:
    """The parts of the runtime that a network needs: ``//@if name`` and ``//@end`` enclose them.

    What ``//@if never`` encloses is for readers of the source.
    """
    kept, open_ = list[str](), list[bool]()
    for line in files("chop.export").joinpath("cpp_runtime.h").read_text(encoding="utf-8").splitlines():
        mark, _, name = line.strip().partition(" ")
        if mark == "//@if":
            open_.append(name in uses)
        elif mark == "//@end":
            open_.pop()
        elif all(open_):
            kept.append(line)
    return "\n".join(kept)
