"""Learn widths by gradient: one model for a target or a price, or a whole front."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chop.evaluator import Evaluator
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.tracing import TRACING
from chop.tools.errors import ConfigError
from chop.training.data import TrainingData
from chop.training.learning.checkpoint_front import Checkpoint
from chop.training.learning.counts import COUNTS, Target
from chop.training.learning.layers import LearnedLayers
from chop.training.learning.learned_model import LearnedFront, LearnedModel
from chop.training.learning.learning import Learning, Rows
from chop.training.learning.pricing import Stage
from chop.training.learning.recipe import WidthRecipe
from chop.training.learning.saved_run import SavedRun

__all__ = ["learn_front", "learn_widths"]

DEFAULT_COST = "ebops_hgq"
_METRICS = ("loss", "accuracy", "accuracy_micro")


def learn_widths(
    model: nn.Module | MaseGraph,
    data: Any,
    target: Mapping[str, Any] | None = None,
    *,
    price: float | None = None,
    config: Mapping[str, Any] | None = None,
    recipe: WidthRecipe | Mapping[str, Any] | None = None,
    save_path: str | os.PathLike[str] | None = None,
    halt: threading.Event | None = None,
) -> LearnedModel:
    """Train a model and the widths of its linear layers together, for a bound of its cost or for a price.

    Source: the gradients are those of arXiv:2405.00645.

    Args:
        model: float and trained; it is not changed.
        data: a data module, or ``{"train": (x, y), "val": (x, y)}``; x ``[rows, features]``, y class indices.
        target: a cost and its bound: ``{"ebops_hgq": 1500}`` or ``{"ebops_hgq": {"max": 1500}}``.
        price: instead of a target, what one bit of a weight times one bit of its input adds to the loss.
        config: a quantization config: linear layers that it quantizes to integers learn, from its widths on. None:
            all linear layers.
        recipe: how long and how; a table of the attributes of :class:`WidthRecipe`, or one.
        save_path: a file for the state of the run, ``.mz``: the same call goes on from there, and ends with the same
            result. None: nothing is written.
        halt: an event by which another thread ends the run with KeyboardInterrupt.

    Returns:
        The most accurate checkpoint at or below the target; of a price, that of the last epochs.

    Raises:
        ConfigError: a value that is not allowed, or a model that the core cannot train.
        RuntimeError: the target was not reached, or the loss is not finite any more.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(512, 4)
    >>> rows = x, (x[:, 0] > 0).long()
    >>> model = nn.Sequential(nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.tensor([[-4.0, 0.1, 0, 0], [4.0, 0, 0.1, 0]]))
    >>> recipe = {"epochs": 100, "batch_size": 64, "start_bits": 3}
    >>> found = learn_widths(model, {"train": rows, "val": rows}, {"ebops_hgq": 20}, recipe=recipe)
    >>> found.costs["ebops_hgq"] <= 20, found.metrics["accuracy"] > 0.95
    (True, True)
    """
    if (target is None) == (price is None):
        raise ConfigError("learn_widths: give a target or a price, and not both")
    if target is not None:
        aim = Target.of(target)
        learning = start(model, data, [Stage(aim)], aim.count, config, recipe, halt)
        most = aim.most
    else:
        assert price is not None
        stage = Stage(None, price, price)
        learning = start(model, data, [stage], DEFAULT_COST, config, recipe, halt)
        most = float("inf")
    run(learning, save_path)
    best = learning.front.at(most)
    if price is not None:
        first = int(learning.recipe.freeze * learning.recipe.epochs)
        last = [c for c in learning.front if c.epoch >= min(first, learning.recipe.epochs - 1)]
        best = last[-1] if last else best
    if best is None:
        raise RuntimeError(_not_reached(learning, most))
    return finished(learning, [best])[0]


def learn_front(
    model: nn.Module | MaseGraph,
    data: Any,
    targets: Sequence[float] | None = None,
    *,
    cost: str = DEFAULT_COST,
    prices: tuple[float, float] | None = None,
    config: Mapping[str, Any] | None = None,
    recipe: WidthRecipe | Mapping[str, Any] | None = None,
    save_path: str | os.PathLike[str] | None = None,
    halt: threading.Event | None = None,
) -> LearnedFront:
    """Learn widths for several bounds of the cost, from the widest to the narrowest, and keep what no other dominates.

    Each target begins with the best checkpoint of the wider one before, for ``recipe.epochs`` epochs.

    Args:
        model, data, config, recipe, save_path, halt: as for :func:`learn_widths`.
        targets: bounds, in any order. One that is given again is learned again, from the best that it had, with an
            optimizer that knows nothing: with few bits that gets further than as many epochs at once.
        cost: the cost model that they bound.
        prices: instead of targets, a price that rises from the first to the second through one run.

    Returns:
        The front; :meth:`LearnedFront.at` gives the best model for a bound.

    Raises:
        ConfigError, RuntimeError: as :func:`learn_widths`, but for targets that were not reached.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(512, 4)
    >>> rows = x, (x[:, 0] > 0).long()
    >>> model = nn.Sequential(nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.tensor([[-4.0, 0.1, 0, 0], [4.0, 0, 0.1, 0]]))
    >>> recipe = {"epochs": 60, "batch_size": 64, "start_bits": 3}
    >>> front = learn_front(model, {"train": rows, "val": rows}, [60, 20], recipe=recipe)
    >>> front.at(20).costs["ebops_hgq"] <= 20
    True
    """
    learning = start(model, data, stages_of(targets, cost, prices), cost, config, recipe, halt)
    run(learning, save_path)
    return LearnedFront(finished(learning, list(learning.front)), cost, learning.position.history)


def run(learning: Learning, save_path: str | os.PathLike[str] | None) -> None:
    """Run to the end, from where the file stands; raises ConfigError where the file is of another run."""
    if save_path is None:
        learning.run()
        return
    saved = SavedRun(Path(save_path), learning)
    learning.run(saved.tell)


def stages_of(targets: Sequence[float] | None, cost: str, prices: Sequence[float] | None) -> list[Stage]:
    """Return the stages of a front; raises ConfigError."""
    if (targets is None) == (prices is None):
        raise ConfigError("learn_front: give targets or prices, and not both")
    if prices is not None:
        if len(prices) != 2 or not prices[0] <= prices[1]:
            raise ConfigError(f"learn_front: prices must be two numbers, the smaller first, got {prices!r}")
        return [Stage(None, *prices)]
    bounds = [Target(cost, most) for most in targets or ()]
    if not bounds:
        raise ConfigError("learn_front: targets must hold at least one bound")
    return [Stage(each) for each in sorted(bounds, key=lambda each: -each.most)]


def start(
    model: nn.Module | MaseGraph,
    data: Any,
    stages: Sequence[Stage],
    cost: str,
    config: Mapping[str, Any] | None,
    recipe: WidthRecipe | Mapping[str, Any] | None,
    halt: threading.Event | None,
) -> Learning:
    """Return a run that is ready; raises ConfigError where it cannot be."""
    made = WidthRecipe.of(recipe)
    if cost not in COUNTS:
        Target(cost, 1.0)  # which refuses it
    source = TrainingData(data, made.batch_size)
    train, checked = _rows(source, "train"), _rows(source, "val")
    with TRACING:
        return Learning(LearnedLayers(model, config), train, checked, stages, cost, made, halt)


def finished(learning: Learning, checkpoints: Sequence[Checkpoint]) -> list[LearnedModel]:
    """Return the models of checkpoints, each measured by the evaluator."""
    with TRACING:
        graph = MaseGraph(copy.deepcopy(learning.layers.model))  # one trace for all
    return [_finished(learning, each, graph) for each in checkpoints]


def _finished(learning: Learning, checkpoint: Checkpoint, graph: MaseGraph) -> LearnedModel:
    learning.trainer.restore({**learning.trainer.snapshot(), **checkpoint.rows})
    formats, state = learning.formats(), learning.trainer.state_dict()
    config = learning.layers.config(formats)
    weights = {name: state[name] for name in learning.layers.model.state_dict() if name in state}
    graph.model.load_state_dict(weights)
    with TRACING:
        evaluator = Evaluator(graph, *learning.rows[1], threads=1)
    found = evaluator.evaluate(config, metrics=_METRICS)
    target = learning.stages[checkpoint.stage].target
    return LearnedModel(
        config=config,
        weights=weights,
        costs={name: sum(of.cost(name) for of in formats.values()) for name in COUNTS},
        metrics={name: float(found[name]) for name in _METRICS},
        target={target.count: target.most} if target else {},
        epoch=checkpoint.epoch,
    )


def _rows(source: TrainingData, split: str) -> Rows:
    rows = source.rows(split)
    if rows is None:
        raise ConfigError(
            "learn_widths: the data module does not hold its rows in memory (it has no method arrays)"
        )
    if not len(rows[1]):
        raise ConfigError(f"data: there are no rows to {'train' if split == 'train' else 'validate'} on")
    if rows[1].ndim != 1 or rows[1].is_floating_point():
        raise ConfigError("learn_widths: the labels are no class indices")
    return rows


def _not_reached(learning: Learning, most: float) -> str:
    costs = [row["cost"] for row in learning.position.history if row["exact"]]
    cheapest = f"the cheapest checkpoint has {min(costs):g}" if costs else "no checkpoint sums exactly"
    return (
        f"learn_widths: {learning.count} of at most {most:g} was not reached in {learning.recipe.epochs} epochs, "
        f"{cheapest}; more epochs, or a higher width_rate, go further"
    )
