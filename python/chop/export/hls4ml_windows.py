"""Convolutions and pools as hls4ml's layers: channels last, kernels without groups and dilation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chop.export.hls4ml_places import Layers, Place
from chop.export.hls4ml_types import FixedType, exact, numbers, of_values
from chop.integers import NotIntegerError, Operation
from chop.integers.net import Tensor

# hls4ml writes one for each number of each window: up to 13 kB of g++'s memory each.
_MOST_STATEMENTS = 1 << 19


def convolution(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    """A convolution of any groups and dilation: where the kernel has none of a channel or a position it is zero."""
    s, frac = op.settings, int(op.output.frac_width or 0)
    products = frac - int(x.frac_width or 0)
    weight = _without_dilation(_without_groups(op.constants["weight"], int(s["groups"])), s["dilation"])
    kernel, bias = weight.shape[2:], op.constants["bias"]
    made.statements += weight[0].size * int(np.prod(op.output.shape[1:]))
    if made.statements > _MOST_STATEMENTS:
        raise NotIntegerError(
            op.node,
            f"up to here the windows are {made.statements:,} statements, and g++ gets {_MOST_STATEMENTS:,} at most",
        )
    sizes = zip(x.shape[1:], op.output.shape[1:], kernel, s["stride"], strict=True)
    pads = [_pads(*each, int(before)) for each, before in zip(sizes, s["padding"][::2], strict=True)]
    columns = _sides("in_{}", x.shape[1:]) | _sides("out_{}", op.output.shape[1:])
    columns |= _sides("filt_{}", kernel) | _sides("stride_{}", s["stride"]) | _named(pads)
    sums = FixedType(s["bits"], frac)
    types = {
        "weight": of_values(weight, products),
        "bias": of_values(bias, frac),
        "accum": sums,
        "result": sums,
    }
    return made.add(
        f"Conv{len(kernel)}D",
        [made.channels_last(at, x.shape)],
        types,
        (*op.output.shape[1:], op.output.shape[0]),
        op.output.shape,
        n_chan=x.shape[0],
        n_filt=len(weight),
        weight_data=numbers(np.moveaxis(weight, (0, 1), (-1, -2)), products),
        bias_data=numbers(bias, frac),
        use_bias=True,
        data_format="channels_last",
        **columns,
    )


def pool(made: Layers, op: Operation, x: Tensor, at: Place) -> Place:
    """The largest of a window, or an average of 2, 4, 8 … numbers, which is exact."""
    s, kernel, out = op.settings, op.settings["kernel_size"], op.output
    if any(d != 1 for d in s["dilation"]):
        raise NotIntegerError(op.node, "its pools have no dilation")
    sizes = zip(x.shape[1:], out.shape[1:], kernel, s["stride"], strict=True)
    pads = [_pads(*each, int(before)) for each, before in zip(sizes, s["padding"], strict=True)]
    at = made.channels_last(at, x.shape)
    if op.kind == "max_pool":
        if (
            np.any(pads) and not at.type.is_signed
        ):  # it pads with the highest bit alone: the smallest if it is a sign
            at = made.activation(at, FixedType(at.type.width + 1, at.type.frac_width))
        types = {"accum": at.type, "result": at.type}
    else:
        added = int(np.prod(kernel)).bit_length() - 1
        frac = int(out.frac_width or 0)
        types = {
            "accum": exact(out.low << added, out.high << added, frac),
            "result": exact(out.low, out.high, frac),
        }
    columns: dict[str, Any] = _sides("pool_{}", kernel) | _sides("stride_{}", s["stride"]) | _named(pads)
    if len(kernel) == 1:
        columns |= {"n_in": x.shape[1], "n_out": out.shape[1]}
    else:
        columns |= _sides("in_{}", x.shape[1:]) | _sides("out_{}", out.shape[1:])
    kind = "Max" if op.kind == "max_pool" else "Average"
    return made.add(
        f"{kind}Pooling{len(kernel)}D",
        [at],
        types,
        (*out.shape[1:], out.shape[0]),
        out.shape,
        n_filt=x.shape[0],
        count_pad=False,
        data_format="channels_last",
        **columns,
    )


def _without_groups(weight: np.ndarray, groups: int) -> np.ndarray:
    """[outputs, all channels, ...] of [outputs, channels of a group, ...]."""
    if groups == 1:
        return weight
    outs, ins = len(weight) // groups, weight.shape[1]
    found = np.zeros((len(weight), ins * groups, *weight.shape[2:]), weight.dtype)
    for g in range(groups):
        rows = slice(g * outs, (g + 1) * outs)
        found[rows, g * ins : (g + 1) * ins] = weight[rows]
    return found


def _without_dilation(weight: np.ndarray, dilation: Sequence[int]) -> np.ndarray:
    spans = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    found = np.zeros((*weight.shape[:2], *spans), weight.dtype)
    found[(slice(None), slice(None), *(slice(None, None, int(d)) for d in dilation))] = weight
    return found


def _pads(size: int, out: int, kernel: int, stride: int, before: int) -> tuple[int, int]:
    """Zeros before and behind, of those only what the last window reaches."""
    return before, max(0, (out - 1) * stride + kernel - before - size)


def _sides(name: str, values: Sequence[int]) -> dict[str, int]:
    """``{"in_height": …, "in_width": …}``, or the width alone."""
    words = ("height", "width")[-len(values) :]
    return {name.format(word): int(v) for word, v in zip(words, values, strict=True)}


def _named(pads: Sequence[tuple[int, int]]) -> dict[str, int]:
    words = ("pad_top", "pad_bottom", "pad_left", "pad_right")[-2 * len(pads) :]
    return dict(zip(words, [int(v) for pair in pads for v in pair], strict=True))
