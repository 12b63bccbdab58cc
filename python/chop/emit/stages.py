"""Where registers go: cells are told off to stages of about equal depth, in the order of their inputs."""

from __future__ import annotations

from chop.emit.cells import Cell, Circuit

# About how long a cell takes, an adder of some bits being 1.
_DELAYS = {"input": 0.0, "constant": 0.0, "sum": 1.0, "round": 1.0, "clamp": 0.7, "stairs": 1.0, "wrap": 0.0}
_SLOW = {"segments": 1.3, "larger": 1.2, "product": 3.0}


def _delay(cell: Cell) -> float:
    if cell.kind == "round" and cell.rounding == "floor":
        return 0.0
    return _DELAYS.get(cell.kind, _SLOW.get(cell.kind, 1.0))


def stages_of(circuit: Circuit, latency: int) -> dict[int, int]:
    """Return cell -> stage, 0 to ``latency - 1``; constants, which need none, are left out.

    A cell's stage is never before that of its inputs. Behind each stage stands a rank of registers.

    >>> c = Circuit()
    >>> a = c.input(0, 7)
    >>> b = c.sum(a, 0, a, 1, False)
    >>> c.outputs.append(c.sum(b, 0, a, 0, True))
    >>> stages_of(c, 2)
    {0: 0, 1: 0, 2: 1}
    """
    ends: dict[int, float] = {}
    for number in circuit.needed():
        cell = circuit[number]
        start = max((ends[i] for i in cell.inputs), default=0.0)
        ends[number] = start + _delay(cell)
    deepest = max((ends[number] for number in circuit.outputs), default=0.0) or 1.0
    found: dict[int, int] = {}
    for number, end in ends.items():
        cell = circuit[number]
        if cell.kind == "constant":
            continue
        middle = end - _delay(cell) / 2
        stage = min(latency - 1, int(middle / deepest * latency))
        found[number] = max([stage, *(found[i] for i in cell.inputs if i in found)])
    return found
