"""Writes in place: whoever reads the tensor afterwards gets what torch gives, everywhere, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

import chop
from chop.training import NativeTrainer

Forward = Callable[["Net", Any, Any], Any]


class Net(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.a, self.b, self.o = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.act, self.drop, self.same = nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Identity()
        self.register_buffer("kept", torch.ones(8))
        self.call = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, self.a(x), x)


def written(write: Callable[[Any, Any], Any]) -> Forward:
    """A statement that writes, and then a reader of the tensor."""

    def forward(net: Net, h: Any, x: Any) -> Any:
        write(h, x)
        return net.o(h)

    return forward


def add_to_alias(h: Any, x: Any) -> None:
    y = h
    y += 1
    y *= x
    y -= 0.5
    y /= 2


def set_items(h: Any, x: Any) -> None:
    h[:, 0] = 1
    h[:, 1:3] += x[:, :2]
    h[..., -1] = x[:, 3]
    h[:, 3], h[:, 4] = x[:, 4], x[:, 3]


def set_masked(h: Any, x: Any) -> None:
    h[h < 0] = 0.25
    h[:, [5, 2]] = x[:, :2]


def write_pieces(h: Any, x: Any) -> None:
    first, second = h.chunk(2, dim=1)
    first.sigmoid_()
    second += first


def write_views_of_views(h: Any, x: Any) -> None:
    cube = h.view(-1, 2, 4)
    cube.transpose(1, 2)[:, 0].mul_(3)
    cube[:, 1, 2:].zero_()


def read_views_made_before(net: Net, h: Any, x: Any) -> Any:
    part, whole = h[:, :4], h.unsqueeze(1)
    h.relu_()
    return net.o(torch.cat([part, part], 1)) + net.o(whole).squeeze(1)


def reshape_in_place(net: Net, h: Any, x: Any) -> Any:
    h.unsqueeze_(1)
    h.relu_()
    return net.o(h).squeeze(1)


def fill_zeros(net: Net, h: Any, x: Any) -> Any:
    y = torch.zeros_like(h)
    for i in range(8):
        y[:, i] = h[:, 7 - i]
    return net.o(y)


def sizes_are_no_tensors(net: Net, h: Any, x: Any) -> Any:
    n = m = h.shape[1]
    n += 1
    n *= 2
    return net.o(h) * m / n


def like_another(net: Net, h: Any) -> Any:
    v = h.view_as(h)
    v += 2
    return net.o((h + v).expand(-1, 8))


RIGHT: dict[str, Forward] = {
    "residual": lambda net, h, x: net.o(net.b(net.act(h)) + h),
    "statement": written(lambda h, x: F.relu(h, inplace=True)),
    "by position": written(lambda h, x: F.leaky_relu(h, 0.3, True)),
    "method": written(lambda h, x: h.clamp_(min=0).mul_(2)),
    "function": written(lambda h, x: torch.relu_(h)),
    "out": written(lambda h, x: torch.add(h, 1, out=h)),
    "masked": written(lambda h, x: h.masked_fill_(h > 0, 0.3)),
    "copied": written(lambda h, x: h[:, :4].copy_(x[:, 4:])),
    "alias": written(add_to_alias),
    "items": written(set_items),
    "masked items": written(set_masked),
    "pieces": written(write_pieces),
    "views of views": written(write_views_of_views),
    "narrow": written(lambda h, x: h.narrow(1, 2, 3).fill_(0.5)),
    "view like another": lambda net, h, x: like_another(net, h.sum(1).unsqueeze(1)),
    "plus sign": written(lambda h, x: (+h).relu_()),
    "unbind": written(lambda h, x: h.unbind(1)[2].exp_()),
    "identity": lambda net, h, x: net.o(net.same(h).relu_() + h),
    "views": read_views_made_before,
    "reshaped": reshape_in_place,
    "filled": fill_zeros,
    "sizes": sizes_are_no_tensors,
    "input": lambda net, h, x: net.o(h + x.relu_() + x),
    "input by torch": lambda net, h, x: net.o(x.sinh_()),
    "operands in order": lambda net, h, x: net.o(h + h.relu_()),
    "by torch": lambda net, h, x: net.o(h.exp_() + h),
    "copy": lambda net, h, x: net.o(h.clone().relu_() - h),
}


def data(write: Callable[[Any], Any]) -> Forward:
    def forward(net: Net, h: Any, x: Any) -> Any:
        write(h)
        return net.o(h)

    return forward


REFUSED: dict[str, Forward] = {
    "data": data(lambda h: h.data.clamp_(min=0)),
    "detached": data(lambda h: h.detach().relu_()),
    "flatten": data(lambda h: h.view(-1, 2, 4).flatten(1).relu_()),
    "contiguous": data(lambda h: h.contiguous().relu_()),
    "dropout": lambda net, h, x: net.o(net.drop(h).relu_() + h),
    "several": data(lambda h: torch._foreach_mul_([h], 2.0)),
    "buffer": lambda net, h, x: net.o(h + net.kept.add_(h.mean())),
}


def config(key: str, width: int, frac_width: int) -> dict[str, Any]:
    names = ("data_in", "weight", "bias")
    fields = {f"{o}_{k}": v for o in names for k, v in (("width", width), ("frac_width", frac_width))}
    rules = {"by": "type", "default": {"config": {"name": None}}}
    return {**rules, key: {"config": {"name": "integer", **fields}}}


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(40, 8) * 2


@pytest.mark.parametrize("name", RIGHT)
def test_graph_and_evaluator_give_what_the_model_gives(name: str, x: Tensor, tmp_path: Path) -> None:
    model = Net(RIGHT[name]).eval()
    given = x.clone()
    with torch.no_grad():
        expected = model(x.clone())
        torch.testing.assert_close(chop.MaseGraph(model).model(x.clone()), expected)
    evaluator = chop.Evaluator(model, x)
    for _ in range(2):  # the first call must leave the data as they are
        torch.testing.assert_close(evaluator.forward(), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(x, given)
    eight = config("default", 8, 4)
    graph, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(model), eight)
    with torch.no_grad():
        quantized = graph.model(x.clone())
    torch.testing.assert_close(evaluator.forward(eight), quantized, rtol=0, atol=2e-6)
    chop.passes.save_mase_graph_interface_pass(graph, tmp_path)
    loaded, _ = chop.passes.load_mase_graph_interface_pass(chop.MaseGraph(model), tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded.model(x.clone()), quantized)


@pytest.mark.parametrize("key", ["relu", "add", "linear", "default"])
@pytest.mark.parametrize("name", ["residual", "statement", "alias", "views", "input"])
def test_a_fine_grid_changes_nothing(name: str, key: str, x: Tensor) -> None:
    model = Net(RIGHT[name]).eval()
    graph, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(model), config(key, 32, 20))
    with torch.no_grad():
        torch.testing.assert_close(graph.model(x.clone()), model(x.clone()), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["statement", "method", "alias", "input", "identity"])
def test_training_goes_by_the_value_that_was_written(name: str, x: Tensor) -> None:
    model, y = Net(RIGHT[name]).eval(), torch.arange(40) % 5
    if NativeTrainer.why_not(model, (8,)) is None:
        expected = F.cross_entropy(model(x.clone()), y).item()
        assert abs(NativeTrainer(model, x, y).evaluate(x, y).loss - expected) < 1e-5


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_refused_with_the_line(name: str, x: Tensor) -> None:
    model = Net(REFUSED[name]).eval()
    for use in (
        lambda: chop.Evaluator(model, x),
        lambda: chop.passes.quantize_transform_pass(chop.MaseGraph(model), config("default", 8, 4)),
    ):
        with pytest.raises(
            ValueError, match=rf"writes? into .*{Path(__file__).name}|{Path(__file__).name}.* into"
        ):
            use()
    assert "compute a new tensor" in str(NativeTrainer.why_not(model, (8,)))


class Writer(nn.Module):
    """A layer of the user's own that torch.fx does not look into."""

    def forward(self, x: Tensor) -> Tensor:
        return x.exp_()


def test_a_layer_that_overwrites_what_is_read_later_is_refused(x: Tensor) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.writer, self.act = Writer(), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            h = self.act(x)
            return self.writer(h) + h

    graph = chop.MaseGraph(Own(), leaf_modules=(Writer,))
    with pytest.raises(ValueError, match=r"node writer .* overwrites the value of act, which others read"):
        chop.Evaluator(graph, x)


def test_a_graph_is_rewired_once() -> None:
    graph = chop.MaseGraph(Net(written(set_items)))
    again = chop.MaseGraph(graph.model)
    assert [node.name for node in again.nodes] == [node.name for node in graph.nodes]


def test_a_graph_of_ones_own_is_rewired(x: Tensor) -> None:
    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            F.relu(x, inplace=True)
            return x

    traced = fx.symbolic_trace(Plain())
    graph = chop.MaseGraph.from_graph_module(traced)
    assert torch.equal(chop.Evaluator(graph, x).forward(), x.relu())


def test_replacing_the_data_of_a_tensor_is_refused() -> None:
    def forward(net: Net, h: Any, x: Any) -> Any:
        h.data = x
        return net.o(h)

    with pytest.raises(ValueError, match="data are replaced"):
        chop.MaseGraph(Net(forward))
