"""What learning widths leaves: models with the formats and the weights of all their layers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from torch import Tensor, nn

from chop.ir.graph.mase_graph import MaseGraph
from chop.tools.text_tables import html_table, number, text_table

__all__ = ["LearnedFront", "LearnedModel"]


@dataclasses.dataclass(frozen=True, repr=False)
class LearnedModel:
    """A model whose widths were learned.

    Attributes:
        config: quantization config by name; the learned layers' widths are arrays of whole numbers. It goes with
            ``weights`` and with no others.
        weights: state of the float model, as it was trained.
        costs: cost model -> figure, of one row.
        metrics: on the validation rows under ``config``: loss, accuracy (mean of the classes' recalls), accuracy_micro.
        target: what the stage that it is of aimed at, as cost model -> bound; empty where prices were given.
        epoch: of that stage, from 0.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    costs: Mapping[str, float]
    metrics: Mapping[str, float]
    target: Mapping[str, float]
    epoch: int

    def model(self, model: nn.Module) -> nn.Module:
        """Return a copy of the float model with the trained weights, in eval mode."""
        made = copy.deepcopy(model).eval()
        made.load_state_dict(dict(self.weights))
        return made

    def graph(self, model: nn.Module) -> MaseGraph:
        """Return the quantized graph of :meth:`model`."""
        from chop.passes.graph import quantize_transform_pass

        graph = MaseGraph(self.model(model))
        quantize_transform_pass(graph, self.config)
        return graph

    def __repr__(self) -> str:
        figures = {**self.costs, **self.metrics}
        return f"LearnedModel({', '.join(f'{name}={number(value, 5)}' for name, value in figures.items())})"


class LearnedFront(Sequence[LearnedModel]):
    """Learned models that no other dominates in cost and accuracy, cheapest first.

    Attributes:
        cost: the cost model that they are compared by.
        history: one row for each epoch: stage, epoch, cost, price, loss (mean over the rows, in the soft targets),
            accuracy on the validation rows, and whether all sums were exact in float32.
    """

    def __init__(
        self, models: Sequence[LearnedModel], cost: str, history: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._models = list(models)
        self.cost, self.history = cost, list(history)

    @overload
    def __getitem__(self, at: int) -> LearnedModel: ...
    @overload
    def __getitem__(self, at: slice) -> LearnedFront: ...
    def __getitem__(self, at: int | slice) -> LearnedModel | LearnedFront:
        if isinstance(at, slice):
            return LearnedFront(self._models[at], self.cost, self.history)
        return self._models[at]

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[LearnedModel]:
        return iter(self._models)

    def at(self, most: float) -> LearnedModel | None:
        """Return the most accurate model of at most that cost; None: none is so cheap."""
        return next((m for m in reversed(self._models) if m.costs[self.cost] <= most), None)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        names: list[str] = [self.cost, "accuracy", "loss"]
        return names, [[number({**m.costs, **m.metrics}[name], 5) for name in names] for m in self._models]

    def __repr__(self) -> str:
        return f"{len(self)} learned models\n{text_table(*self._table())}"

    def _repr_html_(self) -> str:
        return html_table(*self._table(), f"{len(self)} learned models")
