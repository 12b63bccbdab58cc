"""Replacing one node by its quantized twin, and back."""

from __future__ import annotations

import torch
from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.quantize_config import NodeRule
from chop.ir.graph.quantized_node import quantize_call, quantized_layer, restore_call
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.look_ups import get_parent_name


def apply_rule(graph: MaseGraph, node: fx.Node, rule: NodeRule) -> None:
    """Make ``node`` compute what ``rule`` says; a rule without config makes it float again."""
    if node.op == "call_module":
        # A quantized layer has a name of its own for its one input.
        node.args, node.kwargs = (*node.args, *node.kwargs.values()), {}
        _replace_module(graph, str(node.target), rule)
    elif rule.config is None:
        restore_call(node)
    else:
        quantize_call(node, rule.mase_op, str(rule.quantizer), rule.config)


def _replace_module(graph: MaseGraph, target: str, rule: NodeRule) -> None:
    module = graph.model.get_submodule(target)
    if rule.config is None:
        if isinstance(module, QuantizedModule):
            _set_module(graph.model, target, _float_module(graph, target, module))
        return
    if not isinstance(module, QuantizedModule):
        graph.float_modules[target] = module
    made = quantized_layer(module, rule.mase_op, str(rule.quantizer), rule.config)
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
