"""The call itself: sweep, perhaps train, and keep what no other beats."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from chop.actions.one_call.candidates import configurations
from chop.actions.one_call.front import Found, Front
from chop.nn.quantizers.short_form import short_rules
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.tensors import Array

if TYPE_CHECKING:
    from chop.evaluator import Evaluator
    from chop.search.report import SweepReport

logger = get_logger(__name__)

Rows = tuple[Array, Array]
Bound = Mapping[str, float]
_BOUND = re.compile(r"\s*(<=|>=|≤|≥)\s*([-+]?[\d._]+(?:[eE][-+]?\d+)?)\s*")
_KINDS = {"<=": "max", "≤": "max", ">=": "min", "≥": "min"}


def search_formats(
    model: nn.Module,
    x: Array,
    y: Array,
    *,
    minimize: Sequence[str] = ("ebops",),
    maximize: Sequence[str] = ("accuracy",),
    subject_to: Mapping[str, str] | None = None,
    train_on: tuple[Array, Array] | None = None,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    batch_size: int = 256,
    most_trained: int = 8,
    limit: int = 20_000,
    threads: int | None = None,
    seed: int = 0,
) -> Front:
    """Search the widths of every layer's weights and input, and return the exact front of what was tried.

    Each layer with weights chooses for itself among as many widths as ``limit`` allows; the fraction width of each
    tensor is the one with the least error (:func:`chop.best_formats`). Other nodes stay float.

    Args:
        model: a classifier; it is not changed.
        x: rows, floating point [rows, ...]. y: class indices [rows]. Tensors or NumPy arrays; they judge.
        minimize, maximize: metrics (``chop.metrics``) and cost models (``chop.cost``) by name.
        subject_to: name -> bound, such as ``{"accuracy": ">= 0.74", "model_size": "<= 4000"}``.
        train_on: other rows (x, y), to train the front's models through their quantizers; None: the weights stay, and
            are rounded.
        epochs, learning_rate, batch_size, seed: of that training. most_trained: models to train, evenly chosen.
        limit: configurations to try at most. threads: of the core; None: all processors.

    Raises:
        ConfigError: nothing to optimise or to quantize, a bound that is none, more configurations than the limit.
        UnknownNameError: a name that no metric or cost model has.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(256, 4)
    >>> net = nn.Sequential(nn.Linear(4, 2))
    >>> front = search_formats(net, x, net(x).argmax(1), subject_to={"accuracy": ">= 0.9"})
    >>> all(each.figures["accuracy"] >= 0.9 for each in front), front[0].model(x).shape
    (True, torch.Size([256, 2]))
    """
    from chop.evaluator import Evaluator
    from chop.search import sweep

    objectives = {**dict.fromkeys(maximize, "maximize"), **dict.fromkeys(minimize, "minimize")}
    if not objectives or len(objectives) < len(tuple(maximize)) + len(tuple(minimize)):
        raise ConfigError("search: name each metric once, in minimize or maximize, and one at least")
    bounds = {name: _bound(name, text) for name, text in (subject_to or {}).items()}
    evaluator = Evaluator(copy.deepcopy(model).eval(), x, y)
    configs, words = configurations(evaluator, limit)
    # What a training may still reach is judged after it.
    early = bounds if train_on is None else {n: b for n, b in bounds.items() if _is_cost(n)}
    swept = sweep(evaluator, configs, objectives, threads=threads, constraints=early)
    found = _distinct(swept, objectives, bounds, model, evaluator)
    if train_on is not None:
        recipe = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed}
        found += [_trained(each, (x, y), train_on, recipe) for each in _spread(found, most_trained)]
    kept = _front(found, objectives, bounds)
    names = [*objectives, *(name for name in bounds if name not in objectives)]
    return Front(tuple(kept), _figures(evaluator, None, names), objectives, f"The exact front of {words}")


def _bound(name: str, text: str) -> dict[str, float]:
    found = _BOUND.fullmatch(text) if isinstance(text, str) else None
    try:
        if found is not None:
            return {_KINDS[found[1]]: float(found[2])}
    except ValueError:
        pass
    raise ConfigError(f"search: a bound is written like '>= 0.74', got {name}: {text!r}")


def _is_cost(name: str) -> bool:
    from chop.cost import COST_MODELS

    return name in COST_MODELS


def _distinct(
    swept: SweepReport,
    objectives: Mapping[str, str],
    bounds: Mapping[str, Any],
    model: nn.Module,
    evaluator: Evaluator,
) -> list[Found]:
    """The front, one model of those with equal objectives."""
    found: dict[tuple[float, ...], Found] = {}
    names = [*objectives, *(name for name in bounds if name not in objectives)]
    for entry in swept.front:
        key = tuple(entry[name] for name in objectives)
        if key not in found:
            found[key] = Found(entry["config"], _figures(evaluator, entry["config"], names), False, model)
    return list(found.values())


def _figures(
    evaluator: Evaluator, config: Mapping[str, Any] | None, names: Sequence[str]
) -> dict[str, float]:
    from chop.cost import Costs

    costs = [name for name in names if _is_cost(name)]
    metrics = [name for name in names if name not in costs]
    shape = list(evaluator._x.shape[1:])
    values = Costs(evaluator.graph, 1, costs, shape).evaluate(config) if costs else {}
    if metrics:
        values |= {n: float(v) for n, v in evaluator.evaluate(config, metrics=metrics).values.items()}
    return {name: float(values[name]) for name in names}


def _spread(found: Sequence[Found], most: int) -> list[Found]:
    if len(found) <= most:
        return list(found)
    return [found[round(k * (len(found) - 1) / max(1, most - 1))] for k in range(most)]


def _trained(found: Found, rows: Rows, train_on: Rows, recipe: Mapping[str, Any]) -> Found:
    from chop.evaluator import Evaluator
    from chop.training import fit

    model = found.model.train()
    logger.info("training %s for %d epochs", "; ".join(short_rules(found.config).values()), recipe["epochs"])
    labels = int(max(int(train_on[1].max()), int(rows[1].max()))) + 1
    fit(
        model, {"train": train_on, "val": rows}, classes=labels, learning_rate=recipe["learning_rate"],
        batch_size=recipe["batch_size"], straight_through="clipped", seed=recipe["seed"], bar=False, validate=False,
        trainer_args={"max_epochs": recipe["epochs"], "accelerator": "cpu"},
    )  # fmt: skip
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    made = Found(found.config, {}, True, found._base, weights)
    evaluator = Evaluator(made.float_model, *rows)
    return Found(
        found.config, _figures(evaluator, found.config, list(found.figures)), True, found._base, weights
    )


def _front(found: Sequence[Found], objectives: Mapping[str, str], bounds: Mapping[str, Bound]) -> list[Found]:
    import numpy as np

    from chop.search import pareto_front

    kept = [
        each for each in found if all(_keeps(each.figures[name], bound) for name, bound in bounds.items())
    ]
    if not kept:
        return []
    values = np.array([[each.figures[name] for name in objectives] for each in kept], dtype=np.float64)
    best = [kept[k] for k in pareto_front(values, list(objectives.values()))]
    signs = {name: -1.0 if way == "maximize" else 1.0 for name, way in objectives.items()}
    return sorted(best, key=lambda each: [sign * each.figures[name] for name, sign in signs.items()])


def _keeps(value: float, bound: Mapping[str, float]) -> bool:
    return bound.get("min", -float("inf")) <= value <= bound.get("max", float("inf"))
