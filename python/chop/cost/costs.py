"""Cost figures of one graph at one batch size, for any number of configs."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from chop import _core
from chop.cost.inputs import Example, Inputs, Shapes
from chop.cost.models import COST_MODELS, CostModel, NodeCost
from chop.cost.operations import Operations, operations_of
from chop.cost.sources import Source, source_of
from chop.cost.table import CostReport, CostRow, tidy
from chop.cost.walk import walk
from chop.cost.widths import Config, WidthTable
from chop.ir.graph.lowering_call import plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)
_told: WeakKeyDictionary[MaseGraph, str] = WeakKeyDictionary()


class Costs:
    """Cost models of one model at one batch size: no forward pass, shapes are worked out once.

    Later changes of the model or of its quantization are not seen; a config is a value handed in.

    A node whose work nobody can count (a kernel or a function that is not torch's, a shape that depends on numbers)
    is left out of the figures that need it; :attr:`left_out` and a warning name it.

    Args:
        mg: a :class:`MaseGraph`, quantized or not, a module, or an ``Evaluator``, whose data then tell the shapes; it
            needs no metadata and may be on the meta device (unless weights are read, as for ``ebops``).
        batch: rows, 1 if left out. Or an example input: as ``x``.
        models: names from ``COST_MODELS``; None takes all.
        input_shapes: shape of the input without its batch, or name -> shape; needed where neither metadata
            nor the first layer tell.
        x: an example instead of shapes: a tensor or array [rows, ...], a tuple of the inputs in order, or
            input name -> value. Its rows are the batch.
        strict: refuse a model with nodes that cannot be counted.

    Raises:
        ConfigError: (a ValueError) inputs that contradict each other or do not fit the model, a node that does not
            take what it is given, or, if ``strict``, one that cannot be counted; the message names it.
        UnknownNameError: no such cost model.

    >>> from torch import nn
    >>> costs = Costs(nn.Sequential(nn.Linear(16, 5)), batch=8, models=("bitops", "average_bitwidth"))
    >>> costs.evaluate()
    {'bitops': 20480.0, 'average_bitwidth': 32.0}
    >>> integer = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 6,
    ...            "weight_frac_width": 4}
    >>> costs.evaluate({"by": "type", "default": {"config": integer}})
    {'bitops': 5120.0, 'average_bitwidth': 6.0}
    """

    def __init__(
        self,
        mg: Source,
        batch: int | Example | None = None,
        models: Sequence[str] | None = None,
        input_shapes: Shapes | None = None,
        *,
        x: Example | None = None,
        strict: bool = False,
    ) -> None:
        chosen = (
            tuple(COST_MODELS) if models is None else (models,) if isinstance(models, str) else tuple(models)
        )
        self.models: list[CostModel] = [COST_MODELS[name] for name in chosen]
        self.graph, inputs_of = source_of(mg, batch, x, input_shapes)
        if models is None and _on_meta(self.graph):
            self.models = [model for model in self.models if not model.reads_values]
        self._native = [model.name for model in self.models if model.rule is None]
        self._python = [model for model in self.models if model.rule is not None]
        needed = any(model.reads_shapes for model in self.models)
        self.inputs: Inputs | None = inputs_of() if needed else None
        self.batch = self.inputs.batch if self.inputs else batch if isinstance(batch, int) else 1
        found = self._operations_with(self.inputs)
        self._operations = found.rows
        self.left_out: Mapping[str, str] = found.left_out
        self._tell(strict)
        self._core = _core.Costs(found.for_core, found.outputs, found.parameters, self._native)
        self._totals = _core.NamedTotals(self._core, self._native)
        values = any(model.reads_values for model in self.models)
        weights = {name: plain_tensor(t).clone() for name, t in found.weights.items()} if values else {}
        self._widths = WidthTable(self.graph, self._operations, weights, found.tap_uses)

    def _operations_with(self, inputs: Inputs | None) -> Operations:
        if inputs is None:
            return operations_of(self.graph, None)
        seen = walk(self.graph, inputs.values)
        if inputs.real and any(each.is_lost for each in seen.values()):
            seen = walk(self.graph, inputs.values, real=True)  # the example tells what shapes alone do not
        return operations_of(self.graph, seen)

    def _tell(self, strict: bool) -> None:
        if not self.left_out:
            return
        nodes = "; ".join(f"{name} ({reason})" for name, reason in self.left_out.items())
        if strict:
            raise ConfigError(f"cost: these nodes cannot be counted: {nodes}; strict=False leaves them out")
        if _told.get(self.graph) != nodes:  # once for a graph, however often its costs are asked for
            _told[self.graph] = nodes
            logger.warning("cost: left out of the figures, since they cannot be counted: %s", nodes)

    @property
    def operations(self) -> list[dict[str, Any]]:
        """One dict a node: name, op, inputs and output (shapes), parameters, attributes, work, macs."""
        return [dict(row) for row in self._operations]

    def evaluate(self, config: Config | None = None) -> dict[str, float]:
        """Return the total of each model under ``config``, the dict that ``quantize_transform_pass`` takes.

        Args:
            config: None takes the graph as it stands: with the widths of its quantized layers, if it has any.

        Raises:
            ConfigError: the config is not one for this model; the message names the key path.
        """
        found = self._totals.of_config(self._widths.memo, config)
        if found is None:
            found = self._totals.of(self._widths.of(config))
        if not self._python:
            return found
        rows = {row.name: row.total for row in self._python_rows(config)}
        return {
            model.name: found[model.name] if model.name in found else rows[model.name]
            for model in self.models
        }

    def report(self, config: Config | None = None) -> CostReport:
        """Return each model's figure with its unit, definition and parts by node; ``str()`` is a table."""
        names = [row["name"] for row in self._operations]
        figures = self._core.figures(self._widths.of(config))
        rows = {}
        for name, (nodes, total) in zip(self._native, figures, strict=True):
            model = COST_MODELS[name]
            parts = {n: None if math.isnan(v) else tidy(v) for n, v in zip(names, nodes, strict=True)}
            rows[name] = CostRow(
                name, model.unit, model.definition, tidy(total), parts, self._lacking(model, parts)
            )
        rows |= {row.name: row for row in self._python_rows(config)}
        inputs = str(self.inputs) if self.inputs else ""
        return CostReport(self.batch, tuple(rows[model.name] for model in self.models), inputs, self.left_out)

    def _lacking(self, model: CostModel, parts: Mapping[str, float | None]) -> tuple[str, ...]:
        return tuple(n for n in self.left_out if parts[n] is None) if model.reads_shapes else ()

    def _python_rows(self, config: Config | None) -> list[CostRow]:
        if not self._python:
            return []
        widths = {w.node: w for w in self._widths.of(config)}
        nodes = [_node_cost(row, widths.get(i)) for i, row in enumerate(self._operations)]
        rows = []
        for model in self._python:
            assert model.rule is not None
            parts = {node.name: self._part(model, node) for node in nodes}
            total = model.total(list(parts.values()))
            lacking = self._lacking(model, parts)
            rows.append(CostRow(model.name, model.unit, model.definition, total, parts, lacking))
        return rows

    def _part(self, model: CostModel, node: NodeCost) -> float | None:
        assert model.rule is not None
        if node.name in self.left_out and not node.output:
            return None  # not even its shape is known
        found = model.rule(node)
        return None if found is None or (node.name in self.left_out and math.isnan(found)) else found


def report(
    mg: Source,
    batch: int | Example | None = None,
    config: Config | None = None,
    models: Sequence[str] | None = None,
    input_shapes: Shapes | None = None,
    *,
    x: Example | None = None,
    strict: bool = False,
) -> CostReport:
    """Return the figures of cost models for one model, batch size and config; see :class:`Costs`.

    The report says which inputs it counts for, and where it has their shapes from.

    >>> import torch
    >>> from torch import nn
    >>> found = report(nn.Sequential(nn.Conv1d(3, 4, 3)), torch.zeros(2, 3, 10), models=("macs",))
    >>> found["macs"].total, found.inputs
    (576, 'input_1 2x3x10 float32 (from the example input)')
    """
    return Costs(mg, batch, models, input_shapes, x=x, strict=strict).report(config)


def _on_meta(graph: MaseGraph) -> bool:
    return any(tensor.is_meta for tensor in graph.model.parameters())


def _node_cost(row: Mapping[str, Any], widths: _core.NodeWidths | None) -> NodeCost:
    bits = (widths.data_in, widths.weight, widths.bias) if widths else (32.0, 32.0, 32.0)
    return NodeCost(
        row["name"],
        row["op"],
        tuple(map(tuple, row["inputs"])),
        tuple(row["output"]),
        row["parameters"],
        row["attributes"],
        row["work"],
        row["macs"],
        widths is not None and widths.quantized,
        *bits,
    )
