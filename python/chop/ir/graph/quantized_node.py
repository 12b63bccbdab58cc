"""The quantized twin of one node, and the way back: what the quantize pass and the evaluator share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from chop.ir.graph.ops import OPERAND_KEYWORDS
from chop.ir.graph.own_code import current_weights
from chop.nn.quantized.functional import FUNCTIONS, quantized_func_map, quantized_function_op
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import QUANTIZERS

# What a node called before it was quantized: (op, target, operands that it named).
FLOAT_CALL = "chop_float_call"


class QuantizedCall(NamedTuple):
    """What a quantized function is called with."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def quantized_layer(
    module: nn.Module, mase_op: str, quantizer: str, config: Mapping[str, Any]
) -> QuantizedModule:
    """Return the quantized twin of a layer, float or quantized; weights are copied."""
    with current_weights([module]):
        return quantized_module_map[f"{mase_op}_{quantizer}"].from_float(module, config)


def quantized_call(node: fx.Node, mase_op: str, quantizer: str, config: Mapping[str, Any]) -> QuantizedCall:
    """Return what a function or method node calls when it is quantized; the node stays as it is."""
    # Operands given by keyword become positional: the quantized functions have their own names for them.
    moved = _named_operands(node)
    options = {name: value for name, value in node.kwargs.items() if name not in moved}
    used = QUANTIZERS[quantizer].used_keys(mase_op)
    return QuantizedCall(
        quantized_func_map[f"{mase_op}_{quantizer}"],
        (*node.args, *(node.kwargs[name] for name in moved)),
        {**options, "config": {key: value for key, value in config.items() if key in used}},
    )


def quantize_call(node: fx.Node, mase_op: str, quantizer: str, config: Mapping[str, Any]) -> None:
    """Make a function or method node a quantized call; it remembers the float one."""
    made = quantized_call(node, mase_op, quantizer, config)
    if not quantized_function_op(node.target):
        node.meta[FLOAT_CALL] = (node.op, node.target, _named_operands(node))
    node.op, node.target = "call_function", made.function
    node.args, node.kwargs = made.args, made.kwargs


def restore_call(node: fx.Node) -> None:
    """Make a quantized call the float one again; other nodes stay as they are."""
    mase_op = quantized_function_op(node.target)
    if mase_op is None:
        return
    options = {name: value for name, value in node.kwargs.items() if name != "config"}
    # A graph traced from a quantized model never saw the float call; a function that does the same stands for
    # it. The factor alpha is known to torch's function only, not to Python's operator.
    stand_in = getattr(torch, mase_op) if "alpha" in options else FUNCTIONS[mase_op].float_call
    node.op, node.target, moved = node.meta.pop(FLOAT_CALL, ("call_function", stand_in, []))
    kept = len(node.args) - len(moved)
    node.args, named = node.args[:kept], dict(zip(moved, node.args[kept:], strict=True))
    node.kwargs = {**named, **options}


def _named_operands(node: fx.Node) -> list[str]:
    return [name for name in OPERAND_KEYWORDS if name in node.kwargs]
