"""Nodes that no evaluator can compute row by row are refused, and failures inside torch harm nothing."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph

from .models import data
from .torch_models import CLASSES, FEATURES, Swirl, model_of


@pytest.mark.parametrize(
    ("middle", "message"),
    [
        (lambda self, x: x - x.mean(0, keepdim=True), r"node sub \(sub\) mixes the rows"),
        (lambda self, x: torch.softmax(x, dim=0), r"node softmax \(softmax\) mixes the rows"),
        (lambda self, x: x.flip(0).exp(), r"node flip \(flip\) mixes the rows"),
        # Of zeros, which another config may make numbers.
        (lambda self, x: torch.dropout(x - x, 0.5, True), r"node dropout \(dropout\) depends on chance"),
        (lambda self, x: x * torch.rand_like(x), r"node rand_like \(rand_like\) depends on chance"),
        (lambda self, x: torch.cumsum(x, 0), r"node cumsum \(cumsum\) mixes the rows"),
        (lambda self, x: torch.einsum("bi,ci->bc", x, x)[:, :6], r"mixes|fails"),
        (lambda self, x: torch.sin(x).view(7, -1), "view"),
        (lambda self, x: torch.erf(x).sum(0), r"."),
    ],
)
def test_nodes_that_depend_on_more_than_their_row_are_refused(middle: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluator(model_of("Bad", middle), *data(100, FEATURES, CLASSES))


def test_a_layer_that_cannot_be_copied_is_named() -> None:
    class Locked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

        def forward(self, x: Tensor) -> Tensor:
            return x

    graph = MaseGraph(nn.Sequential(Locked()), leaf_modules=(Locked,))
    with pytest.raises(ValueError, match=r"layer 0 \(Locked\) cannot be copied"):
        Evaluator(graph, *data(20, FEATURES, FEATURES))


def test_an_output_that_is_no_tensor_of_rows_is_refused() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x.max(dim=1)

    with pytest.raises(
        ValueError, match=r"the output, node max_1 \(max\), is no float32 tensor with the batch first"
    ):
        Evaluator(Pair(), *data(20, FEATURES, CLASSES))


class Fragile(nn.Module):
    """Fails on rows that the constructor has not seen."""

    broken = False

    def forward(self, x: Tensor) -> Tensor:
        if self.broken:
            raise KeyError("gone")
        return x.sinh()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_inside_names_the_node_and_leaves_the_evaluator_alive(threads: int) -> None:
    model = nn.Sequential(nn.Linear(FEATURES, CLASSES), Fragile())
    x, y = data(9000, FEATURES, CLASSES)
    ev = Evaluator(MaseGraph(model, leaf_modules=(Fragile,)), x, y, threads=threads)
    good = ev.evaluate()
    for _ in range(3):
        Fragile.broken = True
        try:
            with pytest.raises(RuntimeError, match=r"node _1 \(Fragile\) fails in torch: 'gone'"):
                ev.evaluate()
        finally:
            Fragile.broken = False
        assert ev.evaluate() == good


def test_nothing_is_kept_when_the_evaluator_goes() -> None:
    layer = Swirl()
    ev = Evaluator(MaseGraph(nn.Sequential(layer), leaf_modules=(Swirl,)), *data(10, FEATURES, FEATURES))
    ev.evaluate()
    inner = weakref.ref(ev._torch._snapshot.modules["0"])
    assert inner() is not layer
    del ev
    gc.collect()
    assert inner() is None


def test_a_module_may_keep_what_it_was_given() -> None:
    class Keeper(nn.Module):
        seen: ClassVar[list[Tensor]] = []

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(x)
            return x + 0.25

    x, y = data(100, 5, 5)
    ev = Evaluator(MaseGraph(nn.Sequential(Keeper()), leaf_modules=(Keeper,)), x, y)
    Keeper.seen.clear()
    ev.forward()
    assert torch.equal(torch.cat(Keeper.seen), x)
