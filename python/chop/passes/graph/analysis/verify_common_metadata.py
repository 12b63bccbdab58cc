"""Whether the common metadata still say what the graph computes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from torch import fx, nn

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.ir.graph.ops import mase_type_and_op
from chop.passes.graph.node_inputs import hides_tensor_input, recorded_result, taken_result, tensor_inputs
from chop.passes.graph.precision import FORMAT_KEYS, write_precision
from chop.passes.graph.registry import register_pass
from chop.tools.errors import ConfigError

_SHOWN = 5


@register_pass("verify_common_metadata", "analysis")
def verify_common_metadata_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Check that ``common`` of each node is whole and agrees with the graph; nothing is changed.

    Checked are the kind and operation, the entries of tensors (type, precision, shape), that a node's input
    is its source's result, that parameters have the module's shapes, that type and precision are those of the
    quantizer in force, and the graph's own ``nodes_in`` and ``nodes_out``.

    Args:
        graph: a graph with common metadata.
        pass_args: unused.

    Raises:
        ConfigError: what does not agree, by node, the first five of all faults.

    >>> from chop.passes.graph.analysis import add_common_metadata_analysis_pass
    >>> import torch
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3)))
    >>> pass_args = {"dummy_in": {"input": torch.zeros(1, 2)}, "add_value": False}
    >>> graph, _ = add_common_metadata_analysis_pass(graph, pass_args)
    >>> list(graph.nodes)[1].meta["mase"]["common"]["results"]["data_out_0"]["shape"] = [7]
    >>> verify_common_metadata_analysis_pass(graph)
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: verify_common_metadata: node output: data_out_0 has shape [1, 3], \
node _0 gives [7]
    """
    modules = graph.modules
    faults = [f"node {node.name}: {fault}" for node in graph.nodes for fault in _node_faults(node, modules)]
    faults += [f"graph: {fault}" for fault in _graph_faults(graph)]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ConfigError(f"verify_common_metadata: {'; '.join(faults[:_SHOWN])}{more}")
    return graph, {}


def _node_faults(node: fx.Node, modules: Mapping[str, nn.Module]) -> Iterator[str]:
    meta = node.meta.get("mase")
    if not isinstance(meta, MaseMetadata):
        yield "has no metadata"
        return
    common = meta["common"]
    missing = [key for key in ("mase_type", "mase_op", "args", "results") if key not in common]
    if missing:
        yield f"common metadata lack {', '.join(missing)}"
        return
    kind = mase_type_and_op(node, modules)
    if (common["mase_type"], common["mase_op"]) != tuple(kind):
        yield f"is {common['mase_type']} {common['mase_op']}, the graph has {kind.mase_type} {kind.mase_op}"
    if "data_out_0" not in common["results"]:
        yield "has no result data_out_0"
    for name, entry in (*common["args"].items(), *common["results"].items()):
        if _is_tensor(name, entry):
            yield from _entry_faults(name, entry)
    yield from _source_faults(node, common, modules)
    yield from _parameter_faults(node, common["args"], modules)
    yield from _precision_faults(node, meta, modules)


def _is_tensor(name: str, entry: Any) -> bool:
    return isinstance(entry, dict) and ("precision" in entry or name.startswith("data_in"))


def _entry_faults(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    rules = (("type", str), ("precision", list), ("shape", list))
    for key, kind in rules:
        if not isinstance(entry.get(key), kind):
            yield f"{name}.{key} must be a {kind.__name__}, got {entry.get(key)!r}"
    shape = getattr(entry.get("value"), "shape", None)
    if shape is not None and list(shape) != entry.get("shape"):
        yield f"{name} has shape {entry.get('shape')}, its value has {list(shape)}"


def _source_faults(
    node: fx.Node, common: Mapping[str, Any], modules: Mapping[str, nn.Module]
) -> Iterator[str]:
    if node.op == "placeholder" or hides_tensor_input(node, modules):
        return
    group, prefix = ("results", "data_out") if node.op == "output" else ("args", "data_in")
    sources = tensor_inputs(node)
    for index, source in enumerate(sources):
        name, given = f"{prefix}_{index}", recorded_result(source, taken_result(node))
        entry = common[group].get(name)
        if not isinstance(entry, dict):
            if node.op != "get_attr":
                yield f"lacks {name}, the result of node {source.name}"
        elif given is not None and entry.get("shape") != given.get("shape"):
            yield f"{name} has shape {entry.get('shape')}, node {source.name} gives {given.get('shape')}"


def _parameter_faults(
    node: fx.Node, arguments: Mapping[str, Any], modules: Mapping[str, nn.Module]
) -> Iterator[str]:
    if node.op != "call_module":
        return
    for name, parameter in modules[str(node.target)].named_parameters():
        entry = arguments.get(name)
        if not isinstance(entry, dict):
            yield f"lacks the parameter {name}"
        elif entry.get("shape") != list(parameter.shape):
            yield f"{name} has shape {entry.get('shape')}, the module has {list(parameter.shape)}"


def _precision_faults(node: fx.Node, meta: MaseMetadata, modules: Mapping[str, nn.Module]) -> Iterator[str]:
    written = meta["common"]["args"]
    plain = {
        n: {k: v for k, v in e.items() if k != "value"} for n, e in written.items() if isinstance(e, dict)
    }
    stand_in = MaseMetadata(node, meta.model)
    stand_in["common"] = {**meta["common"], "args": copy.deepcopy(plain)}
    node.meta["mase"] = stand_in  # write_precision works on what the node carries
    try:
        write_precision(node, modules)
    finally:
        node.meta["mase"] = meta
    for name, right in stand_in["common"]["args"].items():
        for key in FORMAT_KEYS:
            found, true = written[name].get(key), right.get(key)
            if found != true:
                yield f"{name}.{key} is {found!r}, the graph computes with {true!r}"


def _graph_faults(graph: MaseGraph) -> Iterator[str]:
    meta = graph.meta.get("mase")
    common = meta["common"] if isinstance(meta, MaseMetadata) else {}
    nodes = set(graph.nodes)
    for key in ("nodes_in", "nodes_out"):
        if key not in common:
            yield f"common metadata lack {key}"
        else:
            yield from (f"{key} holds {n}, which is no node" for n in common[key] if n not in nodes)
