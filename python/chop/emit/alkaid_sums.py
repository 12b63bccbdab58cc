"""The sums of a layer with the adders that alkaid finds: sub-sums that several rows share are made once.

alkaid (Sun et al., "da4ml: Distributed Arithmetic for Real-time Neural Networks on FPGAs", arXiv:2507.04535) only says
what to add; the circuit is ours, and nothing of alkaid goes into what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chop.emit.cells import Circuit, CircuitError
from chop.emit.sums import Sums, register
from chop.emit.terms import Term, add_terms

_EXACT = 1 << 24  # alkaid takes weights as float32
_INPUT, _ADD, _SUBTRACT, _NEGATE = -1, 0, 1, -2


@register
class Alkaid(Sums):
    """alkaid's solver of constant matrices."""

    name = "alkaid"
    packages = ("alkaid",)

    def add(self, circuit: Circuit, weight: np.ndarray, x: Sequence[int]) -> list[Term | None]:
        """Add ``weight @ x``; see :meth:`chop.emit.sums.Sums.add`."""
        from alkaid.cmvm import cmvm_solve

        if not weight.any():
            return [None] * len(weight)
        if np.abs(weight).max() >= _EXACT:
            raise CircuitError(f"a weight of {int(np.abs(weight).max()):,}; alkaid takes less than 2^24")
        used = np.flatnonzero(weight.any(0)).tolist()
        kernel = np.ascontiguousarray(weight[:, used].T.astype(np.float32))
        intervals = [(float(circuit[x[i]].low), float(circuit[x[i]].high), 1.0) for i in used]
        terms: list[Term | None] = [Term(x[i]) for i in used]
        for part in cmvm_solve(kernel, qintervals=intervals):
            terms = _part(circuit, part, terms)
        return terms


def _part(circuit: Circuit, part: Any, inputs: list[Term | None]) -> list[Term | None]:
    """Add the cells of one of alkaid's programs."""
    made: list[Term | None] = []
    for op in part.ops:
        if op.opcode == _INPUT:
            made.append(_moved(inputs[op.data[0]], part.inp_shifts[op.data[0]], False))
        elif op.opcode in (_ADD, _SUBTRACT):
            right = _moved(made[op.addr[1]], op.data[0], op.opcode == _SUBTRACT)
            made.append(_added(circuit, made[op.addr[0]], right))
        elif op.opcode == _NEGATE:
            made.append(_moved(made[op.addr[0]], 0, True))
        else:
            raise CircuitError(f"alkaid's operation {op.opcode} is none that sums are made of")
    outputs = zip(part.out_idxs, part.out_shifts, part.out_negs, strict=True)
    return [None if i < 0 else _moved(made[i], bits, bool(minus)) for i, bits, minus in outputs]


def _moved(term: Term | None, bits: int, minus: bool) -> Term | None:
    return None if term is None else term.shifted(int(bits)).times(minus)


def _added(circuit: Circuit, a: Term | None, b: Term | None) -> Term | None:
    if a is None or b is None:
        return a if b is None else b
    return add_terms(circuit, a, b)
