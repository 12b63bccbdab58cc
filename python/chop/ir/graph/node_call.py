"""Single nodes of a model, computed by torch from the values of nodes before them."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.aliases import effect
from chop.ir.graph.mase_graph import MaseGraph, copy_module
from chop.ir.graph.ops import describe_target, find_row
from chop.ir.graph.own_code import hooked_code, replaced_code
from chop.ir.graph.quantize_config import NodeRule
from chop.ir.graph.quantized_node import quantized_call, quantized_layer, restore_call
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.tools.tensors import cast


class Snapshot:
    """A traced model as it is now: in float, float32 on the CPU, eval mode. Later changes of it are not seen.

    Attributes:
        nodes: name -> node of the copied graph, in graph order.
        names: the same, the other way round.
        modules, tensors: what the nodes call and read, by target.

    Raises:
        ValueError: a layer holds something that cannot be copied.
    """

    def __init__(self, mg: MaseGraph) -> None:
        if any(tensor.is_meta for tensor in (*mg.model.parameters(), *mg.model.buffers())):
            raise ValueError(
                "evaluator: the model is on the meta device, so its weights have no values: "
                "model.to_empty(device='cpu') and load_state_dict give it some"
            )
        self.graph = copy.deepcopy(mg.fx_graph)
        self.nodes = dict(zip((node.name for node in mg.nodes), self.graph.nodes, strict=True))
        self.names = {node: name for name, node in self.nodes.items()}
        self.modules: dict[str, nn.Module] = {}
        self.tensors: dict[str, Any] = {}
        memo: dict[int, Any] = {}
        for node in self.graph.nodes:
            target = str(node.target)
            if node.op == "call_module" and target not in self.modules:
                self.modules[target] = _frozen(target, mg.model.get_submodule(target), memo)
            elif node.op == "get_attr":
                self.tensors[target] = _plain(operator.attrgetter(target)(mg.model))
            restore_call(node)

    def describe(self, name: str) -> str:
        """Return ``name (operation)`` for messages."""
        row = find_row(self.nodes[name], self.modules)
        return f"{name} ({row.mase_op if row else describe_target(self.nodes[name], self.modules)})"

    def has_later_reader(self, source: str, name: str) -> bool:
        """Whether a node after ``name`` reads ``source``."""
        order = list(self.nodes)
        return any(order.index(self.names[user]) > order.index(name) for user in self.nodes[source].users)

    def folded(self, name: str, known: Collection[str]) -> tuple[list[str], list[str]]:
        """Return what must be computed for a node (itself last), and which ``known`` nodes that reads.

        Both are in graph order. What is not known and lies between is computed with the node: sizes, tuples,
        masks, parameters.
        """
        inside, read, todo = {name}, set[str](), [self.nodes[name]]
        while todo:
            for source in todo.pop().all_input_nodes:
                found = self.names[source]
                if found in known:
                    read.add(found)
                elif found not in inside:
                    inside.add(found)
                    todo.append(source)
        return [n for n in self.nodes if n in inside], [n for n in self.nodes if n in read]


@dataclass(frozen=True, slots=True)
class _Instruction:
    node: fx.Node
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class NodeCall:
    """Computes one node of a snapshot.

    Args:
        snapshot: the model.
        name: the node.
        inputs: names of the nodes whose values are given; what lies between is computed too.
        rules: what a quantize config says of nodes that are computed here; the others are float.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        name: str,
        inputs: Sequence[str],
        rules: Mapping[str, NodeRule] | None = None,
    ) -> None:
        rules = rules or {}
        self._result = snapshot.nodes[name]
        self._inputs = [snapshot.nodes[each] for each in inputs]
        computed, _ = snapshot.folded(name, inputs)
        self._instructions = [_instruction(snapshot, each, rules.get(each)) for each in computed]
        # The user's own code may keep what it is given, others may write into it.
        self.foreign = any(
            not _is_known_package(each.function) or effect(each.node, snapshot.modules).written
            for each in self._instructions
        )
        self.bytes = sum(_bytes_of(each.function) for each in self._instructions)

    def __call__(self, values: Iterable[Tensor]) -> Any:
        """Return the node's value for those of the inputs, in their order."""
        found: dict[fx.Node, Any] = dict(zip(self._inputs, values, strict=True))
        for each in self._instructions:
            args, kwargs = fx.node.map_arg((each.args, each.kwargs), found.__getitem__)
            found[each.node] = each.function(*args, **kwargs)
        return found[self._result]


def _instruction(snapshot: Snapshot, name: str, rule: NodeRule | None) -> _Instruction:
    node = snapshot.nodes[name]
    args, kwargs, target = node.args, node.kwargs, str(node.target)
    function: Callable[..., Any]
    if node.op == "call_module":
        function = snapshot.modules[target]
        if rule is not None:
            layer = quantized_layer(function, rule.mase_op, str(rule.quantizer), rule.config or {})
            function = layer.eval().requires_grad_(False)
    elif rule is not None:
        function, args, kwargs = quantized_call(node, rule.mase_op, str(rule.quantizer), rule.config or {})
    elif node.op == "call_method":
        function = _Method(target)
    elif node.op == "get_attr":
        written = any(node in effect(user, snapshot.modules).written for user in node.users)
        function = _Constant(snapshot.tensors[target], written)
    elif node.op == "call_function":
        function = node.target
    else:
        raise ValueError(f"node {name} ({node.op}) has no value of its own")
    return _Instruction(node, function, args, kwargs)


@dataclass(frozen=True, slots=True)
class _Method:
    name: str

    def __call__(self, owner: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(owner, self.name)(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Any
    is_written: bool  # by another node of the call

    def __call__(self) -> Any:
        return self.value.clone() if self.is_written else self.value


def _frozen(target: str, module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    if isinstance(module, QuantizedModule) and (why := replaced_code(module, (type(module),))):
        raise ValueError(f"evaluator: layer {target} {why}, which its float form would lose")
    try:
        made = module.to_float() if isinstance(module, QuantizedModule) else copy_module(module, memo)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"evaluator: layer {target} ({type(module).__name__}) cannot be copied: {error}"
        ) from error
    for name, value in made.state_dict().items():
        if value.is_floating_point() and not value.is_meta:
            cast(value, torch.float32, f"layer {target}: {name}")
    return made.to("cpu", torch.float32).eval()


def _plain(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    value = value.detach().to("cpu").clone()
    return cast(value, torch.float32, "a tensor of the model") if value.is_floating_point() else value


def _bytes_of(function: Any) -> int:
    if not isinstance(function, QuantizedModule):
        return 0  # shared with the snapshot
    return sum(tensor.numel() * tensor.element_size() for tensor in function.state_dict().values())


def _is_known_package(function: Any) -> bool:
    if isinstance(function, nn.Module) and any(
        hooked_code(each) or replaced_code(each, (type(each),)) for each in function.modules()
    ):
        return False
    owner = type(function) if isinstance(function, nn.Module | _Method | _Constant) else function
    package = (getattr(owner, "__module__", None) or "torch").partition(".")[0]
    return package in ("torch", "chop", "_operator", "operator", "builtins", "math")
