"""Layers and functions at random, with inputs: what cost models and counters that run the model are compared on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Case = tuple[nn.Module, tuple[Tensor, ...]]


class Call(nn.Module):
    """A function as a model."""

    def __init__(self, function: Callable[..., Any], **parameters: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value))

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class CallOfThree(Call):
    """A function of three tensors as a model."""

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Any:
        return self.function(self, x, y, z)


class First(nn.Module):
    """The first of a layer's results."""

    def __init__(self, layer: nn.Module, **options: Any) -> None:
        super().__init__()
        self.layer, self.options = layer, options

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, **self.options)[0]


class FirstOfThree(First):
    """The same of a layer with three inputs."""

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return self.layer(x, y, z, **self.options)[0]


def convolution(r: random.Random, spatial: int, transposed: bool = False) -> Case:
    groups = r.choice([1, 1, 2, 3])
    inputs, outputs = groups * r.randint(1, 3), groups * r.randint(1, 3)
    options: dict[str, Any] = {"groups": groups, "bias": r.random() < 0.5, "dilation": r.randint(1, 2)}
    kernel = tuple(r.randint(1, 3) for _ in range(spatial))
    sizes = tuple(r.randint(6, 9) for _ in range(spatial))
    if transposed:
        kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[spatial - 1]
        options |= {"stride": 2, "output_padding": r.randint(0, 1), "padding": r.randint(0, 1), "dilation": 1}
    else:
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[spatial - 1]
        same = r.random() < 0.2
        options |= {"padding": "same" if same else r.randint(0, 2), "stride": 1 if same else r.randint(1, 3)}
        options["padding_mode"] = r.choice(["zeros", "zeros", "circular"])
    layer = kind(inputs, outputs, kernel, **options)
    return nn.Sequential(layer), (torch.empty(r.randint(1, 3), inputs, *sizes),)


def depthwise(r: random.Random) -> Case:
    channels = r.randint(2, 6)
    layer = nn.Conv2d(channels, channels * r.randint(1, 2), 3, padding=(0, 2), groups=channels)
    return nn.Sequential(layer), (torch.empty(2, channels, 7, 5),)


def recurrent(r: random.Random) -> Case:
    kind = r.choice([nn.LSTM, nn.GRU, nn.RNN])
    hidden = r.randint(2, 5)
    options = {"num_layers": r.randint(1, 3), "bidirectional": r.random() < 0.5, "bias": r.random() < 0.5}
    if kind is nn.LSTM and r.random() < 0.5:
        options["proj_size"] = r.randint(1, hidden - 1)
    layer = kind(width := r.randint(1, 5), hidden, batch_first=r.random() < 0.5, **options)
    shape = (r.randint(1, 4), width) if r.random() < 0.2 else (r.randint(1, 4), r.randint(1, 4), width)
    return First(layer), (torch.empty(shape),)


def multihead(r: random.Random) -> Case:
    heads, width = r.choice([(1, 4), (2, 4), (3, 6)])
    self_attention = r.random() < 0.5
    key, value = (width, width) if self_attention else (r.randint(2, 5), r.randint(2, 5))
    layer = nn.MultiheadAttention(
        width,
        heads,
        bias=r.random() < 0.5,
        kdim=key,
        vdim=value,
        batch_first=r.random() < 0.5,
        add_bias_kv=r.random() < 0.3,
        add_zero_attn=r.random() < 0.3,
    )
    model = FirstOfThree(layer, need_weights=r.random() < 0.5)
    sizes = [(3, 3), (3, 3), (3, 3)] if self_attention or r.random() < 0.5 else None
    if sizes is None:
        sizes = [(2, 4), (2, 5), (2, 5)] if layer.batch_first else [(4, 2), (5, 2), (5, 2)]
    return model, tuple(torch.empty(*s, w) for s, w in zip(sizes, (width, key, value), strict=True))


def encoder(r: random.Random) -> Case:
    layer = nn.TransformerEncoderLayer(
        4, 2, 8, batch_first=r.random() < 0.5, norm_first=r.random() < 0.5, bias=r.random() < 0.5
    )
    return nn.Sequential(layer), (torch.empty(2, r.randint(1, 4), 4),)


def attention(r: random.Random) -> Case:
    batch, heads, rows, keys, width = (r.randint(1, 4) for _ in range(5))
    causal = r.random() < 0.5
    model = CallOfThree(lambda m, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal))
    return model, tuple(torch.empty(batch, heads, n, width) for n in (rows, keys, keys))


def linear(r: random.Random) -> Case:
    shape = [r.randint(1, 4) for _ in range(r.randint(2, 4))]
    return nn.Sequential(nn.Linear(shape[-1], r.randint(1, 6), bias=r.random() < 0.5)), (torch.empty(shape),)


PRODUCTS: list[tuple[Callable[[Any, Tensor], Any], tuple[int, ...]]] = [
    (lambda m, x: x @ x.transpose(1, 2), (3, 4, 5)),
    (lambda m, x: torch.bmm(x, x.transpose(1, 2)), (3, 4, 5)),
    (lambda m, x: torch.einsum("bij,bkj->bik", x, x), (2, 3, 4)),
    (lambda m, x: torch.einsum("bij,jk->bik", x, m.w), (2, 3, 4)),
    (lambda m, x: torch.matmul(x, m.w), (2, 3, 4)),
    (lambda m, x: torch.matmul(other=m.w, input=x), (2, 3, 4)),
    (lambda m, x: torch.tensordot(x, m.w, dims=1), (2, 3, 4)),
    (lambda m, x: torch.addmm(m.w[0], x, m.w), (6, 4)),
    (lambda m, x: torch.mm(x, m.w), (6, 4)),
    (lambda m, x: F.linear(x, m.w, m.w[0]), (6, 4)),
    (lambda m, x: F.linear(x.t().t(), m.w) ** 2, (6, 4)),
    (lambda m, x: F.conv1d(x, m.w[:, :, None], stride=2), (2, 4, 9)),
    (lambda m, x: torch.baddbmm(x, x, m.w.expand(2, 4, 4)), (2, 4, 4)),
    (lambda m, x: torch.softmax(x @ m.w, -1).clamp(0, 0.5), (6, 4)),
    (lambda m, x: x[:, 1:, ::2] @ m.w[:2], (2, 5, 4)),
    (lambda m, x: torch.cat([x.split(2)[0] @ m.w, x.split(2)[2]]), (6, 4)),
    (lambda m, x: torch.cat([x @ m.w, x.chunk(2, 0)[0]]), (6, 4)),
]


def product(r: random.Random) -> Case:
    function, shape = r.choice(PRODUCTS)
    return Call(function, w=torch.zeros(4, 4)), (torch.empty(shape),)


KINDS: tuple[Callable[[random.Random], Case], ...] = (
    linear,
    *(lambda r, n=n: convolution(r, n) for n in (1, 2, 3)),
    *(lambda r, n=n: convolution(r, n, True) for n in (1, 2, 3)),
    depthwise,
    recurrent,
    multihead,
    encoder,
    attention,
    product,
)
