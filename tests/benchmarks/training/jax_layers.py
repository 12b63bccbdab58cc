"""The layers of the benchmark's networks in JAX: channels last, weights by the names of their modules."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from torch import Tensor, nn

from tests.benchmarks.evaluator.images import Residual

MOMENTUM = 0.1

Weights = dict[str, tuple[Any, ...]]


def channels_last(x: Tensor) -> Any:
    """Return data as JAX gets it."""
    return jnp.asarray((x.permute(0, 2, 3, 1) if x.dim() == 4 else x).contiguous().numpy())


def weights_of(model: nn.Module) -> tuple[Weights, Weights]:
    """Return parameters and running statistics."""
    parameters: Weights = {}
    running: Weights = {}
    for name, layer in model.named_modules():
        tensors = [p.detach() for p in layer.parameters(recurse=False)]
        if isinstance(layer, nn.Conv2d):
            tensors = [t.permute(2, 3, 1, 0) if t.dim() == 4 else t for t in tensors]
        if tensors:
            parameters[name] = tuple(jnp.asarray(t.contiguous().numpy()) for t in tensors)
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            means: Any = (layer.running_mean, layer.running_var)
            running[name] = tuple(jnp.asarray(t.numpy()) for t in means)
    return parameters, running


class Forward:
    """One forward pass of a model in train mode; ``seen`` holds the new running statistics."""

    def __init__(self, parameters: Weights, running: Weights) -> None:
        self.parameters, self.running, self.seen = parameters, running, dict(running)

    def __call__(self, module: nn.Module, name: str, x: Any) -> Any:
        """Return what a module of that name gives."""
        if isinstance(module, nn.Sequential):
            for child, layer in module.named_children():
                x = self(layer, f"{name}.{child}".lstrip("."), x)
            return x
        if isinstance(module, Residual):
            inside = x
            for child in ("conv1", "bn1", "relu1", "conv2", "bn2"):
                inside = self(getattr(module, child), f"{name}.{child}", inside)
            return jax.nn.relu(inside + self(module.shortcut, f"{name}.shortcut", x))
        return self.layer(module, name, x)

    def layer(self, module: nn.Module, name: str, x: Any) -> Any:
        """Return what a layer without children gives."""
        weights = self.parameters.get(name, ())
        if isinstance(module, nn.Linear):
            return x @ weights[0].T + weights[1]
        if isinstance(module, nn.Conv2d):
            margins = [(int(p), int(p)) for p in module.padding]
            axes = ("NHWC", "HWIO", "NHWC")
            return jax.lax.conv_general_dilated(x, weights[0], module.stride, margins, dimension_numbers=axes)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            return self._norm(name, x)
        if isinstance(module, nn.ReLU):
            return jax.nn.relu(x)
        if isinstance(module, nn.AdaptiveAvgPool2d):
            return x.mean((1, 2))
        assert isinstance(module, nn.Flatten), module
        return x.reshape(len(x), -1)

    def _norm(self, name: str, x: Any) -> Any:
        axes = tuple(range(x.ndim - 1))
        mean, variance, count = x.mean(axes), x.var(axes), x.size // x.shape[-1]
        now = (mean, variance * (count / (count - 1)))
        self.seen[name] = tuple(
            (1 - MOMENTUM) * a + MOMENTUM * b for a, b in zip(self.running[name], now, strict=True)
        )
        scale, shift = self.parameters[name]
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift
