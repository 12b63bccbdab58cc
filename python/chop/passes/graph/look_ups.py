"""Small look-ups in graphs and modules, under the names that MASE gives them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.registry import did_you_mean

_HARDWARE = ("rtl", "sim", "test/mase_top_tb", "hls")


def get_mase_op(node: fx.Node) -> str:
    """Return the operation in a node's common metadata."""
    return node.meta["mase"]["common"]["mase_op"]


def get_mase_type(node: fx.Node) -> str:
    """Return the kind of operation in a node's common metadata."""
    return node.meta["mase"]["common"]["mase_type"]


def get_node_actual_target(node: fx.Node) -> Any:
    """Return what a node calls: its module (needs metadata), its function, or its target string."""
    return node.meta["mase"].module if node.op == "call_module" else node.target


def get_similar_node_actual_target(graph: MaseGraph | None, node: fx.Node) -> Any:
    """Return the actual target of the node with the same name in another graph, None if it has none."""
    twin = None if graph is None else _find(graph.fx_graph, node.name)
    return None if twin is None else get_node_actual_target(twin)


def check_func(node: fx.Node, my_func: Any) -> bool:
    """True if the node calls that very function."""
    return node.target == my_func


def check_func_type(node: fx.Node, my_func: Any) -> bool:
    """True if what the node calls is of the same type as ``my_func``: built in, or defined in Python."""
    return type(node.target) is type(my_func)


def vf(string: str) -> str:
    """Return a name that Verilog accepts: dots and spaces become underscores.

    >>> vf("seq_blocks.2 weight")
    'seq_blocks_2_weight'
    """
    return string.replace(".", "_").replace(" ", "_")


def v2p(string: str) -> str:
    """Return the name of a variable's parameter, in capitals.

    >>> v2p("data_in")
    'DATA_IN'
    """
    return string.upper()


def init_project(project_dir: str | Path) -> None:
    """Make a project's folders, those that are missing: software, and MASE's tree below hardware."""
    for name in ("software", *(f"hardware/{part}" for part in _HARDWARE)):
        (Path(project_dir) / name).mkdir(parents=True, exist_ok=True)


def get_parent_name(target: str) -> tuple[str, str]:
    """Split a dotted module name into its parent's and its own.

    >>> get_parent_name("a.b.c")
    ('a.b', 'c')
    """
    parent, _, name = target.rpartition(".")
    return parent, name


def get_node_by_name(graph: fx.Graph | MaseGraph, request_name: str) -> fx.Node:
    """Return the node of that name.

    Raises:
        RuntimeError: no such node.
    """
    node = _find(graph, request_name)
    if node is None:
        hint = did_you_mean(request_name, [node.name for node in graph.nodes])
        raise RuntimeError(f"no node named {request_name!r} in the graph{hint}")
    return node


def get_node_target_by_name(graph: MaseGraph | None, request_name: str) -> Any:
    """Return the actual target of the node of that name; None without a graph.

    Raises:
        RuntimeError: no such node.
    """
    return None if graph is None else get_node_actual_target(get_node_by_name(graph.fx_graph, request_name))


def get_module_by_name(model: nn.Module, request_name: str) -> nn.Module | None:
    """Return the module of that dotted name, None if there is none."""
    return dict(model.named_modules(remove_duplicate=False)).get(request_name)


def get_module_by_target(model: nn.Module | MaseGraph, target: str) -> Any:
    """Return what a dotted target names below a model (or a graph's model): a module, or an attribute.

    Raises:
        RuntimeError: no such attribute; the message has the part of the target that exists.
    """
    found: Any = model.model if isinstance(model, MaseGraph) else model
    for index, name in enumerate(parts := target.split(".")):
        if not hasattr(found, name):
            where = ".".join(parts[:index]) or "the model"
            raise RuntimeError(f"target {target!r} does not exist: {where} has no {name!r}")
        found = getattr(found, name)
    return found


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


def isinstance_but_not_subclass(my_object: object, my_class: type) -> bool:
    """True if the object is of exactly that class.

    >>> isinstance_but_not_subclass(True, int)
    False
    """
    return type(my_object) is my_class


def deepcopy_mase_graph(graph: MaseGraph) -> MaseGraph:
    """Return a copy with its own weights and its own metadata, values included."""
    return copy.deepcopy(graph)


def _find(graph: fx.Graph | MaseGraph, name: str) -> fx.Node | None:
    return next((node for node in graph.nodes if node.name == name), None)
