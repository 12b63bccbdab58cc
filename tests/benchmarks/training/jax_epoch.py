"""An epoch of Adam in JAX for a Sequential of batch norms, ReLUs and linear layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch import Tensor, nn

BETAS, EPS, MOMENTUM = (0.9, 0.999), 1e-8, 0.1


def weights_of(model: nn.Sequential) -> tuple[list[Any], list[Any]]:
    """Return parameters and running statistics, one entry a layer."""
    array = lambda tensor: jnp.asarray(tensor.detach().numpy())  # noqa: E731
    parameters, running = [], []
    for layer in model:
        has_weights = isinstance(layer, (nn.Linear, nn.BatchNorm1d))
        parameters.append((array(layer.weight), array(layer.bias)) if has_weights else ())
        norm = isinstance(layer, nn.BatchNorm1d)
        running.append((array(layer.running_mean), array(layer.running_var)) if norm else ())
    return parameters, running


def loss_of(
    kinds: list[type], parameters: list[Any], running: list[Any], x: Any, y: Any
) -> tuple[Any, list[Any]]:
    """Return the cross-entropy of a batch and the new running statistics."""
    seen = []
    for kind, weights, before in zip(kinds, parameters, running, strict=True):
        after = before
        if kind is nn.Linear:
            x = x @ weights[0].T + weights[1]
        elif kind is nn.ReLU:
            x = jax.nn.relu(x)
        else:
            mean, variance = x.mean(0), x.var(0)
            x = (x - mean) * jax.lax.rsqrt(variance + 1e-5) * weights[0] + weights[1]
            unbiased = variance * (len(y) / (len(y) - 1))
            after = tuple(
                (1 - MOMENTUM) * a + MOMENTUM * b for a, b in zip(before, (mean, unbiased), strict=True)
            )
        seen.append(after)
    losses = jax.nn.logsumexp(x, axis=1) - jnp.take_along_axis(x, y[:, None], 1)[:, 0]
    return losses.mean(), seen


def compile_epoch(
    model: nn.Sequential, x: Tensor, y: Tensor, order: Tensor, batch: int, rate: float
) -> Callable[[], float]:
    """Return a function that trains one epoch and goes on from there at the next call."""
    kinds = [type(layer) for layer in model]
    data, labels = jnp.asarray(x.numpy()), jnp.asarray(y.int().numpy())
    places = jnp.asarray(order.int().numpy()).reshape(-1, batch)

    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        parameters, running, first, second, count = state
        gradient_of = jax.value_and_grad(
            lambda p: loss_of(kinds, p, running, data[rows], labels[rows]), has_aux=True
        )
        (loss, running), gradients = gradient_of(parameters)
        count = count + 1
        each = jax.tree_util.tree_map
        first = each(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, first, gradients)
        second = each(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, second, gradients)
        size, root = rate / (1 - BETAS[0] ** count), jnp.sqrt(1 - BETAS[1] ** count)
        update = lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + EPS)  # noqa: E731
        return (each(update, parameters, first, second), running, first, second, count), loss

    epoch = jax.jit(lambda state: jax.lax.scan(step, state, places))
    parameters, running = weights_of(model)
    zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)
    state = [(parameters, running, zeros, zeros, jnp.float32(0))]
    compiled = epoch.lower(state[0]).compile()

    def run() -> float:
        state[0], losses = compiled(state[0])
        return float(losses.mean())

    return run
