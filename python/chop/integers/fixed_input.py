"""An integer net whose input is fixed-point numbers: what stands before the first quantizer is whole numbers too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chop.integers.execute import execute
from chop.integers.net import IntegerNet, NotIntegerError, Operation, Tensor
from chop.integers.parts import chain_before, one_number_a_channel
from chop.integers.steps import thresholds
from chop.nn.quantizers import IntegerFormat


def with_fixed_input(net: IntegerNet, format: IntegerFormat) -> IntegerNet:
    """Return a net that first brings its input to a format and then computes with its codes only.

    It equals the net on every input that lies on the grid of the format.

    Args:
        net: of :func:`~chop.integers.integer_net`.
        format: of the input; its scale must be one that float32 holds the codes of: 24 bits at most.

    Raises:
        NotIntegerError: what stands before a quantizer is not elementwise, or wraps.
    """
    if format.width > 24:
        raise NotIntegerError(net.operations[0].node, f"an input of {format.width} bits; float32 holds 24")
    first = net.operations[0]
    fixed = replace(
        first.output, name=_unused(net), frac_width=format.frac_width, low=format.qmin, high=format.qmax
    )
    rule = {"width": format.width, "rounding": format.rounding, "overflow": format.overflow}
    operations = [first, Operation("quantize", (first.output.name,), fixed, first.node, {}, rule)]
    for op in net.operations[1:]:
        operations.append(_behind(net, op, fixed, format) if op.kind == "quantize" else op)
    return IntegerNet(tuple(operations), net.output, net.fuses_batch_norm)


def _unused(net: IntegerNet) -> str:
    names = {op.output.name for op in net.operations}
    name = f"{net.operations[0].output.name}_fixed"
    while name in names:
        name += "_"
    return name


def _behind(net: IntegerNet, op: Operation, fixed: Tensor, format: IntegerFormat) -> Operation:
    """What gives the codes of a quantizer from those of the input."""
    chain = chain_before(net, op)
    if chain is None:
        raise NotIntegerError(op.node, "what stands before its quantizer moves numbers: take codes as input")
    if not chain:
        shift = format.frac_width - int(op.output.frac_width or 0)
        settings = {"shift": shift, **{key: op.settings[key] for key in ("rounding", "overflow", "width")}}
        return Operation("requantize", (fixed.name,), op.output, op.node, {}, settings)
    if op.settings["overflow"] == "wrap":
        raise NotIntegerError(op.node, "thresholds need a monotone function; wrapping is none")
    channels = fixed.shape[0]
    entry = replace(net.operations[0], output=replace(net.operations[0].output, shape=(channels,)))
    part = tuple(one_number_a_channel(each) for each in (entry, *chain, op))
    alone = IntegerNet(part, part[-1].output, net.fuses_batch_norm)

    def codes(v: np.ndarray) -> np.ndarray:
        return execute(alone, v.T.astype(np.float32) * np.float32(2.0**-format.frac_width)).T

    ends = np.full(channels, fixed.low), np.full(channels, fixed.high)
    sign, first, steps = thresholds(codes, *ends)
    constants = {"sign": sign, "first": first, "steps": steps}
    return Operation("thresholds", (fixed.name,), op.output, op.node, constants)
