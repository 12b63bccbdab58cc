"""An operation is two rows, one in C++ and one in Python; they must say the same."""

from __future__ import annotations

import pytest
from torch import nn

from chop import _core
from chop.ir.graph.lowering import _LOWERING
from chop.ir.graph.ops import OP_ROWS, QUANTIZEABLE_OP
from chop.nn.quantizers import OPERANDS, QUANTIZERS

CORE = _core.op_table()
EXAMPLES: dict[str, list[nn.Module]] = {
    "linear": [nn.Linear(3, 2), nn.Linear(3, 2, bias=False)],
    "batch_norm1d": [nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False)],
    "relu": [nn.ReLU()],
    "identity": [nn.Identity()],
    "dropout": [nn.Dropout()],
}


def test_every_core_operation_is_reached_from_python() -> None:
    assert {op for op, _ in _LOWERING.values()} == set(CORE) - {"input"}


def test_every_lowered_operation_is_in_the_python_table() -> None:
    assert set(_LOWERING) <= {row.mase_op for row in OP_ROWS}


@pytest.mark.parametrize("mase_op", sorted(_LOWERING))
def test_lowering_brings_what_the_core_asks_for(mase_op: str) -> None:
    op, parts = _LOWERING[mase_op]
    row = CORE[op]
    assert mase_op in EXAMPLES, f"add an example module for {mase_op}"
    for module in EXAMPLES[mase_op]:
        parameters, attributes = parts(module)
        assert set(row["required"]) <= set(parameters) <= {*row["required"], *row["optional"]}
        assert set(attributes) == set(row["attributes"])


@pytest.mark.parametrize("mase_op", sorted(_LOWERING))
def test_operands_are_the_same_on_both_sides(mase_op: str) -> None:
    python = [operand.name for operand in OPERANDS.get(mase_op, ())]
    assert python == CORE[_LOWERING[mase_op][0]]["operands"]


def test_what_the_core_quantizes_can_be_quantized_in_python() -> None:
    quantizable = {op for op, row in CORE.items() if row["operands"]}
    assert quantizable == {_LOWERING[name][0] for name in QUANTIZEABLE_OP if name in _LOWERING}


def test_native_quantizers_have_a_python_twin() -> None:
    assert set(_core.quantizers()) <= set(QUANTIZERS)
    assert "integer" in _core.quantizers()
