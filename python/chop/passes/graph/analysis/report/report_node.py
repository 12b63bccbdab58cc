"""Tables of what metadata says about each node."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from torch import fx

from chop.ir.graph import MaseGraph
from chop.passes.graph.registry import pass_table, path_argument, register_pass
from chop.registry import did_you_mean
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)

_PARTS = ("common", "hardware", "software")


@register_pass("report_node_type", "analysis")
def report_node_type_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Log (INFO) a table of each node's kind, operation and input type; needs common metadata.

    Args:
        graph: a graph with common metadata.
        pass_args: unused.
    """
    from tabulate import tabulate

    logger.info("Inspecting graph [add_common_node_type_analysis_pass]")
    headers = ["Node name", "Fx Node op", "Mase type", "Mase op", "Value type"]
    logger.info(
        "\n%s", tabulate([[*_head(node), _value_type(node)] for node in graph.nodes], headers=headers)
    )
    return graph, {}


@register_pass("report_node_shape", "analysis")
def report_node_shape_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Log (INFO) the shapes of each node's arguments and results; needs common metadata.

    Args:
        graph: a graph with common metadata.
        pass_args: unused.
    """
    logger.info("Inspecting graph [add_common_node_shape_analysis_pass]")
    lines = []
    for node in graph.nodes:
        common = _metadata(node)["common"]
        lines += [f"{node.name}:", "in:"]
        lines += [f"{name} = {_shape_text(name, entry)}" for name, entry in common["args"].items()]
        lines += ["out:", *(f"{name} = {entry['shape']}" for name, entry in common["results"].items()), ""]
    logger.info("%s\n", "\n".join(lines))
    return graph, {}


@register_pass("report_node_meta_param", "analysis")
def report_node_meta_param_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Log (INFO) a grid of each node's metadata, and write it to a file if asked.

    Args:
        graph: a graph with common metadata.
        pass_args: ``which`` (list or tuple of all, common, hardware, software; default all), ``save_path``
            (None).

    Raises:
        ConfigError: another value in ``which``.
    """
    from tabulate import tabulate

    pass_args = pass_table(pass_args, "report_node_meta_param")
    parts = _read_which(pass_args.get("which", ("all",)))
    headers = [
        "Node name",
        "Fx Node op",
        "Mase type",
        "Mase op",
        *(f"{part.capitalize()} Param" for part in parts),
    ]
    rows = [[*_head(node), *(pformat(_metadata(node)[part]) for part in parts)] for node in graph.nodes]
    text = tabulate(rows, headers=headers, tablefmt="grid")
    logger.info("Inspecting graph [report_node_meta_param_analysis_pass]")
    logger.info("\n%s", text)
    if pass_args.get("save_path") is not None:
        atomic_write(path_argument(pass_args, "save_path", "report_node_meta_param"), text)
    return graph, {}


def _read_which(which: Any) -> list[str]:
    allowed = ("all", *_PARTS)
    if not isinstance(which, (list, tuple)) or not which:
        raise ConfigError(
            f"report_node_meta_param: which must be a list of {', '.join(allowed)}, got {which!r}"
        )
    for part in which:
        if part not in allowed:
            hint = did_you_mean(part, allowed)
            raise ConfigError(
                f"report_node_meta_param: which holds {part!r}{hint}; allowed: {', '.join(allowed)}"
            )
    return list(_PARTS) if "all" in which else [part for part in _PARTS if part in which]


def _metadata(node: fx.Node) -> Any:
    meta = node.meta.get("mase")
    if meta is None or "mase_op" not in meta["common"]:
        raise ConfigError(f"report: node {node.name} has no common metadata; run add_common_metadata first")
    return meta


def _head(node: fx.Node) -> list[str]:
    common = _metadata(node)["common"]
    return [node.name, node.op, common["mase_type"], common["mase_op"]]


def _value_type(node: fx.Node) -> str:
    entry = _metadata(node)["common"]["args"].get("data_in_0")
    return entry["type"] if entry else "NA"


def _shape_text(name: str, entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return str(
        entry["shape"] if name.startswith("data_in") else {k: v for k, v in entry.items() if k != "value"}
    )
