"""Whether a graph that was read back is the one that was written: what a file cannot hold is told before it is kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.graph_layers import named_tensors
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantized_node import FLOAT_CALL

__all__ = ["difference"]


def difference(graph: MaseGraph, again: MaseGraph) -> str | None:
    """Return what sets two graphs apart, opening with the node, the layer or the tensor; None if nothing does.

    Structure, arguments, layers, modes and tensors are compared, not metadata.
    """
    if len(graph.nodes) != len(again.nodes):
        return f"there are {len(again.nodes)} nodes in place of {len(graph.nodes)}"
    for node, its in zip(graph.nodes, again.nodes, strict=True):
        if found := _node_difference(node, its):
            return f"node {node.name}: {found}"
    targets = {str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")}
    return _module_difference(graph, again, targets) or _tensor_difference(graph.model, again.model, targets)


def _node_difference(node: fx.Node, its: fx.Node) -> str | None:
    if node.name != its.name or node.op != its.op or node.target != its.target:
        return f"it comes back as {its.name}, {its.op} {its.target}"
    for mine, other in ((node.args, its.args), (node.kwargs, its.kwargs)):
        if not _same(mine, other):
            return f"its arguments {mine!r:.100} come back as {other!r:.100}"
    return None if node.meta.get(FLOAT_CALL) == its.meta.get(FLOAT_CALL) else "its float call is lost"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, fx.Node):
        return isinstance(b, fx.Node) and a.name == b.name
    if isinstance(a, (list, tuple)):
        kinds = isinstance(a, list) == isinstance(b, list) and isinstance(a, tuple) == isinstance(b, tuple)
        named = isinstance(a, tuple) and type(a) is not type(b)
        return kinds and not named and len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and _same(list(a), list(b)) and _same(list(a.values()), list(b.values()))
    if isinstance(a, slice):
        return isinstance(b, slice) and _same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and _same_tensor(a, b)
    return type(a) is type(b) and (a == b or repr(a) == repr(b))  # NaN has a text only


def _module_difference(graph: MaseGraph, again: MaseGraph, targets: set[str]) -> str | None:
    mine, its = graph.modules, again.modules
    for name in sorted(targets & mine.keys()):
        if type(mine[name]) is not type(its.get(name)) or repr(mine[name]) != repr(its[name]):
            return f"module {name}: it comes back as {its.get(name)!r:.100}"
    odd = [name for name in its if name and mine[name].training != its[name].training]
    return f"module {odd[0]}: its mode comes back as another" if odd else None


def _tensor_difference(model: nn.Module, again: nn.Module, targets: set[str]) -> str | None:
    mine, its = dict(named_tensors(model)), dict(named_tensors(again))
    kept, its_kept = model.state_dict().keys(), again.state_dict().keys()
    first: dict[int, str] = {}
    for name, tensor in mine.items():
        if not any(name == target or name.startswith(f"{target}.") for target in targets):
            continue  # no node reads it
        other = its.get(name)
        if other is None or isinstance(tensor, nn.Parameter) != isinstance(other, nn.Parameter):
            return f"tensor {name}: it is lost"
        if not _same_tensor(tensor, other) or (name in kept) != (name in its_kept):
            return f"tensor {name}: it comes back as another"
        if other is not its[first.setdefault(id(tensor), name)]:
            return f"tensor {name}: it is no longer tied to {first[id(tensor)]}"
    return None


def _same_tensor(a: Tensor, b: Tensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape or a.requires_grad != b.requires_grad:
        return False
    if a.is_meta or b.is_meta:
        return a.is_meta == b.is_meta
    mine, other = (_bytes(t) for t in (a, b))
    return torch.equal(mine, other)  # of the bytes: NaN is equal to itself, and -0.0 is not 0.0


def _bytes(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return plain.view(torch.uint8) if plain.dtype != torch.bool else plain
