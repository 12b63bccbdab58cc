"""Builds every changed config of a sensitivity analysis and has them evaluated in one pass over the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from chop.ir.graph.quantizable_layers import Layer, layers_of
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.nn.quantizers import ElementFormat, IntegerFormat, NumberFormat
from chop.sensitivities.format_lists import Lists, format_lists
from chop.sensitivities.result import WHOLE_LAYER, PairRow, Sensitivity, SensitivityRow
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.evaluator import Evaluator, Metrics

# Node -> (quantizer, operand -> format)
Nodes = dict[str, tuple[str, dict[str, IntegerFormat | ElementFormat | NumberFormat]]]
# A layer named by its place, and the operands of it that get new formats.
Change = tuple[int, str, Mapping[str, IntegerFormat | NumberFormat]]


def sensitivity(
    ev: Evaluator,
    formats: Any,
    pairs: bool = False,
    base: Mapping[str, Any] | None = None,
    loss: bool = True,
) -> Sensitivity:
    """Return exact accuracy and loss for every (layer, operand, format) changed alone.

    Everything else is as in ``base``: with None the model is float but for the one operand. All variants are
    evaluated in one pass over the data. A layer is a node that ``quantize_transform_pass`` can quantize, or
    all nodes that call one module.

    Args:
        ev: the evaluator.
        formats: formats to try: a list of :class:`IntegerFormat` or ``(width, frac_width[, signed])`` for all
            operands, a mapping operand (``data_in``, ``weight``, ``bias``) -> such a list, or node -> operand
            -> such a list or a single format (what :func:`chop.best_formats` gives). Without a sign, that of
            quantized layers: input of a ReLU unsigned, all else signed. A fraction width None is
            ``width // 2``.
        pairs: True also changes whole layers (all listed operands at once), each alone and all pairs of them
            together, the k-th format of one with the k-th of the other.
        base: a config as ``quantize_transform_pass`` takes it.
        loss: False leaves the loss out.

    Raises:
        ConfigError: a bad format or base, or lists of different lengths together with ``pairs``.

    >>> import torch
    >>> from torch import nn
    >>> from chop import Evaluator
    >>> ev = Evaluator(nn.Sequential(nn.ReLU()), torch.tensor([[0.9, 1.1]]), torch.tensor([1]))
    >>> found = sensitivity(ev, [(8, 4), (2, 0)])
    >>> [(row.node, row.operand, row.format.width, row.delta_accuracy) for row in found.rows]
    [('_0', 'data_in', 8, 0.0), ('_0', 'data_in', 2, -1.0)]
    """
    if not hasattr(ev, "_evaluate_formats"):
        raise ConfigError(f"sensitivity: ev must be a chop.Evaluator, got {type(ev).__name__}")
    plan = _plan(ev, formats, pairs, base)
    found = ev._evaluate_formats(list(plan.variants()), loss)
    rows = [
        plan.row(changes, metrics, found[0]) for changes, metrics in zip(plan.changes, found[1:], strict=True)
    ]
    singles, wholes = len(plan.singles), len(plan.singles) + len(plan.wholes)
    alone = dict(zip(plan.wholes, rows[singles:wholes], strict=True))
    together = (
        PairRow(alone[a], alone[b], row) for (a, b), row in zip(plan.pairs, rows[wholes:], strict=True)
    )
    return Sensitivity(found[0], tuple(rows[:singles]), tuple(alone.values()), tuple(together))


@dataclass(frozen=True, slots=True)
class _Plan:
    """All variants: the base, single operands, whole layers (layer, k-th format), pairs of those."""

    layers: list[Layer]
    lists: list[Lists]
    base: Nodes
    singles: list[Change]
    wholes: list[tuple[int, int]]
    pairs: list[tuple[tuple[int, int], tuple[int, int]]]

    @property
    def changes(self) -> list[list[Change]]:
        """The changes of each variant but the base."""
        return [
            *([single] for single in self.singles),
            *([self._whole(*whole)] for whole in self.wholes),
            *([self._whole(*a), self._whole(*b)] for a, b in self.pairs),
        ]

    def _whole(self, layer: int, k: int) -> Change:
        return layer, WHOLE_LAYER, {name: f[min(k, len(f) - 1)] for name, f in self.lists[layer].items() if f}

    def variants(
        self,
    ) -> Iterator[list[tuple[str, str, dict[str, IntegerFormat | ElementFormat | NumberFormat]]]]:
        """The base and then each change, as the evaluator takes them."""
        for changes in ([], *self.changes):
            nodes = dict(self.base)
            for layer, _, formats in changes:
                for node in self.layers[layer].nodes:
                    quantizer, operands = nodes.get(node, ("integer", {}))
                    nodes[node] = quantizer, {**operands, **formats}
            yield [(node, quantizer, operands) for node, (quantizer, operands) in nodes.items()]

    def row(self, changes: Sequence[Change], metrics: Metrics, base: Metrics) -> SensitivityRow:
        """The row of one variant."""
        nodes = tuple(node for layer, _, _ in changes for node in self.layers[layer].nodes)
        return SensitivityRow(nodes, changes[0][1], changes[0][2], metrics, base)


def _plan(ev: Evaluator, formats: Any, pairs: bool, base: Mapping[str, Any] | None) -> _Plan:
    rules = resolve_quantize_config(ev.graph, base) if base is not None else []
    nodes: Nodes = {
        rule.node: (str(rule.quantizer), dict(rule.formats)) for rule in rules if rule.formats is not None
    }
    layers = layers_of(ev.graph)
    lists = format_lists(formats, layers)
    singles: list[Change] = [
        (index, operand, {operand: format})
        for index, found in enumerate(lists)
        for operand, choices in found.items()
        for format in choices
    ]
    wholes = _wholes(layers, lists) if pairs else []
    return _Plan(layers, lists, nodes, singles, wholes, _pairs(layers, wholes))


def _wholes(layers: Sequence[Layer], lists: Sequence[Lists]) -> list[tuple[int, int]]:
    wholes = []
    for index, found in enumerate(lists):
        lengths = {operand: len(choices) for operand, choices in found.items() if choices}
        if not lengths:
            continue
        longest = max(lengths.values())
        if any(length not in (1, longest) for length in lengths.values()):
            named = ", ".join(f"{operand} {length}" for operand, length in lengths.items())
            raise ConfigError(
                "sensitivity: pairs=True changes the k-th formats of a layer's operands together, so their lists "
                f"must be equally long; {layers[index].nodes[0]} has {named}"
            )
        wholes += [(index, k) for k in range(longest)]
    return wholes


def _pairs(
    layers: Sequence[Layer], wholes: Sequence[tuple[int, int]]
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    counts = {index: sum(layer == index for layer, _ in wholes) for index, _ in wholes}
    found = []
    for a, b in combinations(counts, 2):
        if counts[a] != counts[b] and 1 not in (counts[a], counts[b]):
            raise ConfigError(
                f"sensitivity: pairs=True needs as many formats for each layer; {layers[a].nodes[0]} has "
                f"{counts[a]}, {layers[b].nodes[0]} has {counts[b]}"
            )
        for k in range(max(counts[a], counts[b])):
            found.append(((a, min(k, counts[a] - 1)), (b, min(k, counts[b] - 1))))
    return found
