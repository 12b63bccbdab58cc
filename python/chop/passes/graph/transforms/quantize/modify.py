"""Replacing one node by its quantized twin, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import OPERAND_KEYWORDS
from chop.ir.graph.quantize_config import NodeRule
from chop.nn.quantized.functional import FUNCTIONS, quantized_func_map, quantized_function_op
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import QUANTIZERS
from chop.passes.graph.look_ups import get_parent_name

# What a node called before it was quantized: (op, target, operands that it named).
_FLOAT_CALL = "chop_float_call"


def apply_rule(graph: MaseGraph, node: fx.Node, rule: NodeRule) -> None:
    """Make ``node`` compute what ``rule`` says; a rule without config makes it float again."""
    if node.op == "call_module":
        _replace_module(graph, str(node.target), rule)
    elif rule.config is None:
        _restore_call(node)
    else:
        _quantize_call(node, rule.mase_op, str(rule.quantizer), rule.config)


def _replace_module(graph: MaseGraph, target: str, rule: NodeRule) -> None:
    module = graph.model.get_submodule(target)
    if rule.config is None:
        if isinstance(module, QuantizedModule):
            _set_module(graph.model, target, _float_module(graph, target, module))
        return
    if not isinstance(module, QuantizedModule):
        graph.float_modules[target] = module
    made = quantized_module_map[f"{rule.mase_op}_{rule.quantizer}"].from_float(module, rule.config)
    _set_module(graph.model, target, made)


def _float_module(graph: MaseGraph, target: str, module: QuantizedModule) -> nn.Module:
    """The original layer, unless training has moved the quantized one's weights away from it meanwhile."""
    original = graph.float_modules.get(target)
    if original is None:
        return module.to_float()
    mine = dict(module.named_parameters())
    same = all(_same_tensor(parameter, getattr(original, name)) for name, parameter in mine.items())
    return original.train(module.training) if same else module.to_float()


def _same_tensor(a: torch.Tensor, b: torch.Tensor) -> bool:
    kinds = [(t.device, t.dtype, t.requires_grad) for t in (a, b)]
    return kinds[0] == kinds[1] and not a.is_meta and torch.equal(a, b)


def _set_module(model: nn.Module, target: str, module: nn.Module) -> None:
    parent, name = get_parent_name(target)
    setattr(model.get_submodule(parent), name, module)


def _quantize_call(node: fx.Node, mase_op: str, quantizer: str, config: Mapping[str, Any]) -> None:
    # Operands given by keyword become positional: the quantized functions have their own names for them.
    moved = [name for name in OPERAND_KEYWORDS if name in node.kwargs]
    if not quantized_function_op(node.target):
        node.meta[_FLOAT_CALL] = (node.op, node.target, moved)
    options = {name: value for name, value in node.kwargs.items() if name not in moved}
    used = QUANTIZERS[quantizer].used_keys(mase_op)
    node.args = (*node.args, *(node.kwargs[name] for name in moved))
    node.op, node.target = "call_function", quantized_func_map[f"{mase_op}_{quantizer}"]
    node.kwargs = {**options, "config": {key: value for key, value in config.items() if key in used}}


def _restore_call(node: fx.Node) -> None:
    mase_op = quantized_function_op(node.target)
    if mase_op is None:
        return
    options = {name: value for name, value in node.kwargs.items() if name != "config"}
    # A graph traced from a quantized model never saw the float call; a function that does the same stands for
    # it. The factor alpha is known to torch's function only, not to Python's operator.
    stand_in = getattr(torch, mase_op) if "alpha" in options else FUNCTIONS[mase_op].float_call
    node.op, node.target, moved = node.meta.pop(_FLOAT_CALL, ("call_function", stand_in, []))
    kept = len(node.args) - len(moved)
    node.args, named = node.args[:kept], dict(zip(moved, node.args[kept:], strict=True))
    node.kwargs = {**named, **options}
