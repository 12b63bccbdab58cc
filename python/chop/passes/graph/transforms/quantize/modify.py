"""Replacing one node by its quantized twin, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.own_code import parameter_hooks, shared_memory
from chop.ir.graph.quantize_config import NodeRule
from chop.ir.graph.quantized_node import quantize_call, quantized_layer, restore_call
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.look_ups import get_parent_name
from chop.tools.errors import ConfigError


def refuse_layers(graph: MaseGraph, nodes: Mapping[str, fx.Node], rules: Iterable[NodeRule]) -> None:
    """Raise ConfigError for a layer whose quantized form would lose something of it."""
    modules, overlaps = graph.modules, shared_memory(graph.model)
    for rule in rules:
        node = nodes[rule.node]
        layer = modules[str(node.target)] if rule.config is not None and node.op == "call_module" else None
        if layer is not None and (why := parameter_hooks(layer)):
            raise ConfigError(
                f"quantize: layer {node.target} {why}, which its quantized form would lose: remove it "
                "(handle.remove()), quantize, and hang it on the new parameter"
            )
        names = [f"{node.target}.{name}" for name, _ in layer.named_parameters()] if layer is not None else ()
        for name in names:
            if name in overlaps:
                raise ConfigError(
                    f"quantize: {name} lies in the memory of {overlaps[name]}, which a quantized layer would not "
                    "follow: make both the same Parameter (a.weight = b.weight), or clone one"
                )


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


def restore_floats(graph: MaseGraph) -> None:
    """Put the user's own layers back where a copy stands that shared a parameter with a quantized layer."""
    modules = graph.modules
    for target, copied in graph.tied_copies.items():
        if modules.get(target) is copied:
            _set_module(graph.model, target, _float_module(graph, target, copied))


def _replace_module(graph: MaseGraph, target: str, rule: NodeRule) -> None:
    module = graph.model.get_submodule(target)
    if rule.config is None:
        if isinstance(module, QuantizedModule):
            _set_module(graph.model, target, _float_module(graph, target, module))
        return
    if not isinstance(module, QuantizedModule) and module is not graph.tied_copies.get(target):
        graph.float_modules[target] = module
    made = quantized_layer(module, rule.mase_op, str(rule.quantizer), rule.config)
    _set_module(graph.model, target, made)


def _float_module(graph: MaseGraph, target: str, module: nn.Module) -> nn.Module:
    """The original layer, unless training has moved the weights of its replacement away from it meanwhile."""
    original = graph.float_modules.get(target)
    if original is not None:
        mine = dict(module.named_parameters())
        if all(_same_tensor(parameter, original.get_parameter(name)) for name, parameter in mine.items()):
            return original.train(module.training)
    return module.to_float() if isinstance(module, QuantizedModule) else module


def _same_tensor(a: torch.Tensor, b: torch.Tensor) -> bool:
    kinds = [(t.device, t.dtype, t.requires_grad) for t in (a, b)]
    return kinds[0] == kinds[1] and not a.is_meta and torch.equal(a, b)


def _set_module(model: nn.Module, target: str, module: nn.Module) -> None:
    parent, name = get_parent_name(target)
    setattr(model.get_submodule(parent), name, module)
