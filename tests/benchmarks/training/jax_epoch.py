"""An epoch of Adam in JAX, compiled as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch import Tensor, nn

from .jax_layers import Forward, Weights, channels_last, weights_of

BETAS, EPS = (0.9, 0.999), 1e-8


def loss_of(model: nn.Module, parameters: Weights, running: Weights, x: Any, y: Any) -> tuple[Any, Weights]:
    """Return the cross-entropy of a batch and the new running statistics."""
    forward = Forward(parameters, running)
    x = forward(model, "", x)
    losses = jax.nn.logsumexp(x, axis=1) - jnp.take_along_axis(x, y[:, None], 1)[:, 0]
    return losses.mean(), forward.seen


def compile_epoch(
    model: nn.Sequential, x: Tensor, y: Tensor, order: Tensor, batch: int, rate: float
) -> Callable[[], float]:
    """Return a function that trains one epoch and goes on from there at the next call."""
    data, labels = channels_last(x), jnp.asarray(y.int().numpy())
    places = jnp.asarray(order.int().numpy()).reshape(-1, batch)

    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        parameters, running, first, second, count = state
        gradient_of = jax.value_and_grad(
            lambda p: loss_of(model, p, running, data[rows], labels[rows]), has_aux=True
        )
        (loss, running), gradients = gradient_of(parameters)
        count = count + 1
        each = jax.tree_util.tree_map
        first = each(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, first, gradients)
        second = each(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, second, gradients)
        size, root = rate / (1 - BETAS[0] ** count), jnp.sqrt(1 - BETAS[1] ** count)
        update = lambda p, m, v: p - size * m / (jnp.sqrt(v) / root + EPS)  # noqa: E731
        return (each(update, parameters, first, second), running, first, second, count), loss

    parameters, running = weights_of(model)
    zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)
    state = [(parameters, running, zeros, zeros, jnp.float32(0))]
    if (
        x.dim() == 4
    ):  # XLA's convolutions within a loop are many times slower than alone, so each step is a call
        single = jax.jit(step).lower(state[0], places[0]).compile()

        def steps() -> float:
            total = jnp.float32(0)
            for rows in places:
                state[0], loss = single(state[0], rows)
                total = total + loss
            return float(total) / len(places)

        return steps
    compiled = jax.jit(lambda state: jax.lax.scan(step, state, places)).lower(state[0]).compile()

    def run() -> float:
        state[0], losses = compiled(state[0])
        return float(losses.mean())

    return run
