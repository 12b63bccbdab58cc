"""Which operands of each operation a quantizer touches: the table behind layers, passes, evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand of a quantized operation.

    Args:
        name: prefix of its config keys (``weight`` -> ``weight_width``).
        is_signed: False where the values cannot be negative after the operation (input of a ReLU, as in
            MASE).
        fallback: operand whose fields serve when this one has none of its own.
    """

    name: str
    is_signed: bool = True
    fallback: str | None = None


_DATA_IN = Operand("data_in")
_WEIGHT = Operand("weight")
_BIAS = Operand("bias", fallback="weight")

# A row here, plus a layer or a function under chop.nn.quantized, makes an operation quantizable everywhere.
OPERANDS: Mapping[str, tuple[Operand, ...]] = MappingProxyType(
    {
        "linear": (_DATA_IN, _WEIGHT, _BIAS),
        "relu": (Operand("data_in", is_signed=False),),
    }
)

# Every prefix a config may carry; one config can serve several operations, so unused ones are fine.
OPERAND_NAMES = ("data_in", "weight", "bias")
