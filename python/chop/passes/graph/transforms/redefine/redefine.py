"""The pass that gives layers other numbers of channels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.analysis.add_common_metadata import add_common_metadata_analysis_pass
from chop.passes.graph.analysis.add_software_metadata import add_software_metadata_analysis_pass
from chop.passes.graph.look_ups import get_parent_name
from chop.passes.graph.node_inputs import recorded_result
from chop.passes.graph.registry import register_pass
from chop.passes.graph.transforms.redefine.layers import make_layer
from chop.passes.graph.transforms.redefine.plan import plan_redefinition
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)


@register_pass("redefine", "transform")
def redefine_transform_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Give the layers that a config names other numbers of channels, in place.

    A layer that a rule names is made anew, with torch's initial weights (as in MASE); a batch norm follows
    the layer before it. Widths are multiplied as they stand in the graph: a second call multiplies again.
    The model that the graph was made from never changes, and a refused config changes nothing.

    Args:
        graph: any traced graph; metadata, where present, are made anew for the new widths.
        pass_args: never changed. ``{"config": {"by": "name", "default": {"config": {"name": None}}, <node>:
            {"config": {"name": …, "channel_multiplier": …, "parent_block_name": …}}}}``, or what lies under
            "config" itself. name is output_only, both, input_only or None. The multiplier is a number above 0
            that leaves whole channels (0.5 of 16); it is that of the output. The input takes the multiplier of
            the parent; where none is named, that of what feeds the node, found through batch norms,
            activations, dropout, pools, flattenings, sums and concatenations. by may also be type or
            regex_name. Beside "config": weights = "inherit" copies the weights of the channels that a layer
            has before and after (the leading ones); seed makes the fresh ones repeatable.

    Returns:
        The same graph, and ``{"widths": {node: (input, output) channels of the layers made anew},
        "followed": [batch norms that no rule names], "outputs": {node: (before, after)}}``, the last for
        outputs of the model whose width changed.

    Raises:
        ConfigError: bad arguments; widths that do not meet, with both nodes and both widths; layers that
            cannot be split into their groups; changed widths into an operation that has fixed ones.

    Source: the redefinition of the labs on architecture search; MASE behaviour.

    >>> graph = MaseGraph(nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5)))
    >>> rules = {"_0": {"config": {"name": "output_only", "channel_multiplier": 2}}}
    >>> rules |= {"_2": {"config": {"name": "input_only"}}, "default": {"config": {"name": None}}}
    >>> graph, info = redefine_transform_pass(graph, {"config": rules})
    >>> info["widths"]
    {'_0': (16, 32), '_2': (32, 5)}
    """
    plan = plan_redefinition(graph, pass_args)
    for note in plan.notes:
        logger.warning("redefine: %s", note)
    modules = graph.modules
    arguments = plan.arguments
    made = {
        id(modules[change.target]): make_layer(
            modules[change.target], change, arguments.inherit, arguments.seed
        )
        for change in plan.layers
    }
    old = {name: module for name, module in modules.items() if id(module) in made}
    floats = dict(graph.float_modules)
    _install(graph, {name: made[id(module)] for name, module in old.items()})
    try:
        _renew_metadata(graph)
    except ConfigError as error:
        _install(graph, old)
        graph.float_modules = floats
        raise ConfigError(f"redefine: with the new widths {error}") from error
    info = {
        "widths": {change.node: (change.inputs[1], change.outputs[1]) for change in plan.layers},
        "followed": [change.node for change in plan.layers if change.follows],
        "outputs": plan.outputs,
    }
    return graph, info


def _install(graph: MaseGraph, modules: Mapping[str, nn.Module]) -> None:
    for target, module in modules.items():
        parent, name = get_parent_name(target)
        setattr(graph.model.get_submodule(parent), name, module)
        if target in graph.float_modules and isinstance(module, QuantizedModule):
            graph.float_modules[target] = module.to_float()


def _renew_metadata(graph: MaseGraph) -> None:
    """Fill the metadata again for the new layers: shapes, and values and places of statistics where there were any."""
    inputs = {}
    with_values = True
    for node in graph.nodes:
        if not isinstance(node.meta.get("mase"), MaseMetadata) or not node.meta["mase"]["common"]:
            return
        if node.op == "placeholder":
            entry = recorded_result(node) or {}
            value = entry.get("value")
            with_values = with_values and value is not None
            if value is None and "torch_dtype" in entry:
                value = torch.zeros(entry["shape"], dtype=entry["torch_dtype"], device="meta")
            inputs[str(node.target)] = value
    inputs = {name: value for name, value in inputs.items() if value is not None}
    statistics = any(node.meta["mase"]["software"] for node in graph.nodes)
    arguments = {"dummy_in": inputs, "add_value": with_values, "force_device_meta": not with_values}
    add_common_metadata_analysis_pass(graph, arguments)
    if statistics:
        add_software_metadata_analysis_pass(graph)
