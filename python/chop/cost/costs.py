"""Cost figures of one graph at one batch size, for any number of configs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from chop import _core
from chop.cost.models import COST_MODELS, CostModel, NodeCost
from chop.cost.table import CostReport, CostRow, tidy
from chop.cost.widths import Config, WidthTable
from chop.ir.graph.lowering import InputShapes, lower, repeated_parameters
from chop.ir.graph.mase_graph import MaseGraph


class Costs:
    """Cost models of one model at one batch size: no forward pass, shapes are worked out once.

    Later changes of the model or of its quantization are not seen; a config is a value handed in.

    Args:
        mg: a :class:`MaseGraph`, quantized or not, or a module; it needs no metadata and may be on the meta
            device (unless ``ebops``, which reads weights, is asked for).
        batch: rows.
        models: names from ``COST_MODELS``; None takes all.
        input_shapes: shape of the input without its batch, or name -> shape; needed where neither metadata
            nor the first layer tell.

    Raises:
        ValueError: the graph holds an operation that the core does not know, or sizes do not meet.
        UnknownNameError: no such cost model.

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
        mg: MaseGraph | nn.Module,
        batch: int = 1,
        models: Sequence[str] | None = None,
        input_shapes: InputShapes | Sequence[int] | None = None,
    ) -> None:
        self.graph = mg if isinstance(mg, MaseGraph) else MaseGraph(mg)
        self.batch = batch
        chosen = (
            tuple(COST_MODELS) if models is None else (models,) if isinstance(models, str) else tuple(models)
        )
        self.models: list[CostModel] = [COST_MODELS[name] for name in chosen]
        values = any(model.reads_values for model in self.models) and (
            models is not None or not _on_meta(self.graph)
        )
        if models is None and not values:
            self.models = [model for model in self.models if not model.reads_values]
        self._native = [model.name for model in self.models if model.rule is None]
        self._python = [model for model in self.models if model.rule is not None]
        lowered = lower(self.graph, input_shapes=input_shapes, values=values)
        self._core = _core.Costs(lowered, batch, self._native, repeated_parameters(self.graph))
        self._totals = _core.NamedTotals(self._core, self._native)
        self._operations = self._core.operations
        self._widths = WidthTable(self.graph, self._core, values)

    @property
    def operations(self) -> list[dict[str, Any]]:
        """One dict a node of the lowered graph: name, op, inputs and output (shapes), work, macs, …"""
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
            rows[name] = CostRow(name, model.unit, model.definition, tidy(total), parts)
        rows |= {row.name: row for row in self._python_rows(config)}
        return CostReport(self.batch, tuple(rows[model.name] for model in self.models))

    def _python_rows(self, config: Config | None) -> list[CostRow]:
        if not self._python:
            return []
        widths = {w.node: w for w in self._widths.of(config)}
        nodes = [_node_cost(row, widths.get(i)) for i, row in enumerate(self._operations)]
        rows = []
        for model in self._python:
            assert model.rule is not None
            parts = {node.name: model.rule(node) for node in nodes}
            rows.append(
                CostRow(model.name, model.unit, model.definition, model.total(list(parts.values())), parts)
            )
        return rows


def report(
    mg: MaseGraph | nn.Module,
    batch: int = 1,
    config: Config | None = None,
    models: Sequence[str] | None = None,
    input_shapes: InputShapes | Sequence[int] | None = None,
) -> CostReport:
    """Return the figures of cost models for one model, batch size and config; see :class:`Costs`."""
    return Costs(mg, batch, models, input_shapes).report(config)


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
