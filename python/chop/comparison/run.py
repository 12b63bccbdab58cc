"""Runs two graphs in step, batch by batch, and compares what their nodes give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, fx, nn

from chop.comparison.difference import DifferenceSum, Tolerance, leaves
from chop.comparison.matching import match_nodes, node_kind
from chop.comparison.output_step import output_step
from chop.comparison.result import Comparison, NodeDifference
from chop.ir.graph.eval_run import Watcher, batches_of, eval_mode
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import describe_target
from chop.tools.errors import ConfigError

Model = MaseGraph | nn.Module


def compare(
    mg_a: Model,
    mg_b: Model,
    x: Any,
    *,
    batch_size: int = 1024,
    atol: float = 0.0,
    rtol: float = 0.0,
    bitwise: bool = False,
) -> Comparison:
    """Run two graphs on the same data and report the first node whose result differs, by how much and where.

    Nodes are matched by name, then by the order of their operations where names differ; a quantized layer
    matches its float twin. Both graphs run in eval mode without gradients, and are afterwards as they were.
    Only sums and the places of differences are kept, so memory grows with ``batch_size``, not with ``x``.

    Args:
        mg_a, mg_b: a :class:`MaseGraph`, a ``torch.fx.GraphModule``, or a module, which is traced.
        x: input [rows, ...], or a tuple of inputs with the same rows.
        batch_size: rows that run at once.
        atol, rtol: values with ``|a - b| <= atol + rtol * |a|`` count as equal. NaN equals NaN.
        bitwise: True tells -0.0 from 0.0, and one dtype from another.

    Raises:
        ConfigError: ``mg_a`` or ``mg_b`` is no model, ``x`` does not suit a graph (the node that failed is
            named), has no rows, or a number is out of range.

    >>> import torch
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 2.0)
    >>> twin = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(twin.weight, 2.5)
    >>> found = compare(nn.Sequential(layer, nn.ReLU()), nn.Sequential(twin, nn.ReLU()), torch.eye(1))
    >>> found.first.name, found.first.max_abs, found.first.largest.index
    ('_0', 0.5, (0, 0))
    """
    tolerance = Tolerance(atol, rtol, bitwise)
    batches = batches_of(x, batch_size, "compare")
    graphs = (_graph(mg_a, "mg_a"), _graph(mg_b, "mg_b"))
    run = _Run(graphs, tolerance)
    rows = 0
    with eval_mode(graphs[0].model, graphs[1].model):
        for first, values in batches:
            count = next(value.shape[0] for value in values if isinstance(value, Tensor))
            run.batch(values, first, count)
            rows = first + count
    return run.result(rows)


def _graph(model: Any, name: str) -> MaseGraph:
    if isinstance(model, MaseGraph):
        return model
    if isinstance(model, fx.GraphModule):
        return MaseGraph.from_graph_module(model)
    if isinstance(model, nn.Module):
        return MaseGraph(model)
    raise ConfigError(f"compare: {name} must be a MaseGraph or a module, got {type(model).__name__}")


class _Run:
    """Two graphs, which of their nodes stand for each other, and the differences so far."""

    def __init__(self, graphs: tuple[MaseGraph, MaseGraph], tolerance: Tolerance) -> None:
        self.graphs, self.tolerance = graphs, tolerance
        nodes = [
            [node for node in graph.nodes if node.op not in ("placeholder", "output")] for graph in graphs
        ]
        self.modules = [graph.modules for graph in graphs]
        self.kinds = [
            {node: node_kind(node, modules) for node in found}
            for found, modules in zip(nodes, self.modules, strict=True)
        ]
        named = [[(node.name, kinds[node]) for node in kinds] for kinds in self.kinds]
        self.pairs = {nodes[0][i]: nodes[1][j] for i, j in match_nodes(*named)}
        self.partners = {b: a for a, b in self.pairs.items()}
        self.alone = [
            tuple(node.name for node in found if node not in matched)
            for found, matched in zip(nodes, (self.pairs, self.partners), strict=True)
        ]
        self.on_data = [_fed_by_inputs(graph) for graph in graphs]
        self.differences: dict[tuple[fx.Node, str], DifferenceSum] = {}
        self._kept: dict[fx.Node, dict[str, Tensor]] = {}
        self._first, self._rows = 0, 0

    def batch(self, values: tuple[Any, ...], first: int, rows: int) -> None:
        """Run both graphs on rows ``first`` to ``first + rows``."""
        self._first, self._rows, self._kept = first, rows, {}
        Watcher(self.graphs[0], self._keep, "compare: the first graph").watch(values)
        Watcher(self.graphs[1], self._compare, "compare: the second graph").watch(values)

    def _keep(self, node: fx.Node, result: Any) -> None:
        # Results that no batch can change are seen once.
        if node in self.pairs and (self._first == 0 or node in self.on_data[0]):
            self._kept[node] = {path: tensor.clone() for path, tensor in leaves(result)}

    def _compare(self, node: fx.Node, result: Any) -> None:
        partner = self.partners.get(node)
        kept = self._kept.pop(partner, None) if partner is not None else None
        if partner is None or kept is None:
            return
        varies = partner in self.on_data[0] and node in self.on_data[1]
        for path, tensor in leaves(result):
            if path in kept:
                found = self.differences.setdefault((partner, path), DifferenceSum(self.tolerance))
                has_rows = varies and all(
                    t.dim() > 0 and t.shape[0] == self._rows for t in (kept[path], tensor)
                )
                found.add(kept[path], tensor, self._first if has_rows else None)

    def result(self, rows: int) -> Comparison:
        """Return what was found, in the order of the first graph."""
        order = {node: index for index, node in enumerate(self.kinds[0])}
        keys = sorted(self.differences, key=lambda key: order[key[0]])
        found = tuple(self._row(node, path, self.differences[node, path]) for node, path in keys)
        return Comparison(found, self.alone[0], self.alone[1], rows, self.tolerance)

    def _row(self, a: fx.Node, path: str, difference: DifferenceSum) -> NodeDifference:
        b = self.pairs[a]
        kinds = dict.fromkeys((self.kinds[0][a], self.kinds[1][b]))
        step = output_step(b, self.modules[1])
        return NodeDifference(
            f"{a.name}{path}",
            f"{b.name}{path}",
            " / ".join(kinds),
            describe_target(a, self.modules[0]),
            describe_target(b, self.modules[1]),
            *difference.shapes,
            *difference.dtypes,
            difference.elements,
            difference.differing,
            difference.max_abs,
            difference.max_ulps,
            step if step is not None else output_step(a, self.modules[0]),
            difference.largest,
            difference.first,
            difference.sqnr_db,
        )


def _fed_by_inputs(graph: MaseGraph) -> set[fx.Node]:
    """The nodes whose results depend on an input of the graph."""
    fed: set[fx.Node] = set()
    nodes: Iterable[fx.Node] = graph.nodes
    for node in nodes:
        if node.op == "placeholder" or any(source in fed for source in node.all_input_nodes):
            fed.add(node)
    return fed
