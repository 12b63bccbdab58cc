"""What a forward does by its mode, and where it wants no gradients: the graph does the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import chop
from chop.cost import Costs
from chop.training import NativeTrainer

Forward = Callable[["Net", Any], Any]
NAMES = ("data_in", "weight", "bias")
FIELDS = {f"{o}_{k}": v for o in NAMES for k, v in (("width", 16), ("frac_width", 8))}
SIXTEEN = {"by": "type", "default": {"config": {"name": "integer", **FIELDS}}}


class Net(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.a, self.b, self.o = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.norm = nn.BatchNorm1d(8)
        self.act, self.call = nn.ReLU(), forward

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, x)


def by_mode(call: Callable[[Any, bool], Any]) -> Forward:
    return lambda net, x: net.o(call(net.a(x), net.training))


BY_MODE: dict[str, Forward] = {
    "dropout": by_mode(lambda h, t: F.dropout(h, 0.5, training=t)),
    "by position": by_mode(lambda h, t: F.dropout(h, 0.5, t)),
    "torch's": by_mode(lambda h, t: torch.dropout(h, 0.5, t)),
    "probability": by_mode(lambda h, t: F.dropout(h, 0.5 if t else 0.0)),
    "number times flag": by_mode(lambda h, t: F.dropout(h, 0.5 * t)),
    "alpha dropout": by_mode(lambda h, t: F.alpha_dropout(h, 0.5, training=t)),
    "feature dropout": by_mode(lambda h, t: F.dropout1d(h.view(-1, 4, 2), 0.5, training=t).flatten(1)),
    "rrelu": by_mode(lambda h, t: F.rrelu(h, training=t)),
    "batch norm": lambda net, x: net.o(
        F.batch_norm(net.a(x), net.norm.running_mean, net.norm.running_var, training=net.training)
    ),
    "a number": by_mode(lambda h, t: h * (2.0 if t else 3.0)),
    "a slice": by_mode(lambda h, t: F.pad(h[:, slice(0, 4 if t else 8)], (0, 4 if t else 0))),
    "attention": by_mode(
        lambda h, t: F.scaled_dot_product_attention(
            *[h.view(-1, 4, 2)] * 3, dropout_p=0.5 if t else 0.0
        ).flatten(1)
    ),
}


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(40, 8)


def quantized(model: nn.Module) -> chop.MaseGraph:
    return chop.passes.quantize_transform_pass(chop.MaseGraph(model), SIXTEEN)[0]


@pytest.mark.parametrize("traced_training", [True, False])
@pytest.mark.parametrize("name", BY_MODE)
def test_a_graph_follows_its_mode(name: str, traced_training: bool, x: Tensor) -> None:
    model = Net(BY_MODE[name]).train(traced_training)
    for graph, within in ((chop.MaseGraph(model), 1e-6), (quantized(model), 0.1)):
        assert graph.model.training == traced_training
        for mode in (traced_training, False, True):
            graph.model.train(mode)
            model.train(mode)
            with torch.no_grad():
                torch.manual_seed(1)
                expected = copy.deepcopy(model)(x)
                torch.manual_seed(1)
                found = graph.model(x)
            torch.testing.assert_close(found, expected, rtol=0, atol=within)
    model.train(traced_training)
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(x)
    assert model.training == traced_training
    torch.testing.assert_close(chop.Evaluator(model, x).forward(), expected, rtol=1e-4, atol=1e-5)
    assert NativeTrainer.why_not(model, (8,)) is not None


def test_a_graph_in_a_file_follows_its_mode(x: Tensor, tmp_path: Path) -> None:
    graph = quantized(Net(BY_MODE["dropout"]).eval())
    chop.passes.save_mase_graph_interface_pass(graph, tmp_path)
    loaded, _ = chop.passes.load_mase_graph_interface_pass(chop.MaseGraph(Net(BY_MODE["dropout"])), tmp_path)
    for mode in (False, True):
        found = [torch.manual_seed(1) and each.model.train(mode)(x) for each in (graph, loaded)]
        assert torch.equal(*found)
    again = chop.MaseGraph(loaded.model)
    assert not torch.equal(again.model.train()(x), again.model(x))


def branch(net: Net, x: Any) -> Any:
    h = net.a(x)
    if net.training:
        h = h + net.b(h)
    return net.o(h)


def test_a_branch_is_right_in_its_mode_and_refused_in_the_other(x: Tensor, tmp_path: Path) -> None:
    model = Net(branch).eval()
    graph = quantized(model)
    graph.model(x)
    assert chop.Evaluator(model, x).rows == 40
    chop.passes.save_mase_graph_interface_pass(graph, tmp_path)
    loaded, _ = chop.passes.load_mase_graph_interface_pass(chop.MaseGraph(model), tmp_path)
    for each in (graph, loaded, chop.MaseGraph(graph.model)):
        with pytest.raises(
            RuntimeError, match=rf"traced in eval mode.*{Path(__file__).name}:.*model.train\(\)"
        ):
            each.model.train()(x)
    model.train()
    torch.testing.assert_close(chop.MaseGraph(model).model(x), model(x))
    for use in (lambda: chop.Evaluator(model, x), lambda: Costs(model)):
        with pytest.raises(ValueError, match=r"traced in train mode.*model.eval\(\)"):
            use()
    assert "mode" in str(NativeTrainer.why_not(model, (8,)))
    assert "mode" in str(NativeTrainer.why_not(model.eval(), (8,)))


def test_a_forward_is_traced_once_a_mode() -> None:
    calls = []

    class Leaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            return x

    class Outer(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    chop.MaseGraph(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    chop.MaseGraph(Leaf())
    assert len(calls) == 2  # as it is, and in the other mode
    outer = Outer(Leaf())
    outer.inner.eval()
    calls.clear()
    chop.MaseGraph(outer)
    assert len(calls) == 3  # as it is, all in train mode, all in eval mode


def no_grad(net: Net, x: Any) -> Any:
    with torch.no_grad():
        h = net.act(net.a(x))
    return net.o(net.b(h))


def inference(net: Net, x: Any) -> Any:
    with torch.inference_mode():
        h = net.a(x) * 1
    return net.o(h.clone())


def switched(net: Net, x: Any) -> Any:
    torch.set_grad_enabled(False)
    h = net.a(x)
    torch.set_grad_enabled(True)
    return net.o(h + net.b(x))


def nested(net: Net, x: Any) -> Any:
    with torch.no_grad():
        h = net.a(x)
        with torch.enable_grad():
            k = net.b(x)
    return net.o(h * k)


@torch.no_grad()
def frozen(net: Net, x: Any) -> Any:
    return net.a(x).relu_()


def decorated(net: Net, x: Any) -> Any:
    h = frozen(net, x)
    h += 1
    return net.o(h + h.detach())


def pieces(net: Net, x: Any) -> Any:
    with torch.no_grad():
        first, second = net.a(x).chunk(2, dim=1)
    parts = torch.cat([second, first], 1)
    n = parts.shape[1]
    return net.o(parts / n + net.b(x).detach())


def attribute_used_without(net: Net, x: Any) -> Any:
    turned = net.a(x).T
    with torch.no_grad():
        twice = turned * 2
    return net.o((turned + twice).T)


def attribute_read_without(net: Net, x: Any) -> Any:
    with torch.no_grad():
        turned = net.a(x).T
    return net.o(turned.T + net.b(x))


WITHOUT: dict[str, Forward] = {
    "attribute used": attribute_used_without,
    "attribute read": attribute_read_without,
    "no_grad": no_grad,
    "set_grad_enabled": switched,
    "enable_grad": nested,
    "decorated": decorated,
    "pieces": pieces,
    "detach": lambda net, x: net.o(net.act(net.a(x).detach()) + net.b(x)),
    "data": lambda net, x: net.o(net.a(x).data + net.b(x)),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_gradients_reach_what_they_reach_in_the_model(name: str, x: Tensor, tmp_path: Path) -> None:
    model, y = Net(WITHOUT[name]), torch.arange(40) % 5
    F.cross_entropy(model(x.clone()), y).backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    graph = chop.MaseGraph(model)
    assert torch.is_grad_enabled()
    F.cross_entropy(graph.model(x.clone()), y).backward()
    for parameter, gradient in expected.items():
        torch.testing.assert_close(dict(model.named_parameters())[parameter].grad, gradient)
    made = quantized(model)
    chop.passes.save_mase_graph_interface_pass(made, tmp_path)
    loaded, _ = chop.passes.load_mase_graph_interface_pass(chop.MaseGraph(model), tmp_path)
    for each in (made, loaded):
        each.model.zero_grad()
        F.cross_entropy(each.model(x.clone()), y).backward()
        assert {n for n, p in each.model.named_parameters() if p.grad is not None} == reached
    assert NativeTrainer.why_not(model, (8,)) is not None
    with torch.no_grad():
        values = model.eval()(x.clone())
    torch.testing.assert_close(chop.Evaluator(model, x).forward(), values, rtol=1e-4, atol=1e-5)


def test_values_of_inference_mode(x: Tensor) -> None:
    model = Net(inference).eval()
    torch.testing.assert_close(chop.Evaluator(model, x).forward(), model(x).detach(), rtol=1e-4, atol=1e-5)
    F.cross_entropy(chop.MaseGraph(model).model(x), torch.arange(40) % 5).backward()
    assert model.a.weight.grad is None


def test_frozen_parameters_stay(x: Tensor) -> None:
    model = Net(lambda net, x: net.o(net.act(net.a(x))))
    model.a.requires_grad_(False)
    graph = quantized(model)
    F.cross_entropy(graph.model(x), torch.arange(40) % 5).backward()
    assert {n.split(".")[0] for n, p in graph.model.named_parameters() if p.grad is not None} == {"o"}
    trainer = NativeTrainer(model, x, torch.arange(40) % 5)
    trainer.epoch(40, 0.1)
    assert torch.equal(trainer.state_dict()["a.weight"], model.a.weight)


@pytest.mark.parametrize(
    ("part", "name"), [(lambda h: h, "a"), (lambda h: h.topk(8, dim=1).values, "getattr")]
)
def test_a_write_that_autograd_does_not_see_is_refused(part: Callable[[Any], Any], name: str) -> None:
    def forward(net: Net, x: Any) -> Any:
        h = part(net.a(x))
        with torch.no_grad():
            h.clamp_(min=0)
        return net.o(h)

    with pytest.raises(
        ValueError, match=rf"{Path(__file__).name}:\d+\) writes in place into {name}.*gradients are off"
    ):
        chop.MaseGraph(Net(forward))


def test_autocast_within_a_forward_is_refused() -> None:
    def forward(net: Net, x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            h = net.a(x)
        return net.o(h.float())

    with pytest.raises(ValueError, match=rf"{Path(__file__).name}:\d+.*autocast is on"):
        chop.MaseGraph(Net(forward))
    with torch.autocast("cpu", torch.bfloat16):
        chop.MaseGraph(Net(branch))
