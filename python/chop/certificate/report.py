"""A certificate: its rows, what they say together, and how it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chop.certificate.layers import LayerCertificate
from chop.certificate.table import text_table
from chop.tools.text_tables import html_table


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """What is certain of a model under a config, on one set of data.

    Attributes:
        layers: one row for each linear layer, convolution and quantized operation, in the graph's order.
        between: why bits are undefined in front of a quantized layer: float layers, nodes that torch computes and
            operations whose bits depend on the machine, a sentence each.
        behind: the same for nodes with no quantized layer after them.
        rows: rows of data that were looked at.

    >>> import torch
    >>> from torch import nn
    >>> import chop
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -0.5]]))
    >>> ev = chop.Evaluator(nn.Sequential(layer), torch.tensor([[1.0, 1.0], [20.0, 0.0]]), torch.tensor([0, 0]))
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 4,
    ...           "weight_frac_width": 2}
    >>> found = ev.certificate({"by": "type", "default": {"config": config}})
    >>> found.exact
    True
    >>> row = found.layers[0]
    >>> row.bound, row.accumulator_bits  # (4 + 2) * 128
    (768.0, 11)
    >>> row.used, row.used_bits  # 4 * 127: 20.0 saturates at 7.9375
    (508.0, 10)
    >>> row.inputs
    Saturated(beyond=1, total=4)
    """

    layers: tuple[LayerCertificate, ...]
    between: tuple[str, ...]
    behind: tuple[str, ...]
    rows: int

    @property
    def exact(self) -> bool:
        """Whether every layer is exact for any input and no bits are undefined in front of one.

        Then the outputs up to the last layer equal, bit for bit, those of torch's quantized graph and of integer
        hardware, on any machine, batch and number of threads.
        """
        return not self.between and all(layer.exact for layer in self.layers)

    @property
    def exact_on_data(self) -> bool:
        """The same for this data only."""
        return not self.between and all(layer.exact_on_data for layer in self.layers)

    @property
    def quantized_part_is_exact(self) -> bool:
        """:attr:`exact_on_data` up to the last quantized layer; float layers may follow it."""
        quantized = [layer for layer in self.layers if layer.road not in ("float", "torch")]
        return not self.between and all(layer.exact_on_data for layer in quantized)

    def __getitem__(self, node: str) -> LayerCertificate:
        """Return the row of a node. Raises KeyError that lists the nodes."""
        for layer in self.layers:
            if layer.node == node:
                return layer
        raise KeyError(
            f"certificate: no row for {node!r}; rows: {', '.join(row.node for row in self.layers)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, texts and lists, ready for JSON."""
        return {
            "exact": self.exact,
            "exact_on_data": self.exact_on_data,
            "rows": self.rows,
            "between": list(self.between),
            "behind": list(self.behind),
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON, indented by two."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __repr__(self) -> str:
        return text_table(_HEADER, [_cells(layer) for layer in self.layers], self._notes())

    def _repr_html_(self) -> str:
        return html_table(_HEADER, [_cells(layer) for layer in self.layers], notes=self._notes())

    @property
    def verdict(self) -> str:
        """:attr:`exact` and :attr:`exact_on_data` in words."""
        if self.exact:
            return "exact for any input"
        return f"exact on these {self.rows} rows, not for any input" if self.exact_on_data else "not exact"

    def _notes(self) -> list[str]:
        reasons = [f"{layer.node}: {layer.reason}" for layer in self.layers if layer.reason]
        behind = [f"behind the last quantized layer: {reason}" for reason in self.behind]
        return [self.verdict, *reasons, *self.between, *behind]


_HEADER = ("node", "op", "road", "bound", "bits", "used", "in %", "weight %", "bias %", "out %", "exact")


def _cells(layer: LayerCertificate) -> list[str]:
    saturated = (layer.inputs, layer.weights, layer.biases, layer.outputs)
    shares = ["" if part is None else f"{part.percent:.3g}" for part in saturated]
    bits = "" if layer.accumulator_bits is None else str(layer.accumulator_bits)
    used = "" if layer.used_bits is None else str(layer.used_bits)
    bound = "" if layer.bound is None else f"{layer.bound:,.0f}"
    exact = "yes" if layer.exact else "on data" if layer.exact_on_data else "no"
    return [layer.node, layer.op, layer.road, bound, bits, used, *shares, exact]
