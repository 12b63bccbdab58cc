"""HGQ2, the peer that learns widths: a chain of its dense layers trained at one fixed price of a bit.

A width for each weight and each input feature; fractions are trained, integer bits follow what occurs (its mode WRAP,
as in arXiv:2405.00645), and they start a little wider than they end. Measured on jsc-synth, this gave 80.0 % at 24,000
EBOPs where its default (8 bits at the start, saturating weights) gave 78.3 % at 21,700.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from .counting import set_span

NEEDED = ("hgq", "keras", "jax")
SHIFT = 2.0**30  # makes whole numbers of weights: no fraction is longer
TRACED = 10_000  # rows in a step of the trace
RATE, LAST_RATE = 1e-2, 0.02  # Adam's, along a cosine to this part of it
MOST = 6  # points of a run
WEIGHT_FRACTION, FEATURE_FRACTION = 5, 4  # bits behind the point at the start


def missing() -> str | None:
    """Why the peer cannot run, None where it can.

    >>> missing() is None or "pip install" in missing()
    True
    """
    absent = [name for name in NEEDED if find_spec(name) is None]
    if not absent:
        return None
    return f"HGQ2 did not run: {', '.join(absent)} not installed (pip install hgq2==0.2.0 keras==3.15.1 jax==0.10.2)"


@cache
def trainer(sizes: tuple[int, ...], rows: int, batch: int, epochs: int) -> Trainer:
    """The one of this shape."""
    return Trainer(sizes, rows, batch, epochs)


def ready() -> None:
    """Choose JAX, on one thread; call it before anything imports Keras."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")


def build(sizes: Sequence[int]) -> Any:
    """An untrained chain of dense layers with ReLUs between them."""
    import keras
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QDense

    weights = QuantizerConfigScope(
        place="weight", default_q_type="kif", i0=0, f0=WEIGHT_FRACTION, overflow_mode="WRAP"
    )
    features = QuantizerConfigScope(place="datalane", i0=3, f0=FEATURE_FRACTION)
    with weights, features:
        layers = [QDense(size, activation="relu") for size in sizes[1:-1]] + [QDense(sizes[-1])]
    return keras.Sequential([keras.layers.Input((sizes[0],)), *layers])


def _front_keeper(first: int) -> Any:
    """A callback that keeps the weights of epochs which no other beats in validation accuracy and EBOPs."""
    import keras

    class FrontKeeper(keras.callbacks.Callback):
        kept: dict[int, tuple[float, float, list[np.ndarray]]]

        def on_train_begin(self, logs: Any = None) -> None:
            self.kept = {}

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch < first:
                return
            ebops = sum(float(layer.ebops) for layer in self.model.layers)
            accuracy = float(logs["val_accuracy"])
            if any(a >= accuracy and e <= ebops for a, e, _ in self.kept.values()):
                return
            beaten = [k for k, (a, e, _) in self.kept.items() if a <= accuracy and e >= ebops]
            for key in beaten:
                del self.kept[key]
            self.kept[epoch] = (accuracy, ebops, self.model.get_weights())

    return FrontKeeper()


class Trainer:
    """Networks of one shape, trained one after the other; what is compiled once serves all of them.

    Args:
        sizes: features, units of each layer.
        rows: of training. batch, epochs: of every training.
    """

    def __init__(self, sizes: tuple[int, ...], rows: int, batch: int, epochs: int) -> None:
        import keras

        self.sizes, self.batch, self.epochs = sizes, batch, epochs
        self.model = build(sizes)
        steps = epochs * math.ceil(rows / batch)
        rates = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=LAST_RATE)
        self.model.compile(
            optimizer=keras.optimizers.Adam(rates),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        some = min(rows, batch + rows % batch)  # a full batch and the last one: all that needs compiling
        self.model.fit(
            np.zeros((some, sizes[0]), np.float32), np.zeros(some, np.int32), batch_size=batch, verbose=0
        )

    def reset(self, beta: float, seed: int) -> None:
        """Everything as after a new start: weights of a seed, nothing known to the optimizer."""
        import keras

        keras.utils.set_random_seed(seed)
        self.model.set_weights(build(self.sizes).get_weights())
        for layer in self.model.layers:
            layer._beta.assign(beta)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def train(self, rows: Mapping[str, tuple[Any, Any]], beta: float, seed: int) -> dict[str, Any]:
        """Train at one price of a bit; return the points of the best epochs and CPU seconds.

        Args:
            rows: ``train``, ``val`` and ``test``, each with features [rows, features] and classes [rows].
            beta: price of one of HGQ2's own EBOPs in the loss.
            seed: of the weights and of the order of the rows.
        """
        arrays = {s: (np.asarray(x, np.float32), np.asarray(y, np.int32)) for s, (x, y) in rows.items()}
        self.reset(beta, seed)
        began = time.process_time()
        keeper = _front_keeper(self.epochs // 2)
        self.model.fit(
            *arrays["train"], batch_size=self.batch, epochs=self.epochs, validation_data=arrays["val"],
            validation_batch_size=TRACED, verbose=0, callbacks=[keeper],
        )  # fmt: skip
        trained = time.process_time()
        points = []
        for epoch, (_, _, weights) in sorted(keeper.kept.items())[-MOST:]:
            self.model.set_weights(weights)
            points.append({"epoch": epoch + 1, **measure(self.model, arrays)})
        measured = time.process_time() - trained
        return {"points": points, "cpu_seconds": trained - began, "measuring_seconds": measured}


def measure(model: Any, arrays: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Trace the ranges over the training rows; return EBOPs by both counts and the shares of right rows."""
    from hgq.utils import trace_minmax

    own = trace_minmax(model, arrays["train"][0], batch_size=TRACED)
    found: dict[str, Any] = {"ebops": ebops(model), "ebops_own": float(own)}
    for split in ("val", "test"):
        x, y = arrays[split]
        logits = np.concatenate([np.asarray(model(x[i : i + TRACED])) for i in range(0, len(x), TRACED)])
        found[split] = float((logits.argmax(1) == y).mean())
    return found


def layers_of(model: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each layer the bits of its input features without the sign [inputs], and its weights [inputs, outputs]."""
    found = []
    for layer in model.layers:
        kernel = np.asarray(layer.qkernel, np.float64)
        bits = np.asarray(layer.iq.bits_((1, kernel.shape[0])), np.float64)[0]
        found.append((bits, kernel))
    return found


def ebops(model: Any) -> float:
    """The count of :mod:`.counting`, of the numbers that a traced model really uses."""
    total = 0.0
    for bits, kernel in layers_of(model):
        codes = kernel * SHIFT
        assert (codes == np.rint(codes)).all()
        total += float((bits[:, None] * set_span(torch.from_numpy(codes).long()).numpy()).sum())
    return total
