"""An integer net as the layers that hls4ml builds a project of: every type and accumulator is stated, none inferred."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import Any

from chop.export import hls4ml_windows
from chop.export.hls4ml_batch_norm import line
from chop.export.hls4ml_places import Layers, Place
from chop.export.hls4ml_types import FixedType, exact, numbers, of_quantizer, of_values
from chop.integers import IntegerNet, NotIntegerError, Operation
from chop.integers.net import Tensor


def hls4ml_layers(net: IntegerNet) -> Layers:
    """Return the layers of a network of linear layers, convolutions, pools, batch norms, ReLUs and branches.

    Raises:
        NotIntegerError: what hls4ml's layers cannot say exactly.
    """
    made, places, first = Layers(), dict[str, Place](), net.operations[0].output
    tensors = {op.output.name: op for op in net.operations}
    inputs = {first.name}
    for op in net.operations[1:]:
        sources = [tensors[name] for name in op.inputs]
        if op.kind == "reshape" and inputs.issuperset(op.inputs):
            inputs.add(op.output.name)
            continue
        if op.kind == "quantize":
            if not inputs.issuperset(op.inputs):
                raise NotIntegerError(op.node, "the first quantizer must read the input")
            places[op.output.name] = _quantized(made, op, first)
            continue
        if op.kind not in _KINDS and op.kind not in _MERGES:
            raise NotIntegerError(op.node, _REASONS.get(op.kind, f"{op.kind} is none of its layers here"))
        for source in sources:
            if source.settings.get("rounded") and op.kind not in {"reshape", "value"}:
                raise NotIntegerError(
                    op.node, f"the sums of {source.node} pass 2^24, where float32 rounds them"
                )
        at = [places[name] for name in op.inputs]
        if op.kind in _MERGES:
            places[op.output.name] = _MERGES[op.kind](made, op, [s.output for s in sources], at)
        else:
            places[op.output.name] = _KINDS[op.kind](made, op, sources[0].output, at[0])
    if not made.types:
        raise NotIntegerError(net.output.name, "a quantized layer is needed")
    _end(made, places[net.output.name])
    return made


def _end(made: Layers, at: Place) -> None:
    """The output is the last layer, in chop's order, and no mere reshape, which hls4ml removes."""
    at = made.natural(at)
    if at.layer != made.rows[-1]["name"] or made.rows[-1]["class_name"] == "Reshape":
        wider = FixedType(
            at.type.width + 1, at.type.frac_width, at.type.is_signed
        )  # an equal one is removed, too
        made.activation(at, wider)


def _quantized(made: Layers, op: Operation, first: Tensor) -> Place:
    """The input: its type is the first quantizer."""
    to = of_quantizer(op)
    if not made.rows:
        return made.add("InputLayer", [], {"result": to}, first.shape, input_shape=list(first.shape))
    name = made.rows[0]["name"]
    if made.types[name]["result"] != str(to):
        raise NotIntegerError(op.node, "the input has two formats, and its type can be one of them")
    return Place(name, to, first.shape)


def _linear(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    weight, bias = op.constants["weight"], op.constants["bias"]
    rows, columns = weight.shape
    frac = int(op.output.frac_width or 0)
    products = frac - int(x.frac_width or 0)
    sums = FixedType(op.settings["bits"], frac)
    types = {
        "weight": of_values(weight, products),
        "bias": of_values(bias, frac),
        "accum": sums,
        "result": sums,
    }
    data: dict[str, Any] = {"bias_data": numbers(bias, frac), "use_bias": True}
    positions = op.output.size // rows
    if positions == 1:
        weight = weight[:, at.order]
        data |= {"weight_data": numbers(weight.T, products), "n_in": columns, "n_out": rows}
        return made.add("Dense", [made.shaped(at, (columns,))], types, (rows,), **data)
    # On sequences: a convolution of width 1 whose channels are the features.
    at = made.shaped(made.natural(at), (positions, columns))
    sizes = {"in_width": positions, "out_width": positions, "n_chan": columns, "n_filt": rows}
    sizes |= {"filt_width": 1, "stride_width": 1, "pad_left": 0, "pad_right": 0}
    data |= {"weight_data": numbers(weight.T[None], products), "data_format": "channels_last"}
    return made.add("Conv1D", [at], types, (positions, rows), **sizes, **data)


def _clamp(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    o, frac = op.output, int(op.output.frac_width or 0)
    function = "relu" if o.high == x.high else _with_top(op, lambda top: Fraction(top) * Fraction(2) ** frac)
    if o.low != 0:
        raise _no_clamp(op)
    return made.activation(at, exact(o.low, o.high, frac), function)


def _requantize(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    to, o, function = of_quantizer(op), op.output, "linear"
    if to.overflow == "SAT":
        ends = [_shifted(Fraction(code), op) for code in (x.low, x.high)]
        if ends[0] < o.low != to.low and o.low != 0:
            raise _no_clamp(op)
        if x.low < 0 and o.low == 0:
            function = "relu"
        if ends[1] > o.high != to.high:
            frac = int(x.frac_width or 0)
            function = _with_top(op, lambda top: _shifted(Fraction(top) * Fraction(2) ** frac, op))
            if o.low != 0:
                raise _no_clamp(op)
    return made.activation(at, to, function)


def _with_top(op: Operation, code_of: Callable[[int], Fraction | int]) -> str:
    """hls4ml's ReLU that ends where an operation does."""
    for top, function in ((1, "relu1"), (6, "relu6")):
        if code_of(top) == op.output.high:
            return function
    raise _no_clamp(op)


def _no_clamp(op: Operation) -> NotIntegerError:
    o = op.output
    return NotIntegerError(
        op.node, f"it has no clamp to the codes {o.low}..{o.high}, only ReLU, ReLU1 and ReLU6"
    )


def _shifted(code: Fraction, op: Operation) -> int:
    """A code after the shift and the rounding, before it is brought into range."""
    grid = code / Fraction(2) ** int(op.settings["shift"])
    half_up = floor(grid + Fraction(1, 2))
    return {"half_even": round(grid), "floor": floor(grid), "half_up": half_up}[op.settings["rounding"]]


def _same(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    """The numbers stay where they are."""
    return at


def _merged(made: Layers, op: Operation, parts: list[Tensor], at: list[Place]) -> Place:
    """Sum, difference or product of two branches: exact, since its type holds the range."""
    if any(place.size != op.output.size for place in at):
        raise NotIntegerError(op.node, f"its {op.kind} repeats no numbers")
    a, b = at
    if a.channels_first != b.channels_first:
        a, b = made.natural(a), made.natural(b)
    b = made.shaped(b, a.shape)
    o = op.output
    types = {"result": exact(o.low, o.high, int(o.frac_width or 0))}
    name = {"add": "add", "sub": "subtract", "mul": "multiply"}[op.kind]
    return made.add("Merge", [a, b], types, a.shape, a.channels_first, op=name)


def _cat(made: Layers, op: Operation, parts: list[Tensor], at: list[Place]) -> Place:
    """Two by two; channels behind channels where they lie last."""
    axis, o = int(op.settings["axis"]), op.output
    rank = len(o.shape)
    if rank > 3:
        raise NotIntegerError(op.node, f"it joins tensors of three axes at most, not {rank}")
    last = axis == 0 and rank > 1
    if last:
        axis, placed = rank - 1, [made.channels_last(p, t.shape) for p, t in zip(at, parts, strict=True)]
    else:
        placed = [made.shaped(made.natural(p), t.shape) for p, t in zip(at, parts, strict=True)]
    types = {"result": exact(o.low, o.high, int(o.frac_width or 0))}
    joined, *more = placed
    for part in more:
        shape = list(joined.shape)
        shape[axis] += part.shape[axis]
        words = {"axis": axis + 1, "op": f"concatenate{rank}d"}
        joined = made.add("Concatenate", [joined, part], types, shape, o.shape if last else None, **words)
    return joined


_KINDS: dict[str, Callable[[Layers, Operation, Tensor, Place], Place]] = {
    "linear": _linear,
    "conv": hls4ml_windows.convolution,
    "max_pool": hls4ml_windows.pool,
    "sum_pool": hls4ml_windows.pool,
    "clamp": _clamp,
    "requantize": _requantize,
    "multiply_add_shift": line,
    "reshape": _same,
    "shift": _same,
    "value": _same,
}
_MERGES = {"add": _merged, "sub": _merged, "mul": _merged, "cat": _cat}
_REASONS = {
    "affine": "a batch norm of floats is fixed point there: outputs would be equal to about 1e-6 only",
    "float": "float functions are fixed point there",
    "thresholds": "no line gives the codes of this batch norm, and it has no thresholds",
    "gather": "it cuts, pads or permutes, which is none of its layers here",
}
