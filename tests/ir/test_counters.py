"""A forward that counts: refused where any later call computes by the count, taken where none does."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph

X = torch.linspace(-2, 2, 40 * 4).view(40, 4)
logger = logging.getLogger(__name__)


class Net(nn.Module):
    def __init__(self, call: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.layers = nn.Linear(4, 4), nn.ModuleList([nn.ReLU(), nn.Tanh()])
        self.calls, self.rate, self.seen = 0, 1.0, list[Any]()
        self.table, self.state = {"calls": 0}, SimpleNamespace(calls=0)
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        self.calls += 1
        return self.call(self, h)


def beyond(net: Any, h: Any) -> Any:
    if net.calls > 100:
        h = h * 0
    return h


def exactly(net: Any, h: Any) -> Any:
    return h * 2 if net.calls == 500 else h


def every(net: Any, h: Any) -> Any:
    return h * 2 if net.calls % 100 == 99 else h


def slowly(net: Any, h: Any) -> Any:
    return h * (net.calls // 1000)


def warm_up(net: Any, h: Any) -> Any:
    return h * min(1.0, 0.5 + max(0, net.calls - 100))


def chosen(net: Any, h: Any) -> Any:
    return net.layers[min(net.calls // 100, 1)](h)


def looked_up(net: Any, h: Any) -> Any:
    return h * {50: 2.0}.get(net.calls, 1.0)


def cooled(net: Any, h: Any) -> Any:
    net.rate *= 0.99
    return h.relu() if net.rate < 0.5 else h


def in_a_table(net: Any, h: Any) -> Any:
    net.table["calls"] += 1
    return h.relu() if net.table["calls"] >= 64 else h


def in_an_object(net: Any, h: Any) -> Any:
    net.state.calls += 1
    return h.relu() if net.state.calls >= 64 else h


def made_on_the_way(net: Any, h: Any) -> Any:
    net.turn = getattr(net, "turn", 0) + 1
    return h.relu() if net.turn > 64 else h


def grown(net: Any, h: Any) -> Any:
    net.seen.append(1)
    return h.relu() if len(net.seen) > 64 else h


def raising(net: Any, h: Any) -> Any:
    if net.calls > 100:
        raise RuntimeError("called too often")
    return h


def truthy(net: Any, h: Any) -> Any:
    return h.relu() if net.calls // 64 else h


REFUSED = (beyond, exactly, every, slowly, warm_up, chosen, looked_up, cooled, in_a_table, in_an_object,
           made_on_the_way, grown, raising, truthy)  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_a_count_that_a_later_call_computes_by_is_refused(call: Callable[[Any, Any], Any]) -> None:
    net = Net(call)
    with pytest.raises(ValueError, match=r"a call changes .*calls.*, and a later call computes by it"):
        MaseGraph(net)
    assert (net.calls, net.rate, net.seen, net.table, net.state.calls) == (0, 1.0, [], {"calls": 0}, 0)


def only_counted(net: Any, h: Any) -> Any:
    return h.relu()


def told(net: Any, h: Any) -> Any:
    if net.calls % 100 == 0:
        logger.debug("call %d of rate %.3f, %s", net.calls, net.rate, f"{net.calls:5d}")
    return h.relu()


def averaged(net: Any, h: Any) -> Any:
    net.rate = 0.9 * net.rate + 0.1 * math.sqrt(net.calls) / (1 + net.calls) ** 2
    return h.relu()


def pruned(net: Any, h: Any) -> Any:
    net.seen.append(net.calls)
    if len(net.seen) > 10:
        net.seen.pop(0)
    return h.relu()


@pytest.mark.parametrize("call", [only_counted, told, averaged, pruned])
def test_a_count_that_nothing_is_computed_by_is_taken(call: Callable[[Any, Any], Any]) -> None:
    net = Net(call).eval()
    graph = MaseGraph(net)
    assert (net.calls, net.rate, net.seen) == (0, 1.0, [])
    with torch.no_grad():
        wanted = net.a(X).relu()
        assert torch.equal(graph.model(X), wanted)
    torch.testing.assert_close(Evaluator(net, X).forward(), wanted, atol=1e-6, rtol=1e-5)
