"""From the fx graph to the C++ one: one way, remade whenever needed, never edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop import _core
from chop.ir.graph.mase_graph import MaseGraph, forward_inputs
from chop.ir.graph.ops import describe_target, find_row

Parameters = dict[str, Tensor]
Attributes = dict[str, float]


def plain_tensor(tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return ``tensor`` detached, contiguous, on the CPU and of ``dtype``: what the core can read.

    Raises:
        ValueError: the tensor has no memory (fake or meta).
    """
    if tensor.is_meta or isinstance(tensor, torch._subclasses.FakeTensor):
        raise ValueError("a fake or meta tensor has no values to hand to the core")
    return tensor.detach().resolve_conj().resolve_neg().to("cpu", dtype).contiguous()


def _linear(module: nn.Module) -> tuple[Parameters, Attributes]:
    return _named_tensors(module, ("weight", "bias")), {}


def _batch_norm(module: nn.Module) -> tuple[Parameters, Attributes]:
    names = ("weight", "bias", "running_mean", "running_var")
    return _named_tensors(module, names), {"eps": float(module.eps)}  # type: ignore[arg-type]


def _nothing(module: nn.Module) -> tuple[Parameters, Attributes]:
    return {}, {}


def _named_tensors(module: nn.Module, names: tuple[str, ...]) -> Parameters:
    return {name: plain_tensor(t) for name in names if (t := getattr(module, name)) is not None}


# mase_op -> (operation of the core, what a module of that kind brings along).
_LOWERING: Mapping[str, tuple[str, Callable[[nn.Module], tuple[Parameters, Attributes]]]] = {
    "linear": ("linear", _linear),
    "batch_norm1d": ("batch_norm1d", _batch_norm),
    "relu": ("relu", _nothing),
    "identity": ("identity", _nothing),
    "dropout": ("identity", _nothing),  # the lowered graph is the model in eval mode
}


def lower(mg: MaseGraph, features: int | None = None) -> _core.Graph:
    """Make the immutable C++ graph of a traced model, in eval mode. Quantized layers are lowered as float ones.

    Args:
        mg: a traced model; it needs no metadata passes. Weights are copied.
        features: columns of the input; None takes them from the first layer that has parameters.

    Returns:
        The lowered graph; ``str()`` gives its text and ``Graph.parse`` reads that back.

    Raises:
        ValueError: a node is of a kind that the core does not know, or sizes do not meet; the node is named.

    >>> from torch import nn
    >>> from chop import MaseGraph
    >>> graph = lower(MaseGraph(nn.Sequential(nn.Linear(16, 5), nn.ReLU())))
    >>> [node["op"] for node in graph.nodes]
    ['input', 'linear', 'relu']
    >>> _core.Graph.parse(str(graph)) == graph
    True
    """
    modules = mg.modules
    if len(inputs := forward_inputs(mg.fx_graph)) != 1:
        raise ValueError(f"lower: a model with one input is needed, got {len(inputs)}")
    builder = _core.GraphBuilder()
    for node in mg.nodes:
        if node.op == "output":
            return builder.build(_source_names(node)[0])
        if node.op == "placeholder":
            shape = [-1, features if features is not None else _first_layer_features(mg)]
            builder.add(node.name, "input", [], {}, {}, shape)
        else:
            op, parameters, attributes = _lowered_parts(node, modules)
            builder.add(node.name, op, _source_names(node), attributes, parameters, [])
    raise ValueError("lower: the graph has no output node")


def _lowered_parts(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[str, Parameters, Attributes]:
    row = find_row(node, modules)
    if row is None or row.mase_op not in _LOWERING:
        what = row.mase_op if row else describe_target(node, modules)
        known = ", ".join(sorted(_LOWERING))
        raise ValueError(f"lower: node {node.name} ({what}) is not known to the core; known: {known}")
    op, parts = _LOWERING[row.mase_op]
    if node.op == "call_module":
        return op, *parts(modules[str(node.target)])
    if parts is not _nothing:
        raise ValueError(f"lower: node {node.name} ({row.mase_op}) must be a module, got a {node.op}")
    return op, {}, {}


def _source_names(node: fx.Node) -> list[str]:
    return [source.name for source in node.all_input_nodes]


def _first_layer_features(mg: MaseGraph) -> int:
    modules = mg.modules
    for node in mg.nodes:
        module: Any = modules.get(str(node.target)) if node.op == "call_module" else None
        for name in ("in_features", "num_features"):
            if hasattr(module, name):
                return int(getattr(module, name))
    raise ValueError("lower: no layer tells how many features the input has; pass features=…")
