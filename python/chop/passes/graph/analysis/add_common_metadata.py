"""Operation, shapes, types and values of each node's arguments and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.ir.graph.op_rows import IMPLICIT
from chop.ir.graph.ops import mase_type_and_op
from chop.passes.graph.analysis.dummy_run import run_and_record
from chop.passes.graph.analysis.init_metadata import init_metadata_analysis_pass
from chop.passes.graph.graph_entries import ENDS, graph_entries
from chop.passes.graph.node_inputs import (
    hides_tensor_input,
    named_arguments,
    recorded_result,
    taken_result,
    tensor_inputs,
)
from chop.passes.graph.precision import dtype_precision, write_precision
from chop.passes.graph.registry import pass_table, register_pass
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_ENDS = ("placeholder", "output", "get_attr")
_KEYS = ("dummy_in", "add_value", "force_device_meta")


@register_pass("add_common_metadata", "analysis")
def add_common_metadata_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Run the graph once on example input and fill ``common`` and ``hardware.is_implicit`` of each node.

    Args:
        graph: any traced graph; metadata is initialised where it is missing.
        pass_args: ``dummy_in`` (input name -> tensor, obligatory), ``add_value`` (store tensors too, default
            True), ``force_device_meta`` (shapes only, no arithmetic; default False).

    Raises:
        ConfigError: an unknown key, no ``dummy_in``, a node whose operation is not known, or one that fails
            on this input.
        UnknownNameError: ``dummy_in`` names an input that the graph lacks.

    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3)))
    >>> graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"input": torch.zeros(4, 2)}})
    >>> list(graph.nodes)[1].meta["mase"]["common"]["results"]["data_out_0"]["shape"]
    [4, 3]
    """
    arguments = _read_pass_args(pass_args)
    modules = graph.modules
    kinds = {node.name: mase_type_and_op(node, modules) for node in graph.nodes}
    add_value, on_meta = arguments.get("add_value", True), arguments.get("force_device_meta", False)
    results = run_and_record(graph, arguments["dummy_in"], clone=add_value, on_meta=on_meta)
    if (
        not all(isinstance(node.meta.get("mase"), MaseMetadata) for node in graph.nodes)
        or "mase" not in graph.meta
    ):
        init_metadata_analysis_pass(graph)
    for node in graph.nodes:
        kind = kinds[node.name]
        meta = node.meta["mase"]
        meta["common"] = {
            "mase_type": kind.mase_type,
            "mase_op": kind.mase_op,
            "args": _argument_entries(node, modules, add_value),
            "results": _result_entries(results[node.name], add_value),
        }
        write_precision(node, modules)
        # Of what only reshapes, MASE marks the methods and not torch's functions; the mark says no more.
        if kind.mase_type in ENDS or (kind.mase_type == IMPLICIT and node.op == "call_method"):
            meta["hardware"]["is_implicit"] = True
    graph.meta["mase"]["common"] = graph_entries(graph)
    return graph, {}


def _read_pass_args(pass_args: Mapping[str, Any] | None) -> Mapping[str, Any]:
    where = "add_common_metadata"
    pass_args = pass_table(pass_args, where)
    for key in pass_args:
        if key not in _KEYS:
            known = ", ".join(_KEYS)
            raise ConfigError(f"{where}: key {key!r} is not known{did_you_mean(key, _KEYS)}; known: {known}")
    if not isinstance(pass_args.get("dummy_in"), Mapping):
        raise ConfigError(
            f"{where}: dummy_in must be a table of input name -> tensor, got {pass_args.get('dummy_in')!r}"
        )
    return pass_args


def _tensor_entry(tensor: torch.Tensor, add_value: bool) -> dict[str, Any]:
    kind, precision = dtype_precision(tensor.dtype)
    entry = {"type": kind, "precision": precision, "shape": list(tensor.shape), "torch_dtype": tensor.dtype}
    return {**entry, "value": tensor} if add_value else entry


def _result_entries(result: Any, add_value: bool) -> dict[str, Any]:
    several = isinstance(result, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in result)
    entries = {}
    for index, item in enumerate(result if several else [result]):
        is_tensor = isinstance(item, torch.Tensor)
        scalar = {"type": type(item), "shape": [1], "value": item}
        entries[f"data_out_{index}"] = _tensor_entry(item, add_value) if is_tensor else scalar
    return entries


def _argument_entries(node: fx.Node, modules: Mapping[str, nn.Module], add_value: bool) -> dict[str, Any]:
    if node.op in ("placeholder", "get_attr", "output"):
        return {}
    entries: dict[str, Any] = {}
    if not hides_tensor_input(node, modules):
        for index, source in enumerate(tensor_inputs(node)):
            entries[f"data_in_{index}"] = dict(recorded_result(source, taken_result(node)) or {})
    entries.update(named_arguments(node, modules))
    if node.op == "call_module":
        for name, parameter in modules[str(node.target)].named_parameters():
            entry = _tensor_entry(parameter.detach(), add_value)
            del entry["torch_dtype"]
            entries[name] = {**entry, "from": None}
    return entries
