"""The configurations that one call tries: every layer for itself, each width with its best fraction width."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chop.nn.quantizers.operands import OPERANDS
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.evaluator import Evaluator

# Widths of weights and of inputs to choose from, richest first; the first that has few enough configurations is taken.
_CHOICES = (
    ((2, 3, 4, 5, 6, 8), (4, 6, 8)),
    ((2, 3, 4, 5, 6, 8), (8,)),
    ((2, 4, 6, 8), (8,)),
    ((4, 8), (8,)),
)


def configurations(evaluator: Evaluator, limit: int) -> tuple[list[dict[str, Any]], str]:
    """All combinations of the richest choice that has few enough of them, and what it is in words."""
    layers = [
        node for node, op in evaluator._targets.ops.items() if any(o.name == "weight" for o in OPERANDS[op])
    ]
    modules = evaluator._targets.modules
    groups: dict[str, list[str]] = {}  # calls of one module get one format
    for node in layers:
        groups.setdefault(modules.get(node, node), []).append(node)
    if not groups:
        raise ConfigError("search: the model has no layer with weights that can be quantized")
    for weights, inputs in _CHOICES:
        count = (len(weights) * len(inputs)) ** len(groups)
        if count <= limit:
            break
    else:
        raise ConfigError(
            f"search: {len(groups)} layers have {count:,} configurations of two widths, more than the limit of "
            f"{limit:,}; raise the limit, or use chop.actions.search with the sampler native-tpe"
        )
    tables = _tables(evaluator, list(groups.values()), weights, inputs)
    rest = {"by": "name", "default": {"config": {"name": None}}}
    configs = []
    for chosen in itertools.product(*tables):
        rules = {
            n: {"config": table} for nodes, table in zip(groups.values(), chosen, strict=True) for n in nodes
        }
        configs.append({**rest, **rules})
    shown = f"weights of {', '.join(map(str, weights))} bits, inputs of {', '.join(map(str, inputs))}"
    return configs, f"{count:,} configurations ({shown}, each layer for itself)"


def _tables(
    evaluator: Evaluator, groups: Sequence[Sequence[str]], weights: Sequence[int], inputs: Sequence[int]
) -> list[list[dict[str, Any]]]:
    """For each layer its configs: each width with the fraction width that has the least error."""
    from chop.format_scan import best_formats

    def best(**width: int) -> dict[str, Any]:
        return best_formats(evaluator, width).config()

    of_weights = {w: best(data_in=8, weight=w) for w in weights}
    of_inputs = {w: best(data_in=w, weight=8) for w in inputs}
    tables = []
    for first, *_ in groups:
        pairs = itertools.product(weights, inputs)
        tables.append(
            [_joined(of_weights[w][first]["config"], of_inputs[i][first]["config"]) for w, i in pairs]
        )
    return tables


def _joined(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**weights, **{key: value for key, value in inputs.items() if key.startswith("data_in")}}
