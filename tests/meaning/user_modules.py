"""Modules and functions as users write them, from which the models of these tests are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def helper(x: Tensor, scale: float = 1.0) -> Tensor:
    """A function of the user's own, traced into."""
    return x * scale + x.abs().sqrt()


class Residual(nn.Module):
    """Adds a module's output to its input."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class PreNorm(nn.Module):
    """A norm in front of a residual part."""

    def __init__(self, size: int, inner: nn.Module) -> None:
        super().__init__()
        self.norm, self.inner, self.drop = nn.LayerNorm(size), inner, nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        x = self.drop(self.inner(self.norm(x)))
        x += shortcut
        return x


class Gated(nn.Module):
    """One linear layer whose halves are split and multiplied."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(size, 2 * hidden), nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.up(x).chunk(2, dim=-1)
        return self.down(value * F.silu(gate))


class Branches(nn.Module):
    """Parallel modules, their outputs side by side."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=-1)


class ByName(nn.Module):
    """Modules by name, called in a given order."""

    def __init__(self, parts: dict[str, nn.Module], order: Sequence[str]) -> None:
        super().__init__()
        self.parts, self.order = nn.ModuleDict(parts), order

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            x = self.parts[name](x)
        return x


class OwnLinear(nn.Module):
    """A linear layer by hand."""

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, out) * 0.5)
        self.register_buffer("shift", torch.linspace(-1.0, 1.0, out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.shift


class Scaled(nn.Linear):
    """A layer of torch's whose forward is another."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight * 0.5, self.bias) + 1


class Doubled(nn.Linear):
    """The same, given to a layer that is there already."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


class WithProperty(nn.Module):
    """Reads a weight through a property."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.randn(size))

    @property
    def scale(self) -> Tensor:
        return F.softplus(self.raw)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Counting(nn.Module):
    """Counts its calls in a buffer, and its output depends on the count."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.linear(x) * self.calls


class Halved(nn.Module):
    """A parametrization."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.5


class NoGrad(nn.Module):
    """Runs a module without gradients, by a decorator."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Optional(nn.Module):
    """Has optional arguments."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x: Tensor, mask: Tensor | None = None, scale: float = 1.5) -> Tensor:
        x = self.linear(x) * scale
        if mask is not None:
            x = x * mask
        return x


class Heads(nn.Module):
    """Attention with several heads by hand, as tutorials have it."""

    def __init__(self, size: int, heads: int, causal: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(size, 3 * size, bias=bias), nn.Linear(size, size)
        self.drop = nn.Dropout(0.1)
        self.register_buffer("mask", torch.full((32, 32), float("-inf")).triu(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, steps, size = x.shape
        wide = self.qkv(x).reshape(rows, steps, 3, self.heads, size // self.heads)
        q, k, v = wide.permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * (size // self.heads) ** -0.5
        if self.causal:
            scores = scores + self.mask[:steps, :steps]
        mixed = self.drop(scores.softmax(dim=-1)) @ v
        return self.out(mixed.transpose(1, 2).contiguous().view(rows, steps, size))


class DropPath(nn.Module):
    """Adds a part, and leaves it out by chance while it trains."""

    def __init__(self, chance: float, inner: nn.Module) -> None:
        super().__init__()
        self.chance, self.inner = chance, inner

    def forward(self, x: Tensor) -> Tensor:
        made = self.inner(x)
        if self.chance > 0.0 and self.training:
            keep = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) >= self.chance
            made = made * keep / (1 - self.chance)
        return x + made


class Named(NamedTuple):
    """Two results by name."""

    main: Tensor
    extra: Tensor


@dataclass
class Data:
    """The same as a data class."""

    main: Tensor
    extra: Tensor


class WithExtra(nn.Module):
    """Gives two tensors, in one of Python's ways."""

    def __init__(self, size: int, kind: str = "tuple") -> None:
        super().__init__()
        self.main, self.extra, self.kind = nn.Linear(size, size), nn.Linear(size, size), kind

    def forward(self, x: Tensor) -> Any:
        main = self.main(x)
        extra = self.extra(main.relu())
        if self.kind == "dict":
            return {"main": main, "extra": extra}
        if self.kind in ("named", "data"):
            return Named(main, extra) if self.kind == "named" else Data(main=main, extra=extra)
        return [main, extra] if self.kind == "list" else (main, extra)
