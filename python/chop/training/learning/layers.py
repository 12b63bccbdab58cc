"""Which layers learn their widths, and the formats of all else."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.passes.graph import quantize_transform_pass
from chop.tools.errors import ConfigError
from chop.training.learning.layer_formats import LayerFormats
from chop.training.learning.starting import FloatModel
from chop.training.trained_widths import REACH, LayerWidths

Config = dict[str, Any]
_NONE: Config = {"config": {"name": None}}
_WIDE: Config = {
    "name": "integer",
    "data_in_width": 16,
    "data_in_frac_width": 8,
    "weight_width": 16,
    "weight_frac_width": 8,
    "bias_width": 16,
    "bias_frac_width": 8,
}
ALL: Config = {"by": "type", "default": _NONE, "linear": {"config": _WIDE}}


class LearnedLayers:
    """The linear layers of a model that learn their widths.

    Args:
        model: float; it is copied.
        config: a quantization config. Linear layers that it gives the integer quantizer learn, from its widths on;
            formats of biases, and of all other nodes, stay. None: all linear layers learn, biases have 16 bits, 8 of
            them behind the point.

    Attributes:
        model: the float copy, in eval mode.
        tables: node -> its table of the config, of those that learn.
        names: node -> name of its layer in the model.

    Raises:
        ConfigError: not a config for this model, or no linear layer that is quantized to integers.
    """

    def __init__(self, model: nn.Module | MaseGraph, config: Mapping[str, Any] | None) -> None:
        self.model: nn.Module = copy.deepcopy(model.model if isinstance(model, MaseGraph) else model).eval()
        self.given = config is not None
        graph = MaseGraph(self.model)
        rules = resolve_quantize_config(graph, ALL if config is None else config)
        modules = QuantizeTargets.of(graph).modules
        tables = {
            rule.node: dict(rule.config) for rule in rules if rule.config and rule.quantizer is not None
        }
        linear = {
            rule.node
            for rule in rules
            if rule.mase_op == "linear" and rule.quantizer == "integer" and rule.formats
        }
        self.tables = {node: table for node, table in tables.items() if node in linear & modules.keys()}
        self._fixed = {node: table for node, table in tables.items() if node not in self.tables}
        self.names = {node: modules[node] for node in self.tables}
        self._formats = {rule.node: dict(rule.formats or {}) for rule in rules if rule.node in self.tables}
        if not self.tables:
            raise ConfigError("learn_widths: the model has no linear layer that is quantized to integers")
        for rule in rules:
            if rule.node in self.tables:
                _check_reach(f"quantize: {rule.rule}: ", self._formats[rule.node])

    def graph(self) -> MaseGraph:
        """Return a new graph of the float model, quantized, for the trainer."""
        graph = MaseGraph(copy.deepcopy(self.model))
        quantize_transform_pass(graph, self._config(self.tables))
        return graph

    def start(self, like: Mapping[str, LayerWidths], bits: int, found: FloatModel) -> dict[str, LayerWidths]:
        """Return the widths that learning starts with.

        Args:
            like: widths in the trainer's shapes.
            bits: fraction bits, where no config gives any.
            found: what the float model's layers read.
        """
        made = {}
        for node, of in like.items():
            formats = self._formats[node]
            if not self.given:
                made[node] = LayerWidths(
                    of.input_fractions.new_full(of.input_fractions.shape, bits),
                    found.integers(node, of.input_integers),
                    of.weight_fractions.new_full(of.weight_fractions.shape, bits),
                )
                continue
            data_in, weight = formats["data_in"], formats["weight"]
            fractions = _numbers(data_in, "frac_width", of.input_fractions)
            bits_in = (_numbers(data_in, "width", of.input_fractions) - int(data_in.is_signed)).clamp_min(0)
            made[node] = LayerWidths(
                fractions, bits_in - fractions, _numbers(weight, "frac_width", of.weight_fractions)
            )
        return made

    def bias_frac_width(self, node: str) -> Any:
        """Fraction bits of a layer's bias: a number, or one for each output."""
        bias = self._formats[node].get("bias")
        return 0 if bias is None else getattr(bias, "frac_widths", getattr(bias, "frac_width", 0))

    def config(self, formats: Mapping[str, LayerFormats]) -> Config:
        """Return the quantization config, by name, with learned formats; lists are arrays of int64."""
        tables = {}
        for node, table in self.tables.items():
            of = formats[node]
            tables[node] = table | {
                "weight_width": of.weight_width,
                "weight_frac_width": of.weight_frac_width,
                "data_in_width": of.data_in_width,
                "data_in_frac_width": of.data_in_frac_width,
            }
        return self._config(tables)

    def _config(self, tables: Mapping[str, Config]) -> Config:
        own = {node: {"config": table} for node, table in (self._fixed | dict(tables)).items()}
        return {"by": "name", "default": copy.deepcopy(_NONE), **own}


def _check_reach(where: str, formats: Mapping[str, Any]) -> None:
    """Refuse a format that learning cannot begin at: it has more bits before or behind the point than are learned."""
    for operand in ("weight", "data_in"):
        of = formats[operand]
        fracs = np.atleast_1d(getattr(of, "frac_widths", getattr(of, "frac_width", 0)))
        widths = np.atleast_1d(getattr(of, "widths", getattr(of, "width", 0)))
        whole = np.maximum(widths - int(of.is_signed), 0) - fracs
        if (beyond := np.abs(fracs) > REACH).any():
            allowed = f"must be -{REACH}..{REACH} where widths are learned"
            raise ConfigError(f"{where}{operand}_frac_width {allowed}, got {fracs[beyond][0]}")
        if operand == "data_in" and (beyond := np.abs(whole) > REACH).any():
            raise ConfigError(
                f"{where}data_in_width less data_in_frac_width and the sign must be -{REACH}..{REACH} where widths are "
                f"learned, got {whole[beyond][0]}"
            )


def _numbers(format: Any, field: str, like: Tensor) -> Tensor:
    """A field of a format in the shape of trained widths; the largest where several numbers share one."""
    import torch

    each = getattr(format, f"{field}s", None)
    if each is None:
        return like.new_full(like.shape, float(getattr(format, field)))
    numbers = torch.as_tensor(each.astype("float64"))
    if like.dim() == 2 and numbers.dim() == 1:
        numbers = numbers.reshape(-1, 1)
    if like.dim() == 2 and like.shape[1] == 1 and numbers.shape[1] > 1:
        numbers = numbers.amax(1, keepdim=True)
    if like.shape[0] == 1 and numbers.shape[0] > 1:
        numbers = numbers.amax(0, keepdim=True)
    return numbers.expand(like.shape).to(like.dtype).clone()
