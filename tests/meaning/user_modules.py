"""Modules and functions as users write them, from which the models of these tests are built."""

from __future__ import annotations

from collections.abc import Sequence

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
