"""One operation at a time: in torch, and by the core's float operation on the lowered graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from chop import MaseGraph, _core, lower

SPECIAL = (
    0.0,
    -0.0,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e-40,
    -1e-40,
    3.4e38,
    -3.4e38,
    1e-30,
    6.0,
    -3.0,
)


class Function(nn.Module):
    """A function of one or two tensors; fx traces into it."""

    def __init__(self, function: Callable[..., Tensor], weight: Tensor | None = None) -> None:
        super().__init__()
        self.function = function
        if weight is not None:
            self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Pair(Function):
    """A function of two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.function(x, y)


def numbers(*shape: int, seed: int = 0, special: bool = False, scale: float = 4.0) -> Tensor:
    """Random floats, a fifth of them special if asked."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator) * scale
    if special:
        chosen = torch.randint(0, 5 * len(SPECIAL), shape, generator=generator)
        for i, value in enumerate(SPECIAL):
            x[chosen == i] = value
    return x


def module(make: nn.Module | Callable[..., Tensor], inputs: int = 1) -> nn.Module:
    """A module as it is, a function as one."""
    if isinstance(make, Function):
        return make
    if isinstance(make, nn.Module):
        return nn.Sequential(make).eval()
    return (Function if inputs == 1 else Pair)(make)


def core_output(model: nn.Module, *inputs: Tensor) -> Tensor:
    """What the core makes of the nodes of ``model`` one after the other."""
    names = ("x", "y") if len(inputs) > 1 else ("input",)
    shapes: Any = {n: tuple(t.shape[1:]) for n, t in zip(names, inputs, strict=True)}
    graph = lower(MaseGraph(model), input_shapes=shapes if len(inputs) > 1 else tuple(inputs[0].shape[1:]))
    values: dict[str, Tensor] = {}
    given = iter(inputs)
    for node in graph.nodes:
        if node["op"] == "input":
            values[node["name"]] = next(given).contiguous()
            continue
        if node["op"] == "identity":
            values[node["name"]] = values[node["inputs"][0]]
            continue
        rows = len(inputs[0])
        output = torch.full([rows if size == -1 else size for size in node["shape"]], 77.0)
        _core.run_float_op(graph, node["name"], [values[name] for name in node["inputs"]], output)
        values[node["name"]] = output
    return values[graph.output]


def different_bits(a: Tensor, b: Tensor) -> Tensor:
    """Where two float32 tensors differ in a bit; any NaN equals any other."""
    same = (a.contiguous().view(torch.int32) == b.contiguous().view(torch.int32)) | (a.isnan() & b.isnan())
    return ~same


def exact(model: nn.Module, *inputs: Tensor) -> Tensor:
    """What the model gives in float64; it stays there."""
    with torch.no_grad():
        return model.double()(*[x.double() for x in inputs])


def ulps(got: Tensor, exact: Tensor) -> Tensor:
    """Distance of float32 ``got`` from the float nearest to the float64 ``exact``, in steps between floats."""

    def position(x: Tensor) -> Tensor:
        bits = x.contiguous().view(torch.int32).to(torch.int64)
        return torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    nearest = exact.to(torch.float32)
    distance = (position(got) - position(nearest)).abs()
    return torch.where(got.isnan() & nearest.isnan(), 0, distance)
