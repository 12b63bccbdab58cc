"""Tensors that get another shape in place, and calls that read how a tensor lies in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from chop import Evaluator, MaseGraph
from chop.ir.graph.aliases import effect
from chop.ir.graph.layout import reshapes
from chop.ir.graph.write_view import STEPS
from chop.passes.graph import quantize_transform_pass

Part = Callable[[Any], Any]
EIGHT = {"by": "type", "default": {"config": {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4,
         "weight_width": 8, "weight_frac_width": 4, "bias_width": 8, "bias_frac_width": 4}}}  # fmt: skip


class Net(nn.Module):
    """A layer, a view of its value, a change of its shape, and what is read afterwards."""

    def __init__(self, view: Part, change: Part, after: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.o = nn.Linear(3, 3), nn.Linear(6, 5)
        self.view, self.change, self.after = view, change, after

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        v = self.view(h)
        found = self.after(h, v, self.change(h))
        return self.o(found.flatten(1))


VIEWS: dict[str, Part] = {
    "no view": lambda h: h,
    "flat": lambda h: h.view(h.size(0), -1),
    "part": lambda h: h[:, :1],
}
# Of a tensor [rows, 1, 2, 3] or [rows, 2, 3].
CHANGES: dict[str, Part] = {
    "squeeze_": lambda h: h.squeeze_(),
    "squeeze_ of one": lambda h: h.squeeze_(1),
    "squeeze_ of some": lambda h: h.squeeze_(dim=(1, 2)),
    "unsqueeze_": lambda h: h.unsqueeze_(-1),
    "transpose_": lambda h: h.transpose_(1, 2),
    "swapaxes_": lambda h: h.swapaxes_(axis0=1, axis1=-1),
    "swapdims_": lambda h: h.swapdims_(1, 2),
    "t_ twice": lambda h: h.squeeze_().transpose_(1, 2),
    "detach_": lambda h: h.detach_(),
    "function": lambda h: torch.detach_(h),
    "operator": lambda h: torch.ops.aten.unsqueeze_(h, 1),
    "form": lambda h: torch.ops.aten.squeeze_.dim(h, 1),
    "of a view": lambda h: h.view(-1, 6).unsqueeze_(1),
}
AFTER: dict[str, Callable[[Any, Any, Any], Any]] = {
    "old name": lambda h, v, r: h * 2,
    "both": lambda h, v, r: h + r,
    "written": lambda h, v, r: (r.mul_(2), h)[1],
    "written by its view": lambda h, v, r: (v.add_(1), h)[1],
    "written by its old name": lambda h, v, r: (h.relu_(), r)[1],
    "view read": lambda h, v, r: h.flatten(1) + v.sum(),
}


def plain(model: nn.Module, x: Tensor) -> Tensor | None:
    """What torch gives; None where a form does not fit."""
    try:
        with torch.no_grad():
            found: Tensor = model(x.clone())
    except (RuntimeError, IndexError):
        return None
    return found


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("view", VIEWS)
def test_whatever_is_read_afterwards_has_the_new_shape(view: str, after: str) -> None:
    seen = 0
    for shape in ((1, 2, 3), (2, 3)):
        x = torch.randn(20, *shape)
        for name, change in CHANGES.items():
            model = Net(VIEWS[view], change, AFTER[after]).eval()
            wanted = plain(model, x)
            if wanted is None:
                continue
            seen += 1
            graph = MaseGraph(model)
            with torch.no_grad():
                assert torch.equal(graph.model(x.clone()), wanted), name
            try:
                ev = Evaluator(graph, x)
                found = ev.forward()
                quantized, _ = quantize_transform_pass(graph, EIGHT)
            except ValueError as error:
                assert "node" in str(error)
                continue
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5, msg=name)
            with torch.no_grad():
                coarse = quantized.model(x.clone())
            torch.testing.assert_close(ev.forward(EIGHT), coarse, atol=1e-4, rtol=1e-4)
    assert seen >= 6


OTHER_MEMORY: dict[str, Part] = {
    "as_strided_": lambda h: h.as_strided_((h.size(0), 6), (6, 1)),
    "resize_": lambda h: h.resize_(h.size(0), 3, 2),
    "resize_as_": lambda h: h.resize_as_(h.flatten(1)),
    "set_": lambda h: h.set_(h.view(-1, 6).clone()),
    "set_ to its own": lambda h: h.set_(h.flatten(1)),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("change", OTHER_MEMORY)
def test_a_tensor_that_is_seen_otherwise_is_torchs_or_refused(change: str, after: str) -> None:
    x = torch.randn(20, 2, 3)
    for view in VIEWS.values():
        model = Net(view, OTHER_MEMORY[change], AFTER[after]).eval()
        wanted = plain(model, x)
        if wanted is None:
            continue
        with torch.no_grad():
            assert torch.equal(MaseGraph(model).model(x.clone()), wanted)
        with pytest.raises(ValueError, match=r"node \w+ .*reads how a tensor lies in memory|writes into"):
            Evaluator(model, x)


READERS: dict[str, Part] = {
    "as_strided": lambda h: h.transpose(1, 2).as_strided((h.size(0), 6), (6, 1)),
    "stride": lambda h: h * h.transpose(1, 2).stride(1),
    "strides": lambda h: h * h.transpose(1, 2).stride()[1],
    "is_contiguous": lambda h: h * h.transpose(1, 2).is_contiguous(),
    "storage_offset": lambda h: h * h[:, 1:].storage_offset(),
    "function": lambda h: torch.as_strided(h.transpose(1, 2), (h.size(0), 6), (6, 1)),
    "operator": lambda h: torch.ops.aten.as_strided.default(h.transpose(1, 2), (h.size(0), 6), (6, 1)),
    "resize_": lambda h: h.transpose(1, 2).resize_(h.size(0), 6),
}


@pytest.mark.parametrize("name", READERS)
def test_what_goes_by_memory_is_refused_where_memory_is_laid_out_anew(name: str) -> None:
    x = torch.randn(20, 2, 3)
    model = Net(lambda h: h, READERS[name], lambda h, v, r: r * 1.5).eval()
    with torch.no_grad():
        assert torch.equal(MaseGraph(model).model(x.clone()), model(x.clone()))
    for use in (
        lambda: Evaluator(model, x),
        lambda: quantize_transform_pass(MaseGraph(model), EIGHT),
    ):
        with pytest.raises(ValueError, match=r"reads how a tensor lies in memory \(\w+\)"):
            use()


def test_torch_says_which_methods_reshape() -> None:
    named = {name for name in dir(Tensor) if reshapes(name)}
    assert named >= {
        "squeeze_",
        "unsqueeze_",
        "t_",
        "transpose_",
        "swapaxes_",
        "swapdims_",
        "detach_",
        "resize_",
    }
    # Those of them that are no views of the tensor itself are its memory seen otherwise.
    assert {name for name in named if name[:-1] not in STEPS} == {
        "as_strided_", "resize_", "resize_as_", "set_",
    }  # fmt: skip
    graph = fx.Graph()
    h, other = graph.placeholder("h"), graph.placeholder("other")
    for name in sorted(named - {"set_"}):
        assert effect(graph.call_method(name, (h,)), {}) == ("reshaped", (h,), ())
    assert effect(graph.call_method("set_", (h, other)), {}) == ("reshaped", (h, other), ())


def test_functions_that_share_a_name_with_a_view_are_none() -> None:
    def folded(h: Any) -> Any:
        h = h.unsqueeze(1)
        part = F.unfold(h, (2, 2))
        part.mul_(2)
        return h.sum((1, 2, 3), keepdim=True) + part

    def diagonal(h: Any) -> Any:
        h = h.unsqueeze(-1) * torch.ones(3)
        part = torch.linalg.diagonal(h)
        part += 1
        return h

    x = torch.randn(20, 2, 3)
    for change in (folded, diagonal):
        model = Net(lambda h: h, change, lambda h, v, r: r.flatten(1)[:, :6]).eval()
        with torch.no_grad():
            wanted = model(x.clone())
            assert torch.equal(MaseGraph(model).model(x.clone()), wanted)
        try:
            found = Evaluator(model, x).forward()
        except ValueError as error:
            assert "may or may not lie in the same memory" in str(error)
            continue
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_every_layer_with_inplace_writes_as_its_effect_says() -> None:
    seen = 0
    for name, kind in vars(nn).items():
        if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
            continue
        if "inplace" not in inspect.signature(kind).parameters:
            continue
        seen += 1
        layer = kind(0.1, 0.5, inplace=True) if kind is nn.Threshold else kind(inplace=True)
        graph = fx.Graph()
        node = graph.call_module("layer", (graph.placeholder("h"),))
        known = effect(node, {"layer": layer})
        for training in (True, False):
            h = torch.randn(3, 4, 5)
            before = h.clone()
            result = layer.train(training)(h)
            written, shared = not torch.equal(h, before), result.data_ptr() == h.data_ptr()
            assert not written or known.written, name
            assert not shared or known.kind in ("same", "maybe"), name
            assert shared or known.kind == "maybe", name
    assert seen >= 18


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_dropouts_that_never_look_at_inplace(kind: type[nn.Module]) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.drop = nn.Linear(3, 3), kind(0.5, inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            h = self.a(x)
            return torch.cat([self.drop(h), h], 1)

    x, model = torch.randn(20, 2, 3), Twice()
    graph = MaseGraph(model)
    for training in (True, False):
        found = []
        for each in (model, graph.model):
            torch.manual_seed(0)
            found.append(each.train(training)(x))
        assert torch.equal(found[0], found[1])
