"""What a model is to the core's trainer: a lowered graph, its parameters as distinct tensors, formats of operands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, fx, nn

from chop import _core
from chop.ir.graph.core_formats import CoreOperand, core_operand, native_quantizers
from chop.ir.graph.lowering import lower, node_parameters
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import find_row
from chop.ir.graph.own_code import gradient_code, shared_memory
from chop.ir.graph.root_call import refuse_inputs
from chop.ir.graph.saved_tensors import refuse_saved_writes
from chop.nn.quantized.functional import FUNCTIONS, quantized_function_op
from chop.nn.quantized.functional.quantized_function import read_config
from chop.nn.quantized.modules import LinearInteger
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import NumberFormat
from chop.training.trained_widths import check_trained

__all__ = ["TrainingTargets"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class TrainingTargets:
    """A model as the trainer needs it.

    Args:
        model: a module, or a :class:`MaseGraph`.
        input_shape: shape of one row of the input; None: known from the first layer.
        straight_through: ``plain`` or ``clipped``.
        learned: operand (``data_in``, ``weight``) of all quantized linear layers -> who shares a width that is trained:
            ``tensor``, ``channel`` (of a weight) or ``element``; None: formats stay as they are.

    Attributes:
        model: the module whose names the states have.
        lowered: the graph, without values.
        parameters: distinct tensors that nodes compute with; those that are trained come first.
        trained: how many of ``parameters`` are trained: those that require a gradient and that the output depends on.
        norms: distinct batch norms, in the order of their running statistics.
        learned: nodes and layers with trained widths, in the order that the core has them.

    Raises:
        ValueError: a node that the core cannot lower, or not train.
    """

    def __init__(
        self,
        model: nn.Module | MaseGraph,
        input_shape: Sequence[int] | None,
        straight_through: str,
        learned: Mapping[str, str] | None = None,
    ) -> None:
        self._sharing = dict(learned or {})
        graph = model if isinstance(model, MaseGraph) else MaseGraph(model)
        self.model: nn.Module = graph.model if isinstance(model, MaseGraph) else model
        refuse_inputs(graph.fx_graph, "training")
        self.lowered = lower(graph, input_shapes=input_shape, values=False)
        for name, other in shared_memory(graph.model).items():
            raise ValueError(
                f"training: {name} lies in the memory of {other}, which a copy would not follow: make both the same "
                "Parameter (a.weight = b.weight), or clone one"
            )
        self._graph, self._modules = graph, graph.modules
        refuse_saved_writes(graph.fx_graph, self._modules, "training")
        for node in graph.nodes:
            _refuse(node, self._modules)
        found = {id(t): t for node in graph.nodes for _, t in node_parameters(graph, self._modules, node)}
        used = {id(t) for node in _needed(graph) for _, t in node_parameters(graph, self._modules, node)}
        trained = {key for key in used if found[key].requires_grad}
        self.parameters = sorted(found.values(), key=lambda tensor: id(tensor) not in trained)
        self.trained = len(trained)
        norms = (self._module(node) for node in graph.nodes)
        self.norms = list({id(m): m for m in norms if isinstance(m, _NORMS)}.values())
        layers = {node.name: self._module(node) for node in graph.nodes}
        self.learned = {name: layer for name, layer in layers.items() if layer and self._learned_of(layer)}
        if learned is not None:
            check_trained(self.learned, self._sharing)
            for node in graph.nodes:
                _refuse_learned(node, self._modules)
        self._numbers = {id(tensor): number for number, tensor in enumerate(self.parameters)}
        self.specification = _core.TrainingSpecification(
            [tensor.numel() for tensor in self.parameters],
            self.trained,
            [norm.num_features for norm in self.norms],
            {node.name: self._node(node) for node in graph.nodes},
            straight_through,
        )

    def checked(self) -> tuple[_core.Graph, _core.TrainingSpecification]:
        """Return what :func:`chop._core.check_trainable` looks at."""
        return self.lowered, self.specification

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules.get(str(node.target)) if node.op == "call_module" else None

    def _node(
        self, node: fx.Node
    ) -> tuple[dict[str, int], int, float, dict[str, CoreOperand], dict[str, str]]:
        tensors = node_parameters(self._graph, self._modules, node)
        numbers = {name: self._numbers[id(tensor)] for name, tensor in tensors}
        module: Any = self._module(node)
        running, momentum = -1, 0.0
        if isinstance(module, _NORMS):
            running = next(i for i, norm in enumerate(self.norms) if norm is module)
            momentum = -1.0 if module.momentum is None else module.momentum
        rounding = _rounding(node, module)
        formats = {name: core_operand(f) for name, f in rounding.formats.items()} if rounding else {}
        return numbers, running, momentum, formats, self._learned_of(module)

    def _learned_of(self, module: nn.Module | None) -> dict[str, str]:
        trained = isinstance(module, LinearInteger) and bool(module.formats)
        return self._sharing if trained else {}


def _needed(graph: MaseGraph) -> set[fx.Node]:
    """The nodes that the output depends on; the others have no gradient."""
    needed, waiting = set[fx.Node](), [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    return needed


class _Rounding(NamedTuple):
    # How a quantized layer or function rounds; own: parameters that are neither weight nor bias.
    quantizer: str
    formats: Mapping[str, Any]
    own: list[str]


def _rounding(node: fx.Node, module: nn.Module | None) -> _Rounding | None:
    if isinstance(module, QuantizedModule) and module.formats:
        own = [name for name, _ in module.named_parameters() if name not in ("weight", "bias")]
        return _Rounding(module.quantizer_name, module.formats, own)
    if (mase_op := quantized_function_op(node.target)) is None:
        return None
    function: Any = node.target
    quantizer = function.__name__.removeprefix(f"{FUNCTIONS[mase_op].stem}_")
    formats, bypass = read_config(node.name, mase_op, quantizer, node.kwargs.get("config"))
    return None if bypass else _Rounding(quantizer, formats, [])


def _refuse(node: fx.Node, modules: dict[str, nn.Module]) -> None:
    """Raise ValueError where training differs from what is lowered, which is the model in eval mode."""
    row = find_row(node, modules)
    mase_op = row.mase_op if row else ""
    if mase_op == "detach":
        raise ValueError(f"training: node {node.name} (detach) stops gradients, which the core cannot")
    module: Any = modules.get(str(node.target)) if node.op == "call_module" else None
    if module is not None and (why := gradient_code(module)):
        raise ValueError(
            f"training: node {node.name}: layer {node.target} {why}, which the core does not train"
        )
    if (padding := getattr(module, "padding_mode", "zeros")) != "zeros":
        raise ValueError(
            f"training: node {node.name} ({mase_op}) pads with padding_mode {padding!r}, the core pads with zeros: "
            "engine 'lightning' trains it"
        )
    if mase_op in ("by_mode", "traced_mode"):
        raise ValueError(
            f"training: node {node.name} ({mase_op}) makes train mode differ from eval mode, which the core has"
        )
    if mase_op == "dropout" and _drop_rate(node, module) != 0:
        raise ValueError(
            f"training: node {node.name} (dropout) drops numbers at random, which the core cannot"
        )
    if (rounding := _rounding(node, module)) is not None and (why := _untrained(rounding)):
        raise ValueError(f"training: node {node.name} {why}: engine 'lightning' trains it")
    if any(isinstance(value, Tensor) for value in node.args):
        raise ValueError(f"training: node {node.name} computes with a tensor that is no parameter")


def _refuse_learned(node: fx.Node, modules: dict[str, nn.Module]) -> None:
    """Raise ValueError where a network with trained widths has layers whose widths are not."""
    row = find_row(node, modules)
    if row is not None and row.mase_op in ("conv1d", "conv2d"):
        raise ValueError(
            f"training: node {node.name} ({row.mase_op}) is a convolution, and the core learns the widths of linear "
            "layers only: give it widths of its own by a quantize config"
        )


def _untrained(rounding: _Rounding) -> str | None:
    """Why the core does not train a quantized layer or function."""
    if rounding.quantizer not in native_quantizers():
        return f"uses the quantizer {rounding.quantizer!r}, which has no native twin"
    for operand, format in rounding.formats.items():
        if isinstance(format, NumberFormat) and format.is_random:
            return f"rounds its {operand} by chance, which the core does not"
    if rounding.own:
        return f"has {', '.join(rounding.own)} beside weight and bias, which the core does not train"
    return None


def _drop_rate(node: fx.Node, module: Any) -> float:
    if module is not None:
        return float(module.p)
    given: dict[str, Any] = dict(zip(("input", "p", "training"), node.args, strict=False)) | dict(node.kwargs)
    return float(given.get("p", 0.5)) if given.get("training", True) else 0.0
