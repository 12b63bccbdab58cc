"""From a quantization config to the bits of each node's operands, fast enough to be asked once a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from chop import _core
from chop.cost.element_bits import JointBits, bits_of, joint_bits
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import find_row, node_quantizer_config
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantized.layer_shapes import refuse_misfits
from chop.nn.quantizers import QUANTIZERS, ElementFormat, IntegerFormat, NumberFormat
from chop.tools.errors import ConfigError

Config = Mapping[str, Any]
Widths = list[_core.NodeWidths]
_FLOAT = (32.0, 32.0, 32.0)


class WidthTable:
    """Bits of each node of one graph under a config.

    ``resolve_quantize_config`` decides; what it decided for a rule is remembered, since a search puts the
    same few tables together in ever new ways. Which node a rule applies to depends on the keys of the config
    only.

    Args:
        mg: the traced graph.
        rows: the operations of the graph.
        weights: node -> its weight, float32, where a cost model asks for the numbers.
        tap_uses: node -> how often each place of a convolution's kernel meets no padding.
    """

    def __init__(
        self,
        mg: MaseGraph,
        rows: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor],
        tap_uses: Mapping[str, Sequence[float]],
    ) -> None:
        self.targets = QuantizeTargets(mg)
        self.positions = {row["name"]: i for i, row in enumerate(rows)}
        self.weights = weights
        self._rows = rows
        self._tap_uses = tap_uses
        self.memo = _core.WidthMemo()
        # Nodes that share a module must get the same rule, which only the whole config can tell.
        modules = self.targets.modules.values()
        self._rules_are_independent = len(modules) == len(set(modules))
        self.current = self._of_the_graph(mg)

    def of(self, config: Config | None) -> Widths:
        """Return the bits under ``config``; None: as the graph stands, quantized or not.

        Raises:
            ConfigError: the config is not one for this graph.
        """
        if config is None:
            return self.current
        rules = resolve_quantize_config(self.targets, config)
        found: dict[str, Widths] = {}
        for rule in rules:
            if rule.config is not None and rule.quantizer is not None:
                widths = self._widths(rule.node, rule.mase_op, rule.config)
                found.setdefault(rule.rule, []).append(widths)
        if self._rules_are_independent:
            self.memo.remember(config, [found.get(key, []) for key in config if key != "by"])
        return [widths for part in found.values() for widths in part]

    def _widths(self, name: str, mase_op: str, config: Config) -> _core.NodeWidths:
        as_layer = name in self.targets.modules
        formats = QUANTIZERS[config["name"]].parse(mase_op, config, f"cost: {name}", as_layer)
        bypass = bool(config.get("bypass", False))
        shapes = self._shapes_of(name)
        bits = {o: _bits(format, name, o, shapes.get(o)) for o, format in formats.items()}
        weight = formats.get("weight")
        effective = None
        joint = None if bypass else self._joint(name, formats)
        if isinstance(weight, IntegerFormat) and not bypass and name in self.weights:
            effective = _core.effective_weight_bits(
                self.weights[name],
                weight.width,
                weight.frac_width,
                weight.is_signed,
                weight.rounding,
                weight.overflow,
            )
        shown = {} if bypass else bits
        return _core.NodeWidths(
            self.positions[name],
            not bypass,
            shown.get("data_in", _FLOAT),
            shown.get("weight", _FLOAT),
            shown.get("bias", _FLOAT),
            effective,
            _stored(weight, bits.get("weight")),
            joint,
        )

    def _shapes_of(self, name: str) -> dict[str, Sequence[int]]:
        """Shapes of the operands, as far as they are known: blocks that share bits follow from them."""
        found = dict(self.targets.shapes.get(name, {}))
        inputs = self._rows[self.positions[name]].get("inputs") or ()
        found.pop("data_in", None)  # channels alone are no shape
        names = ("data_in", "weight") if "weight" not in found else ("data_in",)
        return {**found, **{operand: shape for operand, shape in zip(names, inputs, strict=False) if shape}}

    def _joint(self, name: str, formats: Mapping[str, Any]) -> JointBits | None:
        data_in, weight, shapes = (
            formats.get("data_in"),
            formats.get("weight"),
            self.targets.shapes.get(name, {}),
        )
        refuse_misfits(formats, shapes, f"cost: node {name}")
        if data_in is None or weight is None or "weight" not in shapes:
            return None
        if not any(isinstance(format, ElementFormat) for format in (data_in, weight)):
            return None
        uses = self._tap_uses.get(name)
        (channels,) = shapes["data_in"]
        return joint_bits(data_in, weight, shapes["weight"], channels, self.weights.get(name), uses)

    def _of_the_graph(self, mg: MaseGraph) -> Widths:
        modules = mg.modules
        found = []
        for node in mg.nodes:
            config = node_quantizer_config(node, modules)
            row = find_row(node, modules)
            if config is not None and row is not None:
                found.append(self._widths(node.name, row.mase_op, config))
        return found


def _stored(weight: Any, bits: tuple[float, float, float] | None) -> float | None:
    """Bits of a stored weight as MASE's averages count them: without what a block shares."""
    if isinstance(weight, NumberFormat):
        return float(weight.width)
    return None if bits is None else bits[0]


def _bits(format: Any, node: str, operand: str, shape: Sequence[int] | None) -> tuple[float, float, float]:
    """All bits, those without the sign, and those that HGQ2 counts: with the sign where the format saturates.

    What a block shares counts for each of its numbers in equal parts; of unknown shapes, not.
    """
    if isinstance(format, NumberFormat):
        all_bits = float(format.width) if shape is None else format.bits(shape)
        return all_bits, max(all_bits - 1.0, 0.0), all_bits
    if isinstance(format, ElementFormat):
        return bits_of(format).means
    width = getattr(format, "width", None)
    if width is None:
        raise ConfigError(f"cost: node {node}: the format {format!r} of {operand} does not tell its width")
    magnitude = width - bool(getattr(format, "is_signed", True))
    wraps = getattr(format, "overflow", "saturate") == "wrap"
    return float(width), float(magnitude), float(magnitude if wraps else width)
