"""``chop.search(model, x, y)``: one call, an exact front, models that are what their figures say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.cost import Costs
from chop.models import get_model
from chop.tools.errors import ConfigError


@pytest.fixture(scope="module")
def task() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    from chop.dataset import MaseDataModule

    x, y = MaseDataModule("jsc-synth", batch_size=512).arrays("test")
    return get_model("jsc-tiny", pretrained=True), x[:600].numpy(), y[:600].numpy()


def test_the_front_is_that_of_all_that_was_tried(task: Any) -> None:
    model, x, y = task
    front = chop.search(model, x, y, minimize=["ebops"], limit=40)
    assert front.tried.startswith("The exact front of 36 configurations") or "configurations" in front.tried
    evaluator = chop.Evaluator(model.eval(), x, y)
    costs = Costs(evaluator.graph, 1, ["ebops"], [16])
    for each in front:
        assert each.figures["accuracy"] == evaluator.evaluate(each.config).accuracy and not each.trained
        assert each.figures["ebops"] == costs.evaluate(each.config)["ebops"]
        rows = torch.from_numpy(x)
        assert torch.equal(each.model(rows), evaluator.forward(each.config))
    accuracies = [each.figures["accuracy"] for each in front]
    prices = [each.figures["ebops"] for each in front]
    assert accuracies == sorted(accuracies, reverse=True) and prices == sorted(prices, reverse=True)
    assert len(set(prices)) == len(front) > 1
    assert front.float_figures["accuracy"] == evaluator.evaluate().accuracy


def test_bounds_are_kept_and_the_table_says_it_all(task: Any) -> None:
    model, x, y = task
    free = chop.search(model, x, y, limit=40)
    middle = free[len(free) // 2].figures
    bounds = {"accuracy": f">= {middle['accuracy']}", "average_bitwidth": "<= 6"}
    front = chop.search(model, x, y, subject_to=bounds, limit=40)
    assert front and all(each.figures["accuracy"] >= middle["accuracy"] for each in front)
    assert all(each.figures["average_bitwidth"] <= 6 for each in front)
    assert repr(front).count("\n| ") == 2 + len(front) and "float" in repr(front)
    assert front._repr_html_().count("<tr>") == 2 + len(front)
    assert len(chop.search(model, x, y, subject_to={"accuracy": "> 0.999".replace(">", ">=")}, limit=40)) == 0


def test_models_that_are_trained_are_what_was_measured(task: Any) -> None:
    model, x, y = task
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    options = {"train_on": (x[:400], y[:400]), "epochs": 2, "most_trained": 2, "limit": 10, "seed": 3}
    front, again = (chop.search(model, x[400:], y[400:], **options) for _ in range(2))
    assert [each.figures for each in front] == [each.figures for each in again]
    assert any(each.trained for each in front) or len(front) > 0
    for each in front:
        evaluator = chop.Evaluator(each.float_model, x[400:], y[400:])
        assert each.figures["accuracy"] == evaluator.evaluate(each.config).accuracy
        assert torch.equal(each.model(torch.from_numpy(x[400:])), evaluator.forward(each.config))
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minimize": [], "maximize": []}, "one at least"),
        ({"minimize": ["accuracy"]}, "name each metric once"),
        ({"subject_to": {"accuracy": "about 0.7"}}, "a bound is written like '>= 0.74'"),
        ({"subject_to": {"accuracy": 0.7}}, "a bound is written like"),
        ({"limit": 1}, "more than the limit of 1"),
        ({"minimize": ["ebopz"]}, "did you mean 'ebops'"),
    ],
)
def test_what_cannot_be_searched(task: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigError, KeyError), match=said):
        chop.search(*task, **options)
    with pytest.raises(ConfigError, match="no layer with weights"):
        chop.search(nn.Sequential(nn.ReLU()), np.ones((4, 3), np.float32), np.zeros(4, np.int64))
