"""A graph's nodes in words: for its repr, its table in a notebook and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import fx, nn

from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import describe_target, mase_type_and_op, node_quantizer_config
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import QUANTIZERS, ElementFormat
from chop.tools.errors import ConfigError
from chop.tools.text_tables import html_table, text_table

HEADERS = ("node", "operation", "result", "formats")
SHOWN = 40  # nodes, of a longer graph the first and the last ones


class Summarized(Protocol):
    """What is read of a :class:`chop.ir.graph.MaseGraph`."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def nodes(self) -> Any: ...

    @property
    def modules(self) -> Mapping[str, nn.Module]: ...


class NodeRow(NamedTuple):
    """One node in words.

    Attributes:
        name: of the node.
        operation: MASE's name, e.g. ``linear``.
        result: shape and sizes as far as they are known: ``[8, 5]`` after a metadata pass, else the layer's
            ``16 → 5``, else nothing.
        formats: ``data_in 8.4, weight 4.2``: width and fraction width of a quantized node's operands.
        inputs: names of the nodes that it reads.
    """

    name: str
    operation: str
    result: str
    formats: str
    inputs: tuple[str, ...]


def node_rows(graph: Summarized) -> list[NodeRow]:
    """Return a row for each node, in order of execution.

    >>> from chop.ir.graph.mase_graph import MaseGraph
    >>> [row.result for row in node_rows(MaseGraph(nn.Sequential(nn.Linear(4, 3), nn.ReLU())))]
    ['', '4 → 3', '', '']
    """
    modules = graph.modules
    return [
        NodeRow(
            node.name,
            _operation(node, modules),
            _result(node, modules),
            _formats(node, modules),
            tuple(source.name for source in node.all_input_nodes),
        )
        for node in graph.nodes
    ]


def _result(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    meta = node.meta.get("mase")
    if isinstance(meta, MaseMetadata):
        results: dict[str, Any] = meta.parameters.get("common", {}).get("results", {})
        shapes = [
            entry["shape"] for entry in results.values() if isinstance(entry, Mapping) and entry.get("shape")
        ]
        if shapes:
            return ", ".join(str(list(shape)) for shape in shapes)
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    sizes = (("in_features", "out_features"), ("in_channels", "out_channels"))
    for before, after in sizes:
        if hasattr(module, before) and hasattr(module, after):
            return f"{getattr(module, before)} → {getattr(module, after)}"
    features = getattr(module, "num_features", None)
    return "" if features is None else str(features)


def _formats(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    config = node_quantizer_config(node, modules)
    if config is None:
        return ""
    if config.get("bypass"):
        return "bypassed"
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    if isinstance(module, QuantizedModule):
        formats = module.formats
    else:
        spec = QUANTIZERS[str(config.get("name", "integer"))]
        formats = spec.parse(_operation(node, modules), dict(config), node.name)
    return ", ".join(
        f"{operand} {_grid(format)}" for operand, format in formats.items() if format is not None
    )


def _operation(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    try:
        return mase_type_and_op(node, modules)[1]
    except ConfigError:  # no row in the op table: what is called, as it is called
        return describe_target(node, modules)


def _grid(format: Any) -> str:
    sign = "" if getattr(format, "is_signed", True) else "u"
    if isinstance(format, ElementFormat):
        return f"{sign}{format}"
    return f"{sign}{format.width}.{format.frac_width}" if hasattr(format, "frac_width") else str(format)


def title(graph: Summarized) -> str:
    """Return the model's class and the number of nodes."""
    return f"MaseGraph({type(graph.model).__name__}, {len(graph.nodes)} nodes)"


def graph_text(graph: Summarized) -> str:
    """Return title and table."""
    return f"{title(graph)}\n{text_table(HEADERS, _cells(graph))}"


def graph_html(graph: Summarized) -> str:
    """Return the same as HTML, escaped."""
    return html_table(HEADERS, _cells(graph), title(graph))


def _cells(graph: Summarized) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [row[:4] for row in node_rows(graph)]
    if len(rows) <= SHOWN:
        return rows
    half = SHOWN // 2
    return [*rows[:half], (f"… {len(rows) - SHOWN} more", "", "", ""), *rows[-half:]]
