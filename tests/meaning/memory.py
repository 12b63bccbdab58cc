"""Runs a graph node by node and watches memory: what a call wrote into, and whose memory its result lies in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, fx, nn

from chop.ir.graph.aliases import effect
from chop.ir.graph.pieces import piece_of


class Watched(fx.Interpreter):
    """An interpreter that compares each call with :func:`chop.ir.graph.aliases.effect`.

    Args:
        graph: as traced, before anything is rewired.
        model: that it was traced from.

    Attributes:
        wrong: a sentence for each call that did what the graph does not know.
    """

    def __init__(self, graph: fx.Graph, model: nn.Module) -> None:
        super().__init__(fx.GraphModule(model, graph))
        self.modules = dict(self.module.named_modules(remove_duplicate=False))
        self.wrong: list[str] = []

    def run_node(self, n: fx.Node) -> Any:
        given = {source: list(_tensors(self.env[source])) for source in n.all_input_nodes}
        before = {source: [t._version for t in tensors] for source, tensors in given.items()}
        result = super().run_node(n)
        if n.op in ("placeholder", "get_attr", "output"):
            return result
        known = effect(n, self.modules)
        for source, tensors in given.items():
            written = [t._version for t in tensors] != before[source] and known.kind != "reshaped"
            if written and source not in known.written and not self._shares_with(source, known.written):
                self.wrong.append(
                    f"{n.format_node()} writes into {source}, which its effect {known} does not say"
                )
            shared = any(_same_memory(a, b) for a in tensors for b in _tensors(result))
            known_to = known.kind != "fresh" and (
                source in known.sources or self._shares_with(source, known.sources)
            )
            if shared and not known_to and piece_of(n, self.modules) is None:
                self.wrong.append(f"{n.format_node()} shares memory with {source}, its effect is {known}")
        return result

    def _shares_with(self, source: fx.Node, others: tuple[fx.Node, ...]) -> bool:
        return any(
            _same_memory(a, b)
            for other in others
            for a in _tensors(self.env[source])
            for b in _tensors(self.env[other])
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.numel() > 0 and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
