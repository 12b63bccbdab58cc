"""An operation is two rows, one in C++ and one in Python; they must say the same."""

from __future__ import annotations

import pytest

from chop import _core
from chop.ir.graph.lowering_rules import LOWERING
from chop.ir.graph.ops import OP_ROWS, QUANTIZEABLE_OP
from chop.nn.quantizers import OPERANDS, QUANTIZERS

CORE = _core.op_table()
# Operands of the core that are parameters or the second input, under the names that a config uses.
LOWERED_QUANTIZABLE = sorted(set(QUANTIZEABLE_OP) & set(CORE))


def test_every_lowered_operation_is_in_the_python_table() -> None:
    assert set(LOWERING) <= {row.mase_op for row in OP_ROWS}


def test_every_quantizable_operation_is_lowered() -> None:
    assert set(QUANTIZEABLE_OP) <= set(CORE)
    assert set(QUANTIZEABLE_OP) <= set(LOWERING)


@pytest.mark.parametrize("mase_op", LOWERED_QUANTIZABLE)
def test_operands_are_the_same_on_both_sides(mase_op: str) -> None:
    assert [operand.name for operand in OPERANDS[mase_op]] == CORE[mase_op]["operands"]


def test_what_the_core_quantizes_can_be_quantized_in_python() -> None:
    quantizable = {op.removesuffix("_scalar") for op, row in CORE.items() if row["operands"]}
    assert quantizable == set(QUANTIZEABLE_OP)


def test_native_quantizers_have_a_python_twin() -> None:
    assert set(_core.quantizers()) <= set(QUANTIZERS)
    assert "integer" in _core.quantizers()
