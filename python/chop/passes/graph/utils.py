"""Small look-ups in graphs and modules, under the names that MASE exposes here."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from torch import fx, nn

from chop.ir.graph import MaseGraph


def get_mase_op(node: fx.Node) -> str:
    """Return the operation in a node's common metadata."""
    return node.meta["mase"]["common"]["mase_op"]


def get_mase_type(node: fx.Node) -> str:
    """Return the kind of operation in a node's common metadata."""
    return node.meta["mase"]["common"]["mase_type"]


def get_node_actual_target(node: fx.Node) -> Any:
    """Return what a node calls: its module (needs metadata), its function, or its target string."""
    return node.meta["mase"].module if node.op == "call_module" else node.target


def get_similar_node_actual_target(graph: MaseGraph, node: fx.Node) -> Any:
    """Return the actual target of the node with the same name in another graph, None if it has none."""
    twin = get_node_by_name(graph.fx_graph, node.name)
    return None if twin is None else get_node_actual_target(twin)


def get_parent_name(target: str) -> tuple[str, str]:
    """Split a dotted module name into its parent's and its own.

    >>> get_parent_name("a.b.c")
    ('a.b', 'c')
    """
    parent, _, name = target.rpartition(".")
    return parent, name


def get_node_by_name(graph: fx.Graph, name: str) -> fx.Node | None:
    """Return the node of that name, None if there is none."""
    return next((node for node in graph.nodes if node.name == name), None)


def get_node_target_by_name(graph: fx.Graph, name: str) -> Any:
    """Return the target of the node of that name.

    Raises:
        KeyError: no such node.
    """
    node = get_node_by_name(graph, name)
    if node is None:
        raise KeyError(f"no node {name!r} in the graph")
    return node.target


def get_module_by_name(model: nn.Module, name: str) -> nn.Module | None:
    """Return the module of that dotted name, None if there is none."""
    return dict(model.named_modules(remove_duplicate=False)).get(name)


def get_module_by_target(graph: MaseGraph, target: str) -> nn.Module:
    """Return the module that a call_module target names.

    Raises:
        AttributeError: no such module.
    """
    return graph.model.get_submodule(target)


def get_input_index(node: fx.Node, next_node: fx.Node) -> int | None:
    """Return the position of ``node`` among the inputs of ``next_node``, None if it is none of them."""
    inputs = list(next_node.all_input_nodes)
    return inputs.index(node) if node in inputs else None


def match_a_pattern(name: str, patterns: Iterable[str]) -> str | None:
    """Return the first pattern that matches the whole name, None if none does.

    >>> match_a_pattern("layer_3", ["fc", "layer_[0-9]"])
    'layer_[0-9]'
    """
    return next((pattern for pattern in patterns if re.fullmatch(pattern, name)), None)


def isinstance_but_not_subclass(value: object, kind: type) -> bool:
    """True if ``value`` is of exactly that class.

    >>> isinstance_but_not_subclass(True, int)
    False
    """
    return type(value) is kind


def deepcopy_mase_graph(graph: MaseGraph) -> MaseGraph:
    """Return a copy with its own weights and its own metadata, values included."""
    return copy.deepcopy(graph)
