"""Facts about one node: dicts that students read and edit."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn


class MaseMetadata:
    """Holder of ``parameters``: a dict with the keys common, software and hardware.

    Args:
        node: the node described; None for the metadata of a whole graph.
        model: the model whose graph the node belongs to.

    >>> from chop.ir.graph import MaseGraph
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3)))
    >>> meta = MaseMetadata(list(graph.nodes)[1], graph.model)
    >>> meta.module
    Linear(in_features=2, out_features=3, bias=True)
    >>> meta["common"]
    {}
    """

    def __init__(self, node: fx.Node | None, model: nn.Module) -> None:
        self.node = node
        self.model = model
        self.parameters: dict[str, dict[str, Any]] = {"common": {}, "software": {}, "hardware": {}}

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self.parameters[key]

    def __setitem__(self, key: str, value: dict[str, Any]) -> None:
        self.parameters[key] = value

    @property
    def module(self) -> nn.Module | None:
        """The module that the node calls now, looked up each time: a pass may have replaced it. Else None."""
        if self.node is None or self.node.op != "call_module":
            return None
        return self.model.get_submodule(str(self.node.target))

    @property
    def graph(self) -> fx.Graph | None:
        """The fx graph of the model."""
        return getattr(self.model, "graph", None)

    def copy_to(self, node: fx.Node | None, model: nn.Module, nodes: dict[str, fx.Node]) -> MaseMetadata:
        """Return an independent copy for a node of a copied model; ``nodes`` maps node names to its nodes."""
        made = MaseMetadata(node, model)
        made.parameters = _copy_value(self.parameters, nodes)
        return made

    def __repr__(self) -> str:
        name = self.node.name if self.node is not None else "graph"
        return f"MaseMetadata({name}: {', '.join(k for k, v in self.parameters.items() if v) or 'empty'})"


def _copy_value(value: Any, nodes: dict[str, fx.Node]) -> Any:
    if isinstance(value, dict):
        return {key: _copy_value(item, nodes) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_copy_value(item, nodes) for item in value)
    if isinstance(value, torch.Tensor):  # deepcopy refuses tensors inside an autograd graph
        return value.detach().clone()
    if isinstance(value, fx.Node):
        return nodes.get(value.name, value)
    return copy.deepcopy(value)
