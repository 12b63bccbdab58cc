"""Shape rules of the lowered graph against what torch really gives.

On real tensors: torch's meta kernels let some things pass that its real ones refuse, such as a softmax along
    no dimension.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from chop import MaseGraph, _core, lower

BATCH = 3
FEW = settings(max_examples=150, deadline=None)


def lowered_shape(model: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """Shape of the output for BATCH rows of ``shape``; the text form must read back equal."""
    graph = lower(MaseGraph(model), input_shapes=shape, values=False)
    assert _core.Graph.parse(str(graph)) == graph
    found = next(node["shape"] for node in graph.nodes if node["name"] == graph.output)
    return [BATCH if size == -1 else size for size in found]


def check(model: nn.Module, shape: tuple[int, ...]) -> None:
    """Torch and the core must agree on the output's shape, or that there is none."""
    model = model.eval()
    try:
        expected = list(model(torch.zeros(BATCH, *shape)).shape)
    except (RuntimeError, IndexError):
        with pytest.raises(ValueError):
            lowered_shape(model, shape)
        return
    assert lowered_shape(model, shape) == expected


def per_dim(draw: Any, spatial: int, low: int, high: int) -> Any:
    """One number for all dimensions, or one for each."""
    each = st.tuples(*[st.integers(low, high)] * spatial)
    return draw(st.one_of(st.integers(low, high), each))


@FEW
@given(st.data(), st.sampled_from([1, 2]))
def test_convolutions(data: Any, spatial: int) -> None:
    draw = data.draw
    groups = draw(st.integers(1, 3))
    padding = draw(st.sampled_from(["number", "same", "valid"]))
    layer = (nn.Conv1d, nn.Conv2d)[spatial - 1](
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        per_dim(draw, spatial, 1, 5),
        stride=1 if padding == "same" else per_dim(draw, spatial, 1, 4),
        padding=per_dim(draw, spatial, 0, 4) if padding == "number" else padding,
        dilation=per_dim(draw, spatial, 1, 3),
        groups=groups,
        bias=draw(st.booleans()),
    )
    check(nn.Sequential(layer), (layer.in_channels, *draw(st.tuples(*[st.integers(1, 14)] * spatial))))


@FEW
@given(st.data(), st.sampled_from([1, 2]), st.sampled_from(["avg", "max"]))
def test_pools(data: Any, spatial: int, kind: str) -> None:
    draw = data.draw
    options: dict[str, Any] = {"padding": per_dim(draw, spatial, 0, 3), "ceil_mode": draw(st.booleans())}
    if draw(st.booleans()):
        options["stride"] = per_dim(draw, spatial, 1, 4)
    if kind == "max":
        options["dilation"] = per_dim(draw, spatial, 1, 3)
    make = {"avg1": nn.AvgPool1d, "avg2": nn.AvgPool2d, "max1": nn.MaxPool1d, "max2": nn.MaxPool2d}[
        f"{kind}{spatial}"
    ]
    layer = make(per_dim(draw, spatial, 1, 5), **options)
    # With a batch of channels or without: a pool looks at the last dimensions only.
    check(
        nn.Sequential(layer),
        (*draw(st.sampled_from([(), (2,)])), *draw(st.tuples(*[st.integers(1, 14)] * spatial))),
    )


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.AdaptiveAvgPool1d(4), (2, 16)),
        (nn.AdaptiveMaxPool1d(1), (2, 5)),
        (nn.AdaptiveAvgPool2d((None, 2)), (2, 7, 9)),
        (nn.AdaptiveMaxPool2d(3), (2, 7, 9)),
        (nn.BatchNorm2d(3), (3, 4, 5)),
        (nn.BatchNorm2d(4), (3, 4, 5)),
        (nn.BatchNorm1d(3), (3, 4)),
        (nn.LayerNorm((4, 5)), (3, 4, 5)),
        (nn.LayerNorm(4), (3, 5)),
        (nn.GroupNorm(2, 6), (6, 3)),
        (nn.Softmax(-1), (3, 4)),
        (nn.Softmax(3), (3, 4)),
        (nn.Flatten(), (3, 4, 5)),
        (nn.Flatten(2, -1), (3, 4, 5)),
        (nn.Dropout2d(), (3, 4, 5)),
        (nn.PReLU(), (3, 4)),
        (nn.PReLU(3), (3, 4)),
        (nn.PReLU(4), (3, 4)),
        (nn.ZeroPad2d((1, 2, 0, 3)), (3, 4, 5)),
        (nn.Upsample(scale_factor=2), (3, 4, 5)),
        *(
            (layer, (3, 4))
            for layer in (nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.GELU(), nn.SiLU(), nn.LeakyReLU())
        ),
        *(
            (layer, (3, 4))
            for layer in (nn.Hardswish(), nn.Hardtanh(), nn.Hardsigmoid(), nn.Identity(), nn.LogSoftmax(1))
        ),
    ],
    ids=str,
)
def test_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    check(nn.Sequential(layer), shape)


class Function(nn.Module):
    """A model whose forward is a function of x; fx traces into it."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.kernel = nn.Parameter(torch.randn(2, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


FUNCTIONS = {
    "view": lambda m, x: x.view(-1, 3, 4, 1),
    "view of size": lambda m, x: x.view(x.size(0), -1),
    "view of shape": lambda m, x: x.view(x.shape[0], x.shape[1] * x.shape[2]),
    "reshape tuple": lambda m, x: x.reshape((-1, 12)),
    "torch.reshape": lambda m, x: torch.reshape(x, (-1, 2, 6)),
    "bad view": lambda m, x: x.view(-1, 5),
    "flatten": lambda m, x: torch.flatten(x, 1),
    "method flatten": lambda m, x: x.flatten(start_dim=1),
    "permute": lambda m, x: x.permute(0, 2, 1),
    "permute list": lambda m, x: torch.permute(x, (2, 0, 1)),
    "transpose": lambda m, x: x.transpose(-1, 1),
    "unsqueeze": lambda m, x: x.unsqueeze(-1),
    "squeeze": lambda m, x: x.unsqueeze(1).squeeze(1),
    "squeeze all": lambda m, x: x.unsqueeze(1).unsqueeze(-1).squeeze(),
    "squeeze none": lambda m, x: x.squeeze(1),
    "add": lambda m, x: x + x,
    "broadcast": lambda m, x: x * x.mean(dim=2, keepdim=True),
    "bad broadcast": lambda m, x: x - x.transpose(1, 2),
    "number": lambda m, x: 1.0 - x / 2,
    "matmul": lambda m, x: x @ x.transpose(1, 2),
    "bad matmul": lambda m, x: torch.matmul(x, x),
    "vector matmul": lambda m, x: torch.matmul(x, x.mean((0, 1))),
    "bmm": lambda m, x: torch.bmm(x.transpose(1, 2), x),
    "cat": lambda m, x: torch.cat([x, x, x.transpose(1, 2).transpose(1, 2)], dim=-1),
    "bad cat": lambda m, x: torch.cat((x, x.transpose(1, 2)), 1),
    "stack": lambda m, x: torch.stack([x, x], dim=2),
    "mean": lambda m, x: x.mean((1, 2)),
    "mean of all": lambda m, x: torch.mean(x),
    "sum": lambda m, x: torch.sum(x, 1, keepdim=True),
    "linear": lambda m, x: F.linear(x, m.weight),
    "conv1d": lambda m, x: F.conv1d(x.transpose(1, 2), m.kernel, padding=1),
    "max_pool1d": lambda m, x: F.max_pool1d(x, 2),
    "avg_pool1d": lambda m, x: F.avg_pool1d(x, 2, stride=1, padding=1),
    "layer_norm": lambda m, x: F.layer_norm(x, (4,)),
    "relu method": lambda m, x: x.relu(),
    "softmax": lambda m, x: F.softmax(x, dim=-1),
    "softmax method": lambda m, x: x.softmax(1),
    "dropout": lambda m, x: F.dropout(x, 0.5, training=False),
    "index": lambda m, x: x[:, -1],
    "bad index": lambda m, x: x[:, 3],
    "slice": lambda m, x: x[:, 1:, ::2],
    "empty slice": lambda m, x: x[:, 2:1],
    "ellipsis": lambda m, x: x[..., 1:3],
    "new axes": lambda m, x: x[:, None, ..., 0, None],
    "slice of size": lambda m, x: x[:, x.shape[1] - 2 :],
    "select": lambda m, x: x.select(-1, 1),
    "narrow": lambda m, x: torch.narrow(x, 1, 1, 2),
    "bad narrow": lambda m, x: x.narrow(1, 1, 3),
    "split": lambda m, x: x.split(2, 1)[1],
    "split sizes": lambda m, x: torch.split(x, [1, 3], dim=2)[-1],
    "chunk": lambda m, x: torch.chunk(x, 3, dim=-1)[1],
    "bad chunk": lambda m, x: x.chunk(4, 2)[4],
    "pad": lambda m, x: F.pad(x, (1, 0, 2, 3)),
    "pad value": lambda m, x: F.pad(x, (0, 2), "constant", 0.5),
    "t of matrices": lambda m, x: x.mT,
    "t": lambda m, x: x[:, 0].t(),
    "interpolate": lambda m, x: F.interpolate(x, scale_factor=3),
    "interpolate size": lambda m, x: F.interpolate(x, size=5),
    "power": lambda m, x: x**2,
    "clamp": lambda m, x: x.clamp(min=0),
    "maximum": lambda m, x: torch.maximum(x, x.mean(1, keepdim=True)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_methods(name: str) -> None:
    check(Function(FUNCTIONS[name]), (3, 4))


def test_embedding() -> None:
    assert lowered_shape(nn.Sequential(nn.Embedding(11, 7)), (4,)) == [BATCH, 4, 7]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, x: x.view(3, 12), "number of rows is fixed; write -1"),
        (lambda m, x: x.view(-1, 4), "the rows would not stay the batch"),
        (lambda m, x: torch.flatten(x), "would multiply the batch"),
        (lambda m, x: torch.cat([x, x]), "cat along dimension 0 cannot join"),
        (lambda m, x: x.cumsum(1), r"node cumsum \(cumsum\) is not known to the core"),
        (lambda m, x: x[0], r"node getitem \(getitem\) takes one of the rows only"),
        (lambda m, x: x[:2], r"node getitem \(getitem\) takes some of the rows only"),
        (lambda m, x: x.narrow(0, 0, 1), r"node narrow \(narrow\) takes some of the rows only"),
        (lambda m, x: x[:, [0, 1]], "numbers, slices, None and ... are known to the core"),
        (lambda m, x: x[:, 0, 0, 0], "has more indices than 3 dimensions"),
        (lambda m, x: x**2.5, "the core knows the exponents -2, -1, -0.5, 0.5, 1, 2, 3; got 2.5"),
        (lambda m, x: 2**x, "exponent must be fixed, got a computed value"),
        (lambda m, x: torch.add(x, x, alpha=2), "alpha=2 is not known to the core"),
        (lambda m, x: torch.div(x, 2, rounding_mode="floor"), "rounding_mode=floor is not known to the core"),
        (lambda m, x: F.pad(x, (1, 1), mode="reflect"), "has the mode 'reflect'; the core knows constants"),
        (lambda m, x: F.interpolate(x, scale_factor=1.5), "scales by 1.5; the core knows whole numbers"),
        (lambda m, x: F.interpolate(x, scale_factor=2, mode="linear"), "has the mode 'linear'"),
        (lambda m, x: x * m.weight, "computes with the parameter weight"),
        (lambda m, x: F.linear(x, x), "weight must be a parameter of the model"),
        (lambda m, x: (x, x), "one output"),
        (lambda m, x: x.view(-1, x.shape[0] * 12), "cannot know before the batch"),
    ],
)
def test_what_the_core_cannot_write_is_named(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lower(MaseGraph(Function(function)), input_shapes=(3, 4))


def test_a_convolution_needs_the_shape_of_its_input() -> None:
    with pytest.raises(ValueError, match="pass an example of it, or input_shapes="):
        lower(MaseGraph(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))))


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_several_inputs_need_a_shape_each() -> None:
    graph = lower(MaseGraph(TwoInputs()), input_shapes={"x": (4,), "y": (1,)})
    assert graph.nodes[-1]["shape"] == [-1, 4]
    with pytest.raises(ValueError, match="no shape for the input y"):
        lower(MaseGraph(TwoInputs()), input_shapes={"x": (4,)})
    with pytest.raises(ValueError, match="the model has 2 inputs"):
        lower(MaseGraph(TwoInputs()), input_shapes=(4,))
