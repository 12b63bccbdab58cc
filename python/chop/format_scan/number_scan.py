"""The exact scan over the parameters of a number format other than fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from chop.format_scan.binades import Binades
from chop.format_scan.operand_run import Walk
from chop.format_scan.result import BestFormats, FormatChoice
from chop.ir.graph.quantizable_layers import Layer
from chop.nn.quantizers import OPERANDS, QUANTIZERS, NumberFormat
from chop.nn.quantizers.operands import LAYER_OPS, Operand
from chop.nn.quantizers.value_spec import ValueSpec
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.text_tables import decibels

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

_WHERE = "best_formats"


def number_spec(name: str) -> ValueSpec:
    """Return the number format of that name.

    Raises:
        ConfigError: there is none, or it has no parameters to scan.
    """
    known = sorted(key for key, spec in QUANTIZERS.items() if isinstance(spec, ValueSpec))
    spec = QUANTIZERS[name] if isinstance(name, str) and name in QUANTIZERS else None
    if not isinstance(spec, ValueSpec):
        raise ConfigError(
            f"{_WHERE}: name must be one of integer, {', '.join(known)}, got {name!r}{did_you_mean(str(name), known)}"
        )
    return spec


def listed(spec: ValueSpec, field: str, value: Any) -> list[Any]:
    """Return the values of a field that are to be tried: those of a list, unless the list itself is one value."""
    if not isinstance(value, list) or not value:
        return [value]
    return value if isinstance(value[0], list) or not spec.takes_lists(field) else [value]


class _Tensor:
    """One operand: what is known of its numbers, and the errors of the formats that were tried."""

    def __init__(self, layer: Layer, operand: Operand, as_layer: bool) -> None:
        self.layer, self.operand, self.as_layer = layer, operand, as_layer
        self.sizes = Binades()
        self.elements, self.power = 0, 0.0
        self.entries: list[dict[str, Any]] = []
        self.formats: list[NumberFormat] = []
        self.errors: list[float] = []

    def measure(self, x: Tensor) -> None:
        self.elements += x.numel()
        self.sizes.add(x if self.operand.is_signed else torch.where(torch.isfinite(x), x.clamp(min=0), x))

    def choose(self, spec: ValueSpec, entries: Mapping[str, Any]) -> None:
        """Find the formats to try."""
        lists = [listed(spec, field, value) for field, value in entries.items()]
        decided = [dict(zip(entries, values, strict=True)) for values in product(*lists)]
        for each in (choice for one in decided for choice in spec.choices(one, self.sizes.biases)):
            where = f"{_WHERE}: {self.layer.nodes[0]}.{self.operand.name}_"
            fields = {field: spec.kinds[field].read(value, where + field) for field, value in each.items()}
            missing = [field for field in spec.fields if field not in fields]
            if missing:
                raise ConfigError(f"{where}{missing[0]} is missing: give it in entries")
            values = {**spec.optional_fields, **fields}
            mase_op = self.layer.mase_op
            values = spec.at_operand(mase_op, self.operand.name, dict(values), self.as_layer)
            format = spec.parse_operand(self.operand.name, self.operand.is_signed, values, where)
            self.entries.append(each)
            self.formats.append(format)
        self.errors = [0.0] * len(self.formats)

    def scan(self, x: Tensor) -> None:
        if self.operand.name == "data_in" and any(f.mixes_rows(x.dim()) for f in self.formats):
            raise ConfigError(
                f"{_WHERE}: {self.layer.nodes[0]}.data_in: the blocks of {self.formats[0]} hold numbers of several "
                "rows of data: give the block size 1 in the first dimension, e.g. [1, 16]"
            )
        given = x.numpy().astype(np.float64)
        finite = np.isfinite(given)
        given = self._passed(given)
        self.power += float((given[finite] ** 2).sum())
        for place, format in enumerate(self.formats):
            with torch.no_grad():
                found = QUANTIZERS[format.name].quantizer(format)(x)
            lost = given - self._passed(found.numpy().astype(np.float64))
            self.errors[place] += float((lost[finite] ** 2).sum())

    def _passed(self, x: np.ndarray) -> np.ndarray:
        """What the operation makes of its operand alone: a ReLU passes nothing below 0."""
        return x if self.operand.is_signed else np.maximum(x, 0.0)

    def choice(self) -> FormatChoice:
        # Of equal ones that with the smaller parameters, whose range is the larger one.
        best = min(range(len(self.formats)), key=lambda place: self.errors[place])
        finite = self.sizes.finite
        return FormatChoice(
            self.layer.nodes,
            self.layer.mase_op,
            self.operand.name,
            self.formats[best],
            self.errors[best] / finite if finite else 0.0,
            decibels(self.power, self.errors[best]),
            self.elements,
            self.elements - finite,
            {f: e / finite if finite else 0.0 for f, e in zip(self.formats, self.errors, strict=True)},
            self.entries[best],
        )


class NumberScan:
    """Two walks over the tensors: how large their numbers are, then what each format costs."""

    def __init__(
        self,
        graph: MaseGraph,
        layers: list[Layer],
        spec: ValueSpec,
        widths: Mapping[str, int],
        entries: Mapping[str, Any],
    ) -> None:
        self.spec, self.widths, self.entries = spec, widths, entries
        calls = {node.name: node.op for node in graph.nodes}
        self.tensors = {}
        for layer in layers:
            as_layer = layer.mase_op in LAYER_OPS and calls[layer.nodes[0]] == "call_module"
            quantized = spec.layer_operands(layer.mase_op) if as_layer else None
            for operand in OPERANDS[layer.mase_op]:
                wanted = operand.name in widths or "width" not in spec.fields
                if (
                    operand.name in layer.operands
                    and wanted
                    and (quantized is None or operand.name in quantized)
                ):
                    self.tensors[layer.nodes[0], operand.name] = _Tensor(layer, operand, as_layer)

    def run(self, walk: Walk) -> BestFormats:
        def shown(see: str) -> Any:
            def show(layer: Layer, operand: str, x: Tensor) -> None:
                tensor = self.tensors.get((layer.nodes[0], operand))
                if tensor is not None:
                    getattr(tensor, see)(x)

            return show

        walk(shown("measure"))
        for (_, operand), tensor in self.tensors.items():
            width = {"width": self.widths[operand]} if "width" in self.spec.fields else {}
            tensor.choose(self.spec, {**width, **self.entries})
        walk(shown("scan"))
        return BestFormats(tuple(tensor.choice() for tensor in self.tensors.values()))
