"""A graph as a description in JSON and tensors, and back.

The description of a file is not trusted: torch.fx turns names and targets of nodes into Python source, so
each is checked to be a plain name, and functions, methods and classes are looked up in the op table.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx
from torch.fx.graph import CodeGen

from chop.ir.graph.callables import attribute_is_known, known_function, method_is_known, name_of_function
from chop.ir.graph.graph_layers import (
    build_modules,
    describe_modules,
    describe_tensors,
    held_tensors,
    named_tensors,
)
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import function_name
from chop.ir.graph.quantized_node import FLOAT_CALL
from chop.ir.graph.value_codec import Decoder, Encoder
from chop.nn.quantized.functional import quantized_func_map, quantized_function_op
from chop.tools.errors import ConfigError

VERSION = 1
_TARGET = re.compile(r"[\w-]+(\.[\w-]+)*")


def describe_graph(graph: MaseGraph) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe structure, layers and metadata of a graph.

    Returns:
        The description, JSON values only, and the tensors it refers to beyond the model's state dict.

    Raises:
        ConfigError: a function, method or value that no file can hold; the message names the node.
    """
    if type(graph.fx_graph._codegen) is not CodeGen:
        raise ConfigError("a graph whose arguments or outputs are unpacked from containers cannot be saved")
    named = dict(named_tensors(graph.model))
    state = graph.model.state_dict()
    encoder = Encoder({name: tensor for name, tensor in named.items() if name in state})
    model = graph.model
    description = {
        "version": VERSION,
        "class_name": type(model).__name__,
        "cf_args": encoder(dict(graph.cf_args), "cf_args") if graph.cf_args else None,
        "nodes": [_describe_node(node, encoder) for node in graph.nodes],
        "modules": describe_modules(graph, encoder),
        "tensors": describe_tensors(named, state, encoder),
        "training": [name for name, module in model.named_modules(remove_duplicate=False) if module.training],
        "meta": _describe_metadata(graph.meta.get("mase"), encoder, "graph"),
    }
    return description, encoder.tensors


def rebuild_graph(
    description: Mapping[str, Any],
    state: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    donor: MaseGraph | None = None,
) -> MaseGraph:
    """Make the described graph: same structure, layers, mode, metadata and outputs.

    Args:
        description: what :func:`describe_graph` made.
        state: the model's state dict.
        tensors: the further tensors.
        donor: a graph that gives copies of layers of the user's own classes.

    Raises:
        ConfigError: a description that chop would not write, of another version, or a layer of the user's own
            without a donor.
    """
    if description.get("version") != VERSION:
        raise ConfigError(
            f"the graph has version {description.get('version')!r}, this chop reads version {VERSION}"
        )
    try:
        return _rebuild(description, state, tensors, donor)
    except ConfigError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, SyntaxError) as error:
        raise ConfigError(f"the description of the graph is not one of chop's: {error!r:.200}") from None


def _rebuild(
    description: Mapping[str, Any],
    state: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    donor: MaseGraph | None,
) -> MaseGraph:
    nodes: dict[str, fx.Node] = {}
    held = held_tensors(description["tensors"], state, tensors)
    decoder = Decoder(held, tensors, nodes)
    graph = fx.Graph()
    for entry in description["nodes"]:
        try:
            _add_node(graph, entry, nodes, decoder)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ConfigError(f"node {entry['name']!s:.100}: {error!s:.200}") from None
    if [node.op for node in graph.nodes].index("output") != len(graph.nodes) - 1:
        raise ValueError("the output must be the last node, and the only one")
    root = build_modules(description["modules"], donor, decoder, held)
    for node in graph.nodes:
        if node.op == "get_attr":
            root[str(node.target)] = held[str(node.target)]
    model = fx.GraphModule(root, graph, _identifier(description["class_name"]))
    training = set(description["training"])
    for name, module in model.named_modules(remove_duplicate=False):
        module.training = name in training
    made = MaseGraph.from_graph_module(model, decoder(description["cf_args"]))
    entries = {entry["name"]: entry.get("meta") for entry in description["nodes"]}
    for node in made.nodes:
        _restore_metadata(node.meta, MaseMetadata(node, model), entries[node.name], decoder)
    _restore_metadata(made.meta, MaseMetadata(None, model), description["meta"], decoder)
    graph.lint()
    return made


# ---- nodes


def _describe_node(node: fx.Node, encoder: Encoder) -> dict[str, Any]:
    where = f"node {node.name}"
    entry = {
        "name": node.name,
        "op": node.op,
        "target": _describe_target(node.op, node.target, where),
        "args": encoder(node.args, where),
        "kwargs": encoder(dict(node.kwargs), where),
        "meta": _describe_metadata(node.meta.get("mase"), encoder, where),
    }
    if FLOAT_CALL in node.meta:
        op, target, arguments = node.meta[FLOAT_CALL]
        entry["float_call"] = [op, _describe_target(op, target, where), encoder(arguments, where)]
    return entry


def _describe_target(op: str, target: Any, where: str) -> str:
    if op != "call_function":
        return str(target)
    if quantized_function_op(target):
        return f"quantized.{next(name for name, made in quantized_func_map.items() if made is target)}"
    name = name_of_function(target)
    if name is None:
        raise ConfigError(
            f"{where}: function {function_name(target)} cannot be saved: chop.ir.graph.ops.register_op names it"
        )
    return name


def _add_node(graph: fx.Graph, entry: Mapping[str, Any], nodes: dict[str, fx.Node], decoder: Decoder) -> None:
    op, name = entry["op"], _identifier(entry["name"])
    args, kwargs = decoder(entry["args"]), decoder(entry["kwargs"])
    if name in nodes or not isinstance(args, tuple) or not isinstance(kwargs, dict):
        raise ValueError(f"node {name}")
    for key in kwargs:
        _identifier(key)
    target = _read_target(op, entry["target"], args)
    made = graph.create_node(op, target, args, kwargs, name)
    made.name = name  # fx renames what shadows a builtin
    nodes[name] = made
    if "float_call" in entry:
        float_op, float_target, arguments = entry["float_call"]
        made.meta[FLOAT_CALL] = (float_op, _read_target(float_op, float_target, ()), decoder(arguments))


def _read_target(op: str, target: str, args: tuple[Any, ...]) -> Any:
    if op == "placeholder":
        _identifier(target.lstrip("*"))
        return target
    if op == "output" and target == "output":
        return target
    if op in ("call_module", "get_attr") and _TARGET.fullmatch(target):
        return target
    if op == "call_method" and method_is_known(target):
        return target
    if op == "call_function":
        return _read_function(target, args)
    raise ValueError(f"{op} {target!r:.100} is in no table")


def _read_function(name: str, args: tuple[Any, ...]) -> Any:
    if name.startswith("quantized."):
        return quantized_func_map[name.removeprefix("quantized.")]
    function = known_function(name)
    if function is None:
        raise ConfigError(f"function {name} is not known; chop.ir.graph.ops.register_op makes it known")
    if function is getattr and args and not attribute_is_known(args[1]):
        raise ValueError(f"the attribute {args[1]!r} is in no table")
    return function


def _identifier(name: str) -> str:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name")
    return name


# ---- metadata


def _describe_metadata(meta: Any, encoder: Encoder, where: str) -> Any:
    if not isinstance(meta, MaseMetadata):
        return None
    return {part: encoder(value, f"{where}: metadata {part}") for part, value in meta.parameters.items()}


def _restore_metadata(holder: dict[str, Any], meta: MaseMetadata, entry: Any, decoder: Decoder) -> None:
    if entry is not None:
        meta.parameters = {_identifier(part): decoder(value) for part, value in entry.items()}
        holder["mase"] = meta
