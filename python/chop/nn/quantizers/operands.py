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
        arguments: the arguments of a node that it stands for, as metadata names them; None means ``name``
            itself and ``name_0``, ``name_1``, …
        axis: what formats of single channels go along: an axis of the operand; None: it has one format only.
    """

    name: str
    is_signed: bool = True
    fallback: str | None = None
    arguments: tuple[str, ...] | None = None
    axis: int | None = None

    def covers(self, argument: str) -> bool:
        """True if the metadata entry ``argument`` of a node is this operand.

        >>> Operand("data_in").covers("data_in_1"), Operand("weight").covers("bias")
        (True, False)
        """
        if self.arguments is not None:
            return argument in self.arguments
        return argument == self.name or argument.startswith(f"{self.name}_")


# Rows come first, then features or channels; a linear layer takes features from the last axis.
_DATA_IN = Operand("data_in", axis=1)
_WEIGHT = Operand("weight", axis=0)
_BIAS = Operand("bias", fallback="weight", axis=0)


def _layer(axis: int) -> tuple[Operand, ...]:
    return Operand("data_in", axis=axis), _WEIGHT, _BIAS


# The second factor of a product has the weight's format, as in MASE.
_PRODUCT = (Operand("data_in", arguments=("data_in_0",)), Operand("weight", arguments=("data_in_1",)))

# A row here, plus a layer or a function under chop.nn.quantized, makes an operation quantizable everywhere.
OPERANDS: Mapping[str, tuple[Operand, ...]] = MappingProxyType(
    {
        "add": (_DATA_IN,),
        "bmm": _PRODUCT,
        "conv1d": _layer(-2),
        "conv2d": _layer(-3),
        "matmul": _PRODUCT,
        "mul": (_DATA_IN,),
        "linear": _layer(-1),
        "relu": (Operand("data_in", is_signed=False, axis=1),),
        "sub": (_DATA_IN,),
    }
)

# Every prefix a config may carry; one config can serve several operations, so unused ones are fine.
OPERAND_NAMES = ("data_in", "weight", "bias")

# What exists as a layer; the others are functions only.
LAYER_OPS = frozenset({"conv1d", "conv2d", "linear", "relu"})
