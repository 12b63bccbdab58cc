"""The trainer of the core: forward, backward and optimizer in C++, data and weights resident there."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from chop import _core
from chop.ir.graph.lowering_call import plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.tools.tensors import Array, as_tensor
from chop.training.native_scores import Epoch, NonFiniteLossError, Scores
from chop.training.native_state import OptimizerOptions, TrainerState
from chop.training.native_targets import TrainingTargets
from chop.training.trained_widths import TrainedWidths

__all__ = ["Epoch", "NativeTrainer", "NonFiniteLossError", "Scores"]


class NativeTrainer:
    """Trains a classifier in the core, by the formulas of torch: cross-entropy (mean), backward, optimizer.

    Weights, running statistics and data are copied, so the model stays as it is until :meth:`write_back`. The model is
    trained as in ``model.train()``. The result depends on neither ``threads`` nor what other trainers do meanwhile;
    several of them may run in different Python threads, the GIL is released while they work.

    It trains linear layers, convolutions and pools of one and two dimensions, batch, layer and group norms,
    activations, sums, differences and products of equal shapes, means and sums over the last dimensions. Quantized
    layers (``LinearInteger``, ``Conv2dInteger``, ``ReLUInteger``) and functions (``add_integer``) are trained with
    fake-quantized operands.

    Args:
        model: a module, or a :class:`MaseGraph`.
        x: inputs, floating point, shape [rows, features] (or [rows, ...], taken as they lie in memory).
        y: class indices, integers, shape [rows].
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        betas, eps: of Adam and AdamW.
        momentum, nesterov: of SGD.
        weight_decay: added to the gradient by Adam and SGD, decoupled in AdamW.
        gradient_clip_val: largest norm of all gradients together, or largest absolute value of one; None: no limit.
        gradient_clip_algorithm: ``norm`` or ``value``.
        straight_through: gradient of fake quantization: ``plain`` is the identity (as in the quantized modules),
            ``clipped`` is zero where the rounded code lies outside the format's range.
        learned_widths: operand of all quantized linear layers (``weight`` and ``data_in``) -> who shares a width that
            is trained with the weights: ``tensor``, ``channel`` (of a weight) or ``element`` (a weight, a feature).
            None: widths stay. See :class:`chop.training.TrainedWidths`.
        targets: probabilities that are the target of the loss instead of ``y``, shape [rows, classes]; None: ``y`` is.
        dtype: ``float32``, or ``float64`` for checks.
        threads: threads of this trainer's own pool; small batches stay on one.

    Raises:
        ValueError: the core cannot train this model (:meth:`why_not` says so), or data or options do not fit.

    >>> import torch
    >>> from torch import nn
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch._C.Generator object at ...>
    >>> model = nn.Sequential(nn.Linear(2, 2))
    >>> x = torch.randn(64, 2)
    >>> trainer = NativeTrainer(model, x, (x[:, 0] > x[:, 1]).long(), optimizer="sgd")
    >>> before = trainer.evaluate(x, (x[:, 0] > x[:, 1]).long()).loss
    >>> epoch = trainer.epoch(16, learning_rate=0.5)
    >>> epoch.steps, epoch.rows, epoch.loss < before
    (4, 64, True)
    >>> trainer.write_back(model)
    """

    def __init__(
        self,
        model: nn.Module | MaseGraph,
        x: Array,
        y: Array,
        *,
        optimizer: str = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str = "norm",
        straight_through: str = "plain",
        learned_widths: Mapping[str, str] | None = None,
        targets: Array | None = None,
        dtype: str = "float32",
        threads: int = 1,
    ) -> None:
        options = OptimizerOptions(optimizer, betas, eps, momentum, nesterov, weight_decay)
        self._dtype = _dtype(dtype)
        x, y = _check_data(x, y)
        self._targets = TrainingTargets(model, x.shape[1:], straight_through, learned_widths)
        self._core = _core.Trainer(
            self._targets.lowered,
            self._targets.specification,
            options.core(gradient_clip_val, gradient_clip_algorithm),
            dtype,
            threads,
        )
        self._core.set_data(plain_tensor(x, self._dtype, "training: x"), plain_tensor(y, torch.int64))
        if targets is not None:
            self.set_targets(targets)
        self.widths = TrainedWidths(self._core, self._targets.learned, learned_widths or {}, self._dtype)
        self._state = TrainerState(self._core, self._targets, options, self._dtype)

    @staticmethod
    def why_not(model: nn.Module | MaseGraph, input_shape: Sequence[int] | None = None) -> str | None:
        """Return one sentence that names the node the core cannot train, or None if it can train the model.

        Args:
            model: a module, or a :class:`MaseGraph`.
            input_shape: shape of one row of the input; None: known from the first layer.

        >>> from torch import nn
        >>> NativeTrainer.why_not(nn.Sequential(nn.Linear(4, 2), nn.ReLU())) is None
        True
        >>> NativeTrainer.why_not(nn.Sequential(nn.Linear(4, 2), nn.Softmax(1)))
        'training: node _1 (softmax) has no gradient in the core'
        """
        try:
            _core.check_trainable(*TrainingTargets(model, input_shape, "plain").checked())
        except ValueError as error:
            return str(error)
        return None

    @property
    def rows(self) -> int:
        """Rows of data."""
        return self._core.rows

    def epoch(
        self,
        batch_size: int,
        learning_rate: float | Sequence[float],
        order: Array | None = None,
        accumulate: int = 1,
        first_row: int = 0,
        max_steps: int | None = None,
    ) -> Epoch:
        """Train on batches of rows taken in an order; the last batch may be shorter.

        Signals are looked at every 50 ms, so Ctrl-C raises ``KeyboardInterrupt`` out of it between two batches.

        Args:
            batch_size: rows of a batch, 1 or more.
            learning_rate: of this call, or of each update of the weights that it makes.
            order: numbers of the rows, int64, any number of them; None: all rows as they come.
            accumulate: batches whose gradients are averaged for one update of the weights; the last update of the
                order may have fewer.
            first_row: place in ``order`` to begin at.
            max_steps: batches to train at most; None: to the end.

        Raises:
            NonFiniteLossError: the loss of a batch is NaN or infinite.
            ValueError: an argument out of range, or a batch of one row for batch norm.
            RuntimeError: another call of this trainer is at work; only :meth:`stop` and ``progress`` go beside it.
        """
        if order is not None:
            order = plain_tensor(as_tensor(order, "training: order"), torch.int64)
        steps = -1 if max_steps is None else max_steps
        rate, rates = _rates(learning_rate)
        self._state.learning_rate = rate
        found = self._core.epoch(batch_size, rate, order, accumulate, first_row, steps, rates)
        if found["failed"]:
            raise NonFiniteLossError(found["steps"], found["bad_loss"])
        return Epoch(
            loss=found["loss"],
            confusion=self._confusion(found["confusion"]),
            rows=found["rows"],
            losses=_doubles(found["losses"]),
            steps=found["steps"],
            next_row=found["next_row"],
            stopped=found["stopped"],
        )

    def set_targets(self, targets: Array) -> None:
        """Take other probabilities as the target of the loss, shape [rows, classes]."""
        self._core.set_targets(plain_tensor(as_tensor(targets, "training: targets"), self._dtype))

    def stop(self) -> None:
        """End the running :meth:`epoch`, called in another thread or a signal handler, after its current batch."""
        self._core.stop()

    @property
    def progress(self) -> tuple[int, float]:
        """Batches and mean batch loss so far of the running (or last) :meth:`epoch`; may be read in any thread."""
        steps, losses = self._core.progress()
        return steps, losses / max(steps, 1)

    def evaluate(self, x: Array, y: Array) -> Scores:
        """Return the scores on other rows, as in ``model.eval()``; shapes as in the constructor."""
        x, y = _check_data(x, y)
        found = self._core.evaluate(plain_tensor(x, self._dtype, "training: x"), plain_tensor(y, torch.int64))
        return Scores(found["loss"], self._confusion(found["confusion"]), found["rows"])

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the last batch, before clipping and weight decay, under the parameters' names."""
        return self._state.gradients()

    def state_dict(self, exact: bool = False) -> dict[str, Tensor]:
        """Return copies of weights and buffers under the names of the model's own ``state_dict``.

        Args:
            exact: weights and running statistics in the trainer's dtype, not the model's, so that nothing is rounded.
        """
        return self._state.model(exact)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take weights and buffers; names and shapes must be those of :meth:`state_dict`."""
        self._state.load_model(state)

    def optimizer_state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state in the layout of the same optimizer of ``torch.optim``."""
        return self._state.optimizer()

    def load_optimizer_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take an optimizer's state, from here or from ``torch.optim``; options of the groups are not taken."""
        self._state.load_optimizer(state)

    def snapshot(self) -> dict[str, Tensor]:
        """Return copies of all that the next epochs depend on beside their arguments: states of weights and widths.

        The prices of :meth:`TrainedWidths.learn` are arguments and not part of it.
        """
        return self._state.snapshot()

    def restore(self, snapshot: Mapping[str, Tensor]) -> None:
        """Go back to a :meth:`snapshot`, of this trainer or of one like it."""
        self._state.restore(snapshot)

    def write_back(self, model: nn.Module) -> None:
        """Copy weights and buffers into a model with the same names; second names of a tensor need not be known."""
        state, first = self.state_dict(), dict[int, str]()
        names = model.state_dict(keep_vars=True)
        for name, tensor in names.items():
            if name in state:
                first.setdefault(id(tensor), name)
        again = {
            name: state[first[id(t)]] for name, t in names.items() if name not in state and id(t) in first
        }
        model.load_state_dict(state | again)

    def _confusion(self, counts: Sequence[int]) -> Tensor:
        classes = self._core.classes
        return torch.frombuffer(array("q", counts), dtype=torch.int64).reshape(classes, classes)


def _doubles(memory: bytearray) -> Tensor:
    return torch.frombuffer(memory, dtype=torch.float64) if memory else torch.empty(0, dtype=torch.float64)


def _rates(given: float | Sequence[float]) -> tuple[float, list[float]]:
    if not isinstance(given, Sequence):
        return given, []
    if not given:
        raise ValueError("training: learning_rate holds no rate")
    return given[-1], list(given)


def _dtype(name: str) -> torch.dtype:
    if name not in ("float32", "float64"):
        raise ValueError(f"training: dtype must be float32 or float64, got {name!r}")
    return torch.float32 if name == "float32" else torch.float64


def _check_data(x: Array, y: Array) -> tuple[Tensor, Tensor]:
    x, y = as_tensor(x, "training: x"), as_tensor(y, "training: y")
    if x.dim() < 2 or not x.is_floating_point():
        raise ValueError(f"training: x must hold floats, shape [rows, ...], got {x.dtype} {list(x.shape)}")
    if y.is_floating_point() or y.dim() != 1 or len(y) != len(x):
        raise ValueError(f"training: y must hold {len(x)} class indices, got {y.dtype} {list(y.shape)}")
    return x, y
