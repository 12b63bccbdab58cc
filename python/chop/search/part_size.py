"""How many configurations a part of a sweep has: a few seconds of work, the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chop.cost import report

if TYPE_CHECKING:
    from chop.evaluator import Evaluator
    from chop.search.configurations import Configurations

SECONDS = 2.0  # of one thread; a part is what a kill loses, and what another worker can take over
PRODUCTS = 2e10  # a second, about what a thread manages in layers this small
MOST = 1 << 16


def part_size(ev: Evaluator, all_of: Configurations) -> int:
    """Return a power of two that follows from model, rows and space alone, so that parts are the same everywhere.

    A walk computes a layer anew where a choice in it or before it has changed: the last ones most often.
    """
    products = _products(ev)
    several = {node for nodes, _ in all_of.groups for node in nodes}
    each, neighbours = float(sum(n for node, n in products.items() if node not in several)), 1
    each /= max(1, all_of.core.size)
    for nodes, choices in reversed(all_of.groups):
        each += sum(products.get(node, 0.0) for node in nodes or products) / neighbours
        neighbours *= choices
    fitting = SECONDS * PRODUCTS / max(1.0, each * ev.rows)
    size = 1
    while 2 * size <= min(fitting, MOST):
        size *= 2
    return size


def _products(ev: Evaluator) -> dict[str, float]:
    """Multiply-accumulates of each node for one row; its parameters where the cost model does not know them."""
    try:
        found = report(ev.graph, models=("macs",), input_shapes=ev._x.shape[1:])["macs"].nodes
        return {name: float(value) for name, value in found.items() if value is not None and value == value}
    except ValueError:
        modules = dict(ev.graph.model.named_modules())
        nodes = [node for node in ev.graph.nodes if node.op == "call_module"]
        return {
            node.name: float(sum(p.numel() for p in modules[str(node.target)].parameters())) for node in nodes
        }
