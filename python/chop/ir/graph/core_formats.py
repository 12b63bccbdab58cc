"""Formats of a config's nodes as the core takes them, and what no evaluation by rows can compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from chop import _core
from chop.nn.quantizers import QUANTIZERS, ElementFormat, IntegerFormat, NumberFormat
from chop.nn.quantizers.number_format import FIRST_DIM
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.ir.graph.quantize_config import NodeRule

Format = IntegerFormat | ElementFormat | NumberFormat
CoreOperand = (
    tuple[int | list[int], int | list[int], bool, str, str] | tuple[str, list[float], list[int], int]
)
CoreNode = tuple[str, str, dict[str, CoreOperand]]
_UNKNOWN_DIMS = (2, 3, 4)


@cache
def native_quantizers() -> frozenset[str]:
    """Names of the quantizers that the core computes itself."""
    return frozenset(_core.quantizers()) | frozenset(
        name for name in _core.value_formats() if name in QUANTIZERS
    )


def is_native(rule: NodeRule, shapes: Sequence[Sequence[int]]) -> bool:
    """Whether the core computes a quantized node itself.

    Args:
        rule: of the node.
        shapes: of the node's inputs, the batch first.
    """
    if rule.quantizer not in native_quantizers():
        return False
    if QUANTIZERS[str(rule.quantizer)].broadcasts and rule.mase_op in ("add", "sub", "mul"):
        return len({tuple(shape[1:]) for shape in shapes}) < 2  # the core brings no operands to one shape
    return True


def refuse_by_rows(rule: NodeRule, dims: Mapping[str, int]) -> None:
    """Raise ConfigError for formats that depend on chance, or share a block between rows of data.

    Args:
        rule: of a quantized node.
        dims: operand -> its number of dimensions, of those that are data; empty if that is not known.
    """
    for operand, format in (rule.formats or {}).items():
        if not isinstance(format, NumberFormat):
            continue
        where = f"evaluator: node {rule.node}: {operand}"
        if format.is_random:
            raise ConfigError(f"{where} is rounded by chance, and an evaluation must be repeatable")
        if operand in dims:
            known: Sequence[int] = (dims[operand],)
        elif operand == "data_in":
            known = _UNKNOWN_DIMS
        else:
            continue
        if any(format.mixes_rows(each) for each in known):
            raise ConfigError(
                f"{where}: the blocks of {format} hold numbers of several rows of data, and a row must not depend on "
                "the others: give the block size 1 in the first dimension, e.g. [1, 16], or a scale of its own"
            )


def core_node(node: str, quantizer: str, formats: Mapping[str, Format]) -> CoreNode:
    """Return a node with the formats of its operands as the core takes them.

    Raises:
        ConfigError: the core has no such quantizer.
    """
    if quantizer not in native_quantizers():
        raise ConfigError(
            f"evaluator: node {node} uses the quantizer {quantizer!r}, which has no native twin; "
            f"native: {', '.join(sorted(native_quantizers()))}"
        )
    if any(not isinstance(format, NumberFormat) for format in formats.values()):
        quantizer = quantizer if quantizer in _core.quantizers() else "integer"  # of the operands on grids
    return node, quantizer, {name: core_operand(format) for name, format in formats.items()}


def core_operand(f: Any) -> CoreOperand:
    """Return a format as the core takes it."""
    if isinstance(f, NumberFormat):
        return f.name, list(f.numbers), list(f.block_size), FIRST_DIM.index(f.first_dim)
    if isinstance(f, ElementFormat):
        numbers = f.widths.ravel().tolist(), f.frac_widths.ravel().tolist()
        return *numbers, f.is_signed, f.rounding, f.overflow
    return f.width, f.frac_width, f.is_signed, f.rounding, f.overflow


def by_values(rule: NodeRule) -> bool:
    """Whether a quantized node has an operand whose format is no fixed-point grid."""
    return any(isinstance(format, NumberFormat) for format in (rule.formats or {}).values())
