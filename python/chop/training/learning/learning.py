"""One run that learns widths: stages of epochs, whose checkpoints make a front."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from chop.tools.errors import ConfigError
from chop.training.learning.checkpoint_front import Checkpoint, CheckpointFront
from chop.training.learning.layer_formats import LayerFormats
from chop.training.learning.layers import LearnedLayers
from chop.training.learning.pricing import Price, Stage
from chop.training.learning.recipe import WidthRecipe
from chop.training.learning.starting import FloatModel
from chop.training.native import NativeTrainer, NonFiniteLossError
from chop.training.order import epoch_order
from chop.training.scores import macro_accuracy

Rows = tuple[Tensor, Tensor]
_EVERY = 24  # steps between two looks at the cost
_EXACT = 2.0**24  # sums below it are exact in float32, in any order
_KEPT = ("parameters", "running", "widths", "counts")


@dataclasses.dataclass
class Position:
    """Where a run stands: what it needs beside the trainer's snapshot, in JSON's types.

    Attributes:
        stage, epoch: the next one to run.
        begin: the cost at the stage's beginning.
        price: of the last step.
        ratio: the cost over the trainer's own estimate of it, at the end of the last epoch.
        frozen: whether widths stay.
        history: one row for each epoch that has ended.
    """

    stage: int = 0
    epoch: int = 0
    begin: float = 0.0
    price: float = 0.0
    ratio: float = 1.0
    frozen: bool = False
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)


class Learning:
    """Learns widths of one model through stages; each begins with the best checkpoint of the stage before.

    Args:
        layers: the model.
        train, checked: rows to learn from, and those that accuracies are of.
        stages: one after the other.
        count: the cost model that costs are of.
        recipe: how.
        halt: set by another thread to end the run with KeyboardInterrupt.

    Raises:
        ConfigError: the core cannot train this model, or the float model is not trained.
    """

    def __init__(
        self,
        layers: LearnedLayers,
        train: Rows,
        checked: Rows,
        stages: Sequence[Stage],
        count: str,
        recipe: WidthRecipe,
        halt: threading.Event | None = None,
    ) -> None:
        self.layers, self.stages, self.count, self.recipe = layers, stages, count, recipe
        self.front = CheckpointFront()
        self.position = Position()
        self.rows = train, checked
        self._checked, self._halt = checked, halt
        self._rows = len(train[1])
        bounds = [stage.target.most for stage in stages if stage.target]
        self._shares = recipe.shares(bounds) if bounds else [recipe.distill] * len(stages)
        self._taught: Tensor | None = None  # the float model's probabilities
        self._steps = -(-self._rows // recipe.batch_size)  # of an epoch
        self.epochs = recipe.epochs_of(bounds) if bounds else [recipe.epochs] * len(stages)
        self._rates = list[float]()  # of all steps of a stage
        try:
            self.trainer = self._trainer(train)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._bias_fracs = {node: layers.bias_frac_width(node) for node in layers.tables}

    def _trainer(self, train: Rows) -> NativeTrainer:
        x, y = train
        found = FloatModel.measure(self.layers.model, self.layers.names, x)
        if any(self._shares):
            _refuse_untrained(found.probabilities, y)
            self._taught = found.probabilities
        made = NativeTrainer(
            self.layers.graph(),
            x,
            y,
            straight_through="clipped",
            learned_widths={"weight": self.recipe.weight, "data_in": self.recipe.data_in},
            targets=self._targets(y, self._shares[0]),
        )
        made.widths.write(self.layers.start(made.widths.read(), self.recipe.start_bits, found))
        return made

    def _targets(self, y: Tensor, share: float) -> Tensor | None:
        """What the loss compares with, where so much of it is the float model's; None: the labels."""
        if self._taught is None:
            return None
        return share * self._taught + (1 - share) * F.one_hot(y.long(), self._taught.shape[1])

    def run(self, tell: Callable[[Learning], None] | None = None) -> CheckpointFront:
        """Run all stages from the position on.

        Args:
            tell: called after each epoch.
        """
        while self.position.stage < len(self.stages):
            at, stage = self.position, self.stages[self.position.stage]
            if at.epoch == 0:
                self._begin()
            if (targets := self._targets(self.rows[0][1], self._shares[at.stage])) is not None:
                self.trainer.set_targets(targets)
            self._rates = self._rates_of(self._steps * self.epochs[at.stage])
            price = Price(stage, at.begin, self.recipe.reach, self.recipe.aim)
            price.value = at.price or price.value
            while at.epoch < self.epochs[at.stage]:
                loss = self._epoch(price)
                self._check(loss)
                at.epoch += 1
                if at.epoch == self.epochs[at.stage]:
                    break
                if tell:
                    tell(self)
            at.stage, at.epoch, at.price, at.frozen = at.stage + 1, 0, 0.0, False
            if tell:
                tell(self)
        return self.front

    def _begin(self) -> None:
        """Go back to the best checkpoint that the stage before left, with an optimizer that knows nothing."""
        state = self.trainer.snapshot()
        target = self.stages[self.position.stage - 1].target if self.position.stage else None
        best = self.front.at(target.most) if target else None
        if best is not None:
            state |= best.rows
        for moments in ("first", "second", "width_first", "width_second"):
            state[moments] = torch.zeros_like(state[moments])
        state["counts"] = torch.cat([torch.zeros(2, dtype=torch.int64), state["counts"][2:]])
        self.trainer.restore(state)
        estimate = self.trainer.widths.bits()
        cost = self.cost(self.formats())
        self.position.ratio = cost / estimate if estimate else 1.0
        self.position.begin = cost

    def _epoch(self, price: Price) -> float:
        """Train on all rows; return the mean loss."""
        recipe, at = self.recipe, self.position
        order = epoch_order(recipe.seed, sum(self.epochs[: at.stage]) + at.epoch, self._rows)
        total, row, losses = len(self._rates), 0, 0.0
        while row < self._rows:
            step = at.epoch * self._steps + row // recipe.batch_size
            self._set_price(price, step / total)
            count = min(_EVERY, self._steps - row // recipe.batch_size)
            rates = self._rates[step : step + count]
            try:
                part = self.trainer.epoch(recipe.batch_size, rates, order, first_row=row, max_steps=count)
            except NonFiniteLossError as error:
                raise RuntimeError(
                    f"learning widths stopped: the loss is not finite after {step + error.step} steps; a lower "
                    "learning_rate may help"
                ) from error
            if part.stopped or (self._halt is not None and self._halt.is_set()):
                raise KeyboardInterrupt
            row = part.next_row
            losses += part.loss * part.rows
        return losses / self._rows

    def _rates_of(self, steps: int) -> list[float]:
        """Learning rates of the weights in a stage of so many steps; those of the stage before where it had as many."""
        if len(self._rates) == steps:
            return self._rates
        return [_cosine(self.recipe.learning_rate, step / steps) for step in range(steps)]

    def _set_price(self, price: Price, t: float) -> None:
        at = self.position
        if not at.frozen:
            cost = self.trainer.widths.bits() * at.ratio
            target = price.stage.target
            at.price = price.step(t, cost)
            at.frozen = (
                price.stage.freezes and t >= self.recipe.freeze and (target is None or cost <= target.most)
            )
        rate = self.recipe.rate_of_widths(t) if price.stage.freezes else self.recipe.width_rate
        self.trainer.widths.learn(*(0.0, 0.0) if at.frozen else (rate, at.price))

    def formats(self) -> dict[str, LayerFormats]:
        """Formats of all layers as they are."""
        weights = self.trainer.state_dict()
        return {
            node: LayerFormats.of(widths, weights[f"{self.layers.names[node]}.weight"])
            for node, widths in self.trainer.widths.read().items()
        }

    def cost(self, formats: dict[str, LayerFormats]) -> float:
        """The cost of formats."""
        return sum(of.cost(self.count) for of in formats.values())

    def _exact(self, formats: dict[str, LayerFormats]) -> bool:
        """Whether float32 holds all sums exactly, so that whoever computes gets the same bits."""
        weights = self.trainer.state_dict()
        return all(
            of.bound(weights.get(f"{self.layers.names[node]}.bias"), self._bias_fracs[node]) < _EXACT
            for node, of in formats.items()
        )

    def _check(self, loss: float) -> None:
        """The end of an epoch: its cost and accuracy."""
        at = self.position
        formats = self.formats()
        cost, estimate = self.cost(formats), self.trainer.widths.bits()
        at.ratio = cost / estimate if estimate else 1.0
        accuracy = macro_accuracy(self.trainer.evaluate(*self._checked).confusion)
        exact = self._exact(formats)
        at.history.append(
            {
                "stage": at.stage,
                "epoch": at.epoch,
                "cost": cost,
                "price": 0.0 if at.frozen else at.price,
                "loss": loss,
                "accuracy": accuracy,
                "exact": exact,
            }
        )
        if exact and self.front.joins(cost, accuracy):
            rows = {name: each for name, each in self.trainer.snapshot().items() if name in _KEPT}
            self.front.add(Checkpoint(cost, accuracy, at.stage, at.epoch, rows))


def _cosine(rate: float, t: float) -> float:
    return 1e-6 + max(0.0, rate - 1e-6) * 0.5 * (1 + math.cos(math.pi * t))


def _refuse_untrained(probabilities: Tensor, y: Tensor) -> None:
    """A model that is no better than always the same answer has nothing to teach."""
    right = float((probabilities.argmax(1) == y).double().mean())
    most = float(torch.bincount(y.long()).max()) / len(y)
    if right <= most:
        raise ConfigError(
            f"learn_widths: the float model is right in {100 * right:.1f} % of the training rows, where one class has "
            f"{100 * most:.1f} %: load trained weights, or set distill to 0"
        )
