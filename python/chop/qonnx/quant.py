"""A Quant node as one of chop's formats, and the parameters of a layer on theirs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from chop.nn.quantizers import IntegerFormat
from chop.nn.quantizers.format import FRAC_WIDTH_RANGE, WIDTH_RANGE
from chop.nn.quantizers.integer import integer_quantizer
from chop.qonnx.file import QUANTS, Node, QonnxGraph

ROUNDINGS = {"ROUND": "half_even", "HALF_EVEN": "half_even", "FLOOR": "floor"}
_MOST_BITS = WIDTH_RANGE[1]


def format_of(graph: QonnxGraph, node: Node, is_parameter: bool = False) -> IntegerFormat:
    """Return the format that a Quant node rounds to.

    Args:
        graph: of the file. node: a Quant.
        is_parameter: whether it rounds constants, of which a narrow range is known to leave the lowest code out.

    Raises:
        UnreadableError: no format of chop says the same.
    """
    if node.op == "BipolarQuant":
        raise node.refuse("is -1/+1, which no format of chop says: one signed bit is -1/0")
    scale, zero, bits = (_number(graph, node, place) for place in (1, 2, 3))
    mantissa, exponent = math.frexp(scale)
    if mantissa != 0.5:
        raise node.refuse(f"its scale {scale:g} is no power of two")
    if zero:
        raise node.refuse(f"its zero point is {zero:g}; formats of chop have none but 0")
    width, frac = int(bits), 1 - exponent
    if width != bits or not WIDTH_RANGE[0] <= width <= _MOST_BITS:
        raise node.refuse(f"its width must be {WIDTH_RANGE[0]} to {_MOST_BITS} whole bits, got {bits:g}")
    if not FRAC_WIDTH_RANGE[0] <= frac <= FRAC_WIDTH_RANGE[1]:
        raise node.refuse(f"its scale {scale:g} has {frac} fraction bits; -64 to 64 are possible")
    if not {"signed", "narrow"} <= set(node.attributes):
        raise node.refuse("does not say whether it is signed and narrow")
    signed, narrow = bool(node.whole("signed", 1)), bool(node.whole("narrow", 0))
    if signed and width == 1:
        raise node.refuse("one signed bit is -1/+1 in QONNX, -1/0 in chop")
    if narrow and not is_parameter:
        raise node.refuse("its range is narrow, which no format of chop says")
    rounding = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if rounding not in ROUNDINGS:
        raise node.refuse(f"rounds {rounding}; of QONNX' modes chop has {', '.join(ROUNDINGS)}")
    return IntegerFormat(width, frac, signed, ROUNDINGS[rounding])


def _number(graph: QonnxGraph, node: Node, place: int) -> float:
    what = ("scale", "zero point", "width")[place - 1]
    name = node.inputs[place] if len(node.inputs) > place else ""
    if name not in graph.constants:
        raise node.refuse(f"its {what} is no constant")
    values = np.unique(graph.constants[name])
    if len(values) != 1:
        raise node.refuse(f"has {len(values)} different values as {what}; chop has one a tensor")
    return float(values[0])


def as_signed(format: IntegerFormat) -> IntegerFormat | None:
    """Return the signed format that holds all codes of one, None where it would need too many bits."""
    if format.is_signed:
        return format
    return replace(format, width=format.width + 1, is_signed=True) if format.width < _MOST_BITS else None


def parameter_of(graph: QonnxGraph, node: Node, name: str) -> tuple[np.ndarray, IntegerFormat | None]:
    """Return the numbers of a weight or bias, float32, and its format if it has a Quant.

    Args:
        graph: of the file. node: the layer. name: of the value that it reads.

    Raises:
        UnreadableError: it is no constant, or no format says what its Quant does.
    """
    turns: list[Node] = []
    while name not in graph.constants:
        maker = graph.producers.get(name)
        if maker is None or maker.op not in ("Transpose", "Identity", *QUANTS):
            raise node.refuse(f"{name!r} is no constant, so it cannot be a weight or bias")
        turns.append(maker)
        name = maker.inputs[0] if maker.inputs else ""
    values, format = graph.constants[name], None
    if values.dtype != np.float32:
        raise node.refuse(f"its numbers {name!r} are {values.dtype}, not float32")
    for maker in reversed(turns):
        if maker.op == "Transpose":
            values = np.transpose(values, maker.wholes("perm", list(range(values.ndim))[::-1]))
        elif maker.op != "Identity":
            if format is not None:
                raise maker.refuse("is the second Quant of one parameter")
            values, format = _rounded(graph, maker, values)
    return np.ascontiguousarray(values), format


def _rounded(graph: QonnxGraph, quant: Node, values: np.ndarray) -> tuple[np.ndarray, IntegerFormat]:
    """The values as trained where chop's format rounds them as the Quant does, else those on the grid."""
    stated = format_of(graph, quant, is_parameter=True)
    low, high = stated.qmin, stated.qmax
    if quant.whole("narrow", 0):
        low, high = (low + 1, high) if stated.is_signed else (low, high - 1)
    with np.errstate(over="ignore"):
        clipped = np.clip(values / np.float32(stated.scale), np.float32(low), np.float32(high))
    whole = np.floor(clipped) if stated.rounding == "floor" else np.rint(clipped)
    on_grid = whole * np.float32(stated.scale)
    format = as_signed(stated)
    if format is None:
        raise quant.refuse(f"chop's weights are signed, and {stated.width + 1} bits are too many")
    same = np.array_equal(_quantized(values, format), on_grid)
    return (values if same else on_grid), format


def _quantized(values: np.ndarray, f: IntegerFormat) -> np.ndarray:
    return np.asarray(integer_quantizer(values, f.width, f.frac_width, f.is_signed, f.rounding, f.overflow))


def exact_format(values: np.ndarray) -> IntegerFormat | None:
    """Return the narrowest format that holds numbers exactly, None where it would need more than 32 bits.

    >>> exact_format(np.array([0.75, -3.0], np.float32))
    IntegerFormat(width=5, frac_width=2, is_signed=True, rounding='half_even', overflow='saturate')
    """
    given = values[values != 0].astype(np.float64)
    if not given.size:
        return IntegerFormat(2, 0)
    mantissas, exponents = np.frexp(given)
    codes = np.abs(mantissas * 2.0**53).astype(np.int64)  # float32 numbers end in zeros here
    zeros = np.log2((codes & -codes).astype(np.float64)).astype(int)
    frac = int((53 - exponents - zeros).max())
    if not FRAC_WIDTH_RANGE[0] <= frac <= FRAC_WIDTH_RANGE[1] or exponents.max() + frac >= _MOST_BITS:
        return None
    largest = int(np.abs(given * 2.0**frac).max())
    return IntegerFormat(max(2, largest.bit_length() + 1), frac)


def holds(format: IntegerFormat, values: np.ndarray) -> bool:
    """Whether a format leaves numbers as they are."""
    return np.array_equal(_quantized(values.astype(np.float32), format), values)
