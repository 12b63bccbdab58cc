"""From what the core counted to a certificate: what follows what, and why bits are not certain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chop.certificate.layers import Counterexample, LayerCertificate, Saturated, signed_bits
from chop.certificate.report import Certificate

EXACT_IN_FLOAT32 = 2.0**24
_DEEPEST_GRID = 2.0**100  # finer or coarser grids come near float32's own limits


_LAYERS = frozenset({"linear", "conv1d", "conv2d"})
# What these do to a number depends on its channel at most, and every number stays one number.
_ELEMENT_BY_ELEMENT = frozenset(
    {
        "batch_norm1d", "batch_norm2d", "relu", "identity", "flatten", "view", "squeeze", "unsqueeze",
        "permute", "transpose", "relu6", "hardtanh", "leaky_relu", "prelu", "elu", "hardswish",
        "hardsigmoid", "sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "mish", "softplus", "softsign",
        "logsigmoid", "neg", "abs", "exp", "log", "sqrt", "rsqrt", "pow_scalar", "clamp", "clamp_min",
        "clamp_max", "add_scalar", "sub_scalar", "mul_scalar", "div_scalar",
    }
)  # fmt: skip
# Their results are views that lie in torch's memory otherwise than row after row, and these keep how things lie.
_VIEWS = frozenset({"slice", "permute", "transpose"})
_KEEPS_LAYOUT = _ELEMENT_BY_ELEMENT | {"add", "sub", "mul", "div", "minimum", "maximum"}


def certify(
    nodes: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    rows: int,
    float_ops: Mapping[str, bool],
    by_torch: Mapping[str, str] | None = None,
    contiguous: bool = True,
    values: ValueLayers | None = None,
) -> Certificate:
    """Make a certificate of what the core found.

    Args:
        nodes: of the lowered graph.
        found: what the core's certificate gives, an entry for each operand of data on a grid.
        rows: rows of the data.
        float_ops: operations on floats, and whether torch gives the same bits on every machine.
        by_torch: nodes that torch computes under the config, each with the reason.
        contiguous: whether the data lies row after row, as copies do and slices of a table do not.
        values: nodes whose operands are values of number formats.
    """
    made = _Certifying(nodes, found, float_ops, by_torch or {}, contiguous, values or ValueLayers({}, {}))
    return made.certificate(rows)


class ValueLayers(NamedTuple):
    """Nodes whose operands are brought to values of number formats instead of codes of a grid.

    Attributes:
        formats: node -> its formats, in words.
        roads: layer -> road of its sums and their bound, in units of the finest grid, infinite without one.
    """

    formats: Mapping[str, str]
    roads: Mapping[str, tuple[str, float]]

    def why_not(self, node: str) -> str:
        """Why sums of a layer are not certain to be exact in float32; empty if they are, or if there are none."""
        bound = self.roads.get(node, ("values", 0.0))[1]
        if bound < EXACT_IN_FLOAT32:
            return ""
        what = f"values of {self.formats[node]}"
        if not math.isfinite(bound):
            return f"{what} lie on no common grid; sums are made in float64 and rounded once"
        return (
            f"{what}: the bound {bound:,.0f} is too large for float32, which is exact below 2^24 = 16,777,216"
        )


class _Certifying:
    """One certificate in the making."""

    def __init__(
        self,
        nodes: Sequence[Mapping[str, Any]],
        found: Sequence[Mapping[str, Any]],
        float_ops: Mapping[str, bool],
        by_torch: Mapping[str, str],
        contiguous: bool,
        values: ValueLayers,
    ) -> None:
        self.values = values
        self.nodes, self.float_ops, self.by_torch = nodes, float_ops, by_torch
        self.contiguous = contiguous
        self.by_name = {node["name"]: node for node in nodes}
        self.found: dict[str, list[Mapping[str, Any]]] = {}
        for entry in found:
            self.found.setdefault(entry["node"], []).append(entry)
        self.readers: dict[str, list[Mapping[str, Any]]] = {node["name"]: [] for node in nodes}
        for node in nodes:
            for source in dict.fromkeys(node["inputs"]):
                self.readers[source].append(node)

    def certificate(self, rows: int) -> Certificate:
        layers = [self._row(node) for node in self.nodes if self._has_row(node)]
        in_front = self._before_a_quantized_layer()
        between: list[str] = []
        behind: list[str] = []
        for node in self.nodes:
            if reason := self._undefined(node):
                (between if node["name"] in in_front else behind).append(reason)
        return Certificate(tuple(layers), tuple(between), tuple(behind), rows)

    def _has_row(self, node: Mapping[str, Any]) -> bool:
        name = node["name"]
        return node["op"] in _LAYERS or name in self.found or name in self.values.formats

    def _row(self, node: Mapping[str, Any]) -> LayerCertificate:
        name, op = node["name"], node["op"]
        entries = self.found.get(name, [])
        if name in self.by_torch:
            return LayerCertificate(name, op, "torch", reason=f"computed by torch: {self.by_torch[name]}")
        if name in self.values.formats:
            return self._of_values(name, op)
        if not entries:
            return LayerCertificate(name, op, "float", outputs=self._outputs(name), reason="not quantized")
        if entries[0]["sums"]:
            return self._layer(node, entries[0])
        fixed = self.float_ops.get(op, True)
        return LayerCertificate(
            name,
            op,
            "values",
            inputs=_sum(Saturated(*entry["inputs"]) for entry in entries),
            outputs=self._outputs(name),
            exact=fixed,
            exact_on_data=fixed,
            reason="" if fixed else f"{op} gives other bits on other machines",
        )

    def _of_values(self, name: str, op: str) -> LayerCertificate:
        road = self.values.roads.get(name, ("values", 0.0))[0]
        why_not = self.values.why_not(name)
        if not why_not and not self.float_ops.get(op, True):
            why_not = f"{op} gives other bits on other machines"
        return LayerCertificate(
            name,
            op,
            road,
            outputs=self._outputs(name),
            exact=not why_not,
            exact_on_data=not why_not,
            reason=why_not,
        )

    def _layer(self, node: Mapping[str, Any], entry: Mapping[str, Any]) -> LayerCertificate:
        deep = not 1.0 / _DEEPEST_GRID <= entry["unit"] <= _DEEPEST_GRID
        counted = entry["countable"]
        exact = not deep and entry["bound"] < EXACT_IN_FLOAT32
        on_data = exact or (counted and not deep and entry["reach"] < EXACT_IN_FLOAT32)
        example = Counterexample(*entry["counterexample"]) if entry["counterexample"] else None
        has_bias = "bias" in node["parameters"]
        return LayerCertificate(
            node["name"],
            node["op"],
            entry["road"],
            unit=entry["unit"],
            bound=entry["bound"],
            used=entry["used"] if counted else None,
            reach=entry["reach"] if counted else None,
            inputs=Saturated(*entry["inputs"]),
            weights=Saturated(*entry["weights"]),
            biases=Saturated(*entry["biases"]) if has_bias else None,
            outputs=self._outputs(node["name"]),
            exact=exact,
            exact_on_data=on_data,
            reason="" if exact else _why_not(entry, deep, example),
            counterexample=example,
        )

    def _outputs(self, name: str) -> Saturated | None:
        """What the next quantized nodes saturate of this one's outputs."""
        found: list[Saturated] = []
        waiting = list(self.readers[name])
        while waiting:
            node = waiting.pop()
            if entries := self.found.get(node["name"]):
                if len(node["inputs"]) == 1:
                    found.append(Saturated(*entries[0]["inputs"]))
            elif node["op"] in _ELEMENT_BY_ELEMENT and node["name"] not in self.by_torch:
                waiting += self.readers[node["name"]]
        return _sum(found) if found else None

    def _before_a_quantized_layer(self) -> set[str]:
        found: set[str] = set()
        for node in reversed(self.nodes):
            name = node["name"]
            if name in found or name in self.found or name in self.values.formats:
                found.update(node["inputs"])
        return found

    def _undefined(self, node: Mapping[str, Any]) -> str:
        """Why the node's bits depend on the machine although its inputs' do not; empty if they do not."""
        name, op = node["name"], node["op"]
        if name in self.by_torch:
            return f"{name} ({op}) is computed by torch: {self.by_torch[name]}"
        if op in _LAYERS:
            return (
                ""
                if name in self.found or name in self.values.formats
                else f"{name} ({op}) is not quantized: its sums round in torch's order"
            )
        if not self.float_ops.get(op, True):
            return f"{name} ({op}) gives other bits on other machines"
        if op.startswith("batch_norm") and (view := self._view_before(node)):
            return f"{name} ({op}) reads a view ({view}), for which torch rounds in another order"
        return ""

    def _view_before(self, node: Mapping[str, Any]) -> str:
        """The name of what makes a node's input a view in torch's memory; empty if nothing does."""
        waiting, seen = list(node["inputs"]), set[str]()
        while waiting:
            name = waiting.pop()
            op = self.by_name[name]["op"]
            if op in _VIEWS or (op == "input" and not self.contiguous):
                return str(name)
            if op in _KEEPS_LAYOUT and name not in seen:
                seen.add(name)
                waiting += self.by_name[name]["inputs"]
        return ""


def _why_not(entry: Mapping[str, Any], deep: bool, example: Counterexample | None) -> str:
    bound = entry["bound"]
    if not math.isfinite(bound):
        return "weights or biases hold NaN, so no bound holds"
    if deep:
        return f"the grid of the sums, {entry['unit']:g}, lies outside 2^-100..2^100"
    text = f"the bound {bound:,.0f} needs {signed_bits(bound)} bits, float32 is exact below 2^24 = 16,777,216"
    if not entry["finite"]:
        return text + "; the data holds NaN, so its sums were not made"
    if not entry["countable"]:
        return text + "; the grids of products and bias lie too far apart to sum"
    below = entry["reach"] < EXACT_IN_FLOAT32
    text += f"; on this data no partial sum passes {entry['reach']:,.0f}" + (
        ", which is exact" if below else ""
    )
    if example is not None:
        text += (
            f"; row {example.row}, output {example.output}: exactly {example.exact!r}, "
            f"in float32 {example.in_float!r}"
        )
    return text


def _sum(parts: Iterable[Saturated]) -> Saturated:
    parts = list(parts)
    return Saturated(sum(part.beyond for part in parts), sum(part.total for part in parts))
