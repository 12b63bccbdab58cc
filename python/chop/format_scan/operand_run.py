"""Runs the float form of a graph and shows what each quantizable node is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.eval_run import Watcher
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import OPERAND_KEYWORDS
from chop.ir.graph.quantizable_layers import Layer
from chop.nn.quantized.functional import FUNCTIONS, quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import OPERANDS

#: Shows each operand's numbers to a function, in the same order at each call.
Walk = Callable[[Callable[[Layer, str, Tensor], None]], None]


class OperandRun(Watcher):
    """Runs a graph with float layers in place of quantized ones.

    Args:
        graph: the graph, in eval mode.
        layers: what to look at.
        see: called with a layer, an operand and the tensor that the operand is; it must not keep it.
    """

    def __init__(
        self, graph: MaseGraph, layers: list[Layer], see: Callable[[Layer, str, Tensor], None], where: str
    ) -> None:
        super().__init__(graph, lambda node, result: None, where)
        self._layers = {name: layer for layer in layers for name in layer.nodes}
        self._see_operand = see
        self._float: dict[str, nn.Module] = {}

    def run_node(self, n: fx.Node) -> Any:
        layer = self._layers.get(n.name)
        if layer is not None:
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            self._show(layer, n.op, [*args, *(kwargs[key] for key in OPERAND_KEYWORDS if key in kwargs)])
        return super().run_node(n)

    def _show(self, layer: Layer, op: str, values: list[Any]) -> None:
        operands = [operand.name for operand in OPERANDS[layer.mase_op]]
        single = op == "call_module" or layer.mase_op == "relu"
        for place, value in enumerate(values[:1] if single else values[:2]):
            # As the quantized functions do it: whole numbers are left alone, fractions are quantized.
            if isinstance(value, float):
                value = torch.tensor(value)
            if isinstance(value, Tensor) and value.is_floating_point():
                self._see_operand(layer, operands[min(place, len(operands) - 1)], value.detach())

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(str(target))
        if not isinstance(module, QuantizedModule):
            return super().call_module(target, args, kwargs)
        if target not in self._float:
            self._float[target] = module.to_float().eval()
        return self._float[target](*args, **kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        mase_op = quantized_function_op(target)
        if mase_op is None:
            return super().call_function(target, args, kwargs)
        options = {name: value for name, value in kwargs.items() if name != "config"}
        call = getattr(torch, mase_op) if "alpha" in options else FUNCTIONS[mase_op].float_call
        return call(*args, **options)
