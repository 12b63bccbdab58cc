"""Writes into one of several results of a call, and calls that only look like writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from chop import Evaluator, MaseGraph
from chop.ir.graph.aliases import effect
from chop.ir.graph.pieces import results

Forward = Callable[["Net", Any], Any]


class Net(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.o = nn.Linear(6, 6), nn.Linear(6, 5)
        self.lstm, self.same = nn.LSTM(3, 3, batch_first=True), nn.Identity()
        self.same.register_forward_hook(lambda module, args, output: output.clamp(max=0.3))
        self.hooked, self.hooked_relu = nn.Linear(6, 6), nn.ReLU(inplace=True)
        for layer in (self.hooked, self.hooked_relu):
            layer.register_forward_hook(lambda module, args, output: output * 0.5)
        self.call = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, self.a(x))


def by_place(net: Net, h: Any) -> Any:
    t = h.sort(1)
    t[0].relu_()
    return net.o(t[0])


def by_name(net: Net, h: Any) -> Any:
    t = torch.sort(h, dim=1, descending=True)
    t.values.mul_(2)
    return net.o(t.values + t[0] + t[-2])


def unpacked(net: Net, h: Any) -> Any:
    values, places = h.sort(1)
    values.relu_()
    return net.o(values * places)


def items(net: Net, h: Any) -> Any:
    t = h.topk(6, 1)
    t.values[:, 0] = 7.0
    t.values[:, 1:3] += 1
    return net.o(t.values.narrow(1, 0, 6)) + net.o(t[0])


def largest(net: Net, h: Any) -> Any:
    t = torch.max(h, 1, keepdim=True)
    t[0].add_(1)
    return net.o(h * t.values)


def statistics(net: Net, h: Any) -> Any:
    std, mean = torch.std_mean(h, 1, keepdim=True)
    mean.mul_(2)
    return net.o(h * std + mean)


def recurrent(net: Net, h: Any) -> Any:
    out, (hidden, cell) = net.lstm(h.view(-1, 2, 3))
    cell.mul_(0.5)
    out.relu_()
    return net.o(out.flatten(1)) + net.o(torch.cat([hidden[0], cell[0]], 1))


def rows(net: Net, h: Any) -> Any:
    first = torch.maximum(h, h * 2)[0]
    return net.o(h + first * 0)


def sorted_downwards(net: Net, h: Any) -> Any:
    ordered = h.sort(1, descending=True).values
    return net.o(h) + net.o(ordered)


def hooked_identity(net: Net, h: Any) -> Any:
    h = net.same(h)
    h -= 0.5
    return net.o(h)


def pieces_of_a_split(net: Net, h: Any) -> Any:
    first, second, third = h.split([1, 2, 3], dim=1)
    third.mul_(2)
    first += 1
    return net.o(torch.cat([third, first, second], 1)) + net.o(h)


def a_piece_by_place(net: Net, h: Any) -> Any:
    torch.chunk(h, 3, dim=1)[-1].relu_()
    h.tensor_split(2, 1)[0].add_(0.5)
    h.unbind(1)[2].zero_()
    return net.o(h)


def a_piece_that_was_taken_before(net: Net, h: Any) -> Any:
    pieces = h.split(3, 1)
    last = pieces[1]
    pieces[0].sigmoid_()
    h *= 2
    return net.o(torch.cat([pieces[1], pieces[0]], 1)) + net.o(torch.cat([last, last], 1))


def pieces_of_a_hooked_layer(net: Net, h: Any) -> Any:
    first, second = net.hooked(h).chunk(2, 1)
    first.add_(1)
    second *= first
    return net.o(torch.cat([first, second], 1))


def a_hooked_layer_that_works_in_place(net: Net, h: Any) -> Any:
    return net.o(net.hooked_relu(h * 1))


def largest_of_each(net: Net, h: Any) -> Any:
    values, places = h.view(-1, 2, 3).max(dim=2)
    values.mul_(places + 1)
    low = torch.min(h, dim=1, keepdim=True)
    low.values[:, 0] -= 1
    return net.o(torch.cat([values, values, values], 1) + low[0])


def highest(net: Net, h: Any) -> Any:
    found = torch.topk(h, k=6, dim=1)
    found[0].clamp_(max=0.2)
    h.relu_()
    return net.o(found.values) + net.o(h) + found.indices.sum(1, keepdim=True)


def sizes_are_reckoned(net: Net, h: Any) -> Any:
    columns = h.shape[1]
    half = columns // 2
    half += 1
    h[:, :half] += 1
    return net.o(h) * (half / columns)


RIGHT = (
    pieces_of_a_split,
    a_piece_by_place,
    a_piece_that_was_taken_before,
    pieces_of_a_hooked_layer,
    a_hooked_layer_that_works_in_place,
    largest_of_each,
    highest,
    sizes_are_reckoned,
    by_place,
    by_name,
    unpacked,
    items,
    largest,
    statistics,
    recurrent,
    sorted_downwards,
    hooked_identity,
)


@pytest.mark.parametrize("forward", RIGHT)
def test_readers_get_what_was_written(forward: Forward) -> None:
    x = torch.randn(70, 6)
    model = Net(forward).eval()
    with torch.no_grad():
        wanted = model(x)
        assert torch.equal(MaseGraph(model).model(x), wanted)
    torch.testing.assert_close(Evaluator(model, x).forward(), wanted, atol=1e-5, rtol=1e-5)


class Sum(nn.Module):
    """A leaf that takes both results at once."""

    def forward(self, pair: Any) -> Tensor:
        return pair[0] + pair[1]


def test_results_that_are_handed_on_together_after_a_write_are_refused() -> None:
    def together(net: Net, h: Any) -> Any:
        t = h.sort(1)
        t[0].relu_()
        return net.o(net.total(t))

    model = Net(together).eval()
    model.total = Sum()
    with pytest.raises(ValueError, match=r"writes into getitem.* which node total .*reads afterwards"):
        Evaluator(MaseGraph(model, leaf_modules=(Sum,)), torch.randn(70, 6))


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (("sort", 1), ("values", "indices")),
        (("max",), ("",)),
        (("max", 1), ("values", "indices")),
        (("median", 1), ("values", "indices")),
        (("aminmax",), ("min", "max")),
        (("frexp",), ("mantissa", "exponent")),
        (("relu",), ("",)),
        (("chunk", 2), ("",)),  # views, which have rules of their own
    ],
)
def test_what_a_method_gives(call: tuple[Any, ...], names: tuple[str, ...]) -> None:
    graph = fx.Graph()
    assert results(graph.call_method(call[0], (graph.placeholder("h"), *call[1:])), {}) == names


def test_what_a_function_gives() -> None:
    graph = fx.Graph()
    h, other = graph.placeholder("h"), graph.placeholder("other")
    pool = graph.call_function(F.max_pool1d, (h, 2), {"return_indices": True})
    assert results(pool, {}) == ("", "") and results(graph.call_function(torch.cat, ([h, other], 1)), {}) == (
        "",
    )
    assert results(graph.call_function(torch.max, (h,), {"axis": 1}), {}) == ("values", "indices")
    assert results(graph.call_function(rows, (h, other)), {}) is None


def test_sorting_is_no_write_and_for_each_is() -> None:
    graph = fx.Graph()
    h = graph.placeholder("h")
    assert effect(graph.call_method("sort", (h, 1, True)), {}).written == ()
    assert effect(graph.call_function(torch._foreach_mul_, ([h], 2.0)), {}).written == (h,)


def test_results_that_are_handed_on_together_beside_other_writes() -> None:
    def together(net: Net, h: Any) -> Any:
        t = h.sort(1)
        first = t[0] * 1
        first.relu_()
        return net.o(net.total(t) + first)

    model = Net(together).eval()
    model.total = Sum()
    x = torch.randn(70, 6)
    found = Evaluator(MaseGraph(model, leaf_modules=(Sum,)), x).forward()
    torch.testing.assert_close(found, model(x).detach(), atol=1e-5, rtol=1e-5)
