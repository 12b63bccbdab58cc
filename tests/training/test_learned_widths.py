"""Models whose widths were learned: what they promise holds, bit for bit, and what cannot be learned is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator
from chop.cost import Costs
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.passes.graph import load_mase_graph_interface_pass, save_mase_graph_interface_pass
from chop.tools.errors import ConfigError
from chop.training import LearnedFront, learn_front, learn_widths

QUICK = {"epochs": 16, "batch_size": 64, "start_bits": 4}
TARGETS = [12_000, 5_000]
Rows = tuple[Tensor, Tensor]
BEYOND: list[tuple[dict[str, int], str]] = [
    (
        {"data_in_frac_width": 33},
        "linear: data_in_frac_width must be -24..24 where widths are learned, got 33",
    ),
    (
        {"weight_frac_width": -25},
        "linear: weight_frac_width must be -24..24 where widths are learned, got -25",
    ),
    (
        {"data_in_width": 32},
        "linear: data_in_width less data_in_frac_width and the sign .* -24..24 .* got 27",
    ),
]


def begin(**widths: int) -> dict[str, Any]:
    """A config that learning begins at, with other widths."""
    names = [
        f"{operand}_{field}" for operand in ("data_in", "weight", "bias") for field in ("width", "frac_width")
    ]
    linear = {"name": "integer", **dict(zip(names, (8, 4) * 3, strict=True)), **widths}
    return {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": linear}}


@pytest.fixture(scope="module")
def data() -> dict[str, Rows]:
    x, y = MaseDataModule("jsc-synth", 64).arrays("val")
    return {"train": (x[:2000], y[:2000]), "val": (x[2000:3000], y[2000:3000])}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return get_model("jsc-mlp", pretrained=True).eval()


@pytest.fixture(scope="module")
def front(model: nn.Module, data: dict[str, Rows]) -> LearnedFront:
    return learn_front(model, data, TARGETS, recipe=QUICK)


def test_no_model_dominates_another_and_the_targets_are_kept(front: LearnedFront) -> None:
    costs = [each.costs["ebops_hgq"] for each in front]
    accuracies = [each.metrics["accuracy"] for each in front]
    assert len(front) > 2
    assert costs == sorted(set(costs)) and accuracies == sorted(set(accuracies))
    for target in TARGETS:
        found = front.at(target)
        assert found is not None and found.costs["ebops_hgq"] <= target
        assert found.metrics["accuracy"] > 0.5  # one of five classes is 0.2
    assert front.at(1.0) is None
    assert [row["stage"] for row in front.history] == [0] * 16 + [1] * 16


def test_evaluator_graph_and_saved_file_agree_bit_for_bit(
    front: LearnedFront, model: nn.Module, data: dict[str, Rows], tmp_path: Path
) -> None:
    x, y = data["val"]
    for number, found in enumerate([front[0], front[len(front) // 2], front[-1]]):
        evaluator = Evaluator(found.model(model), x, y)
        logits = evaluator.forward(found.config)
        graph = found.graph(model)
        assert torch.equal(graph.model(x), logits)
        folder = tmp_path / str(number)
        save_mase_graph_interface_pass(graph, {"save_dir": str(folder)})
        loaded, _ = load_mase_graph_interface_pass(graph, {"load_dir": str(folder)})
        assert torch.equal(loaded.model(x), logits)
        certificate = evaluator.certificate(found.config)
        assert all(row.exact for row in certificate.layers)
        assert evaluator.evaluate(found.config)["accuracy"] == found.metrics["accuracy"]


def test_the_trainer_saw_what_the_evaluator_sees(front: LearnedFront) -> None:
    seen = {row["cost"]: row["accuracy"] for row in front.history if row["exact"]}
    for each in front:  # the means over the classes are summed in another order
        assert seen[each.costs["ebops_hgq"]] == pytest.approx(each.metrics["accuracy"], rel=1e-12)


def test_costs_are_those_of_the_cost_models(front: LearnedFront, model: nn.Module) -> None:
    for found in front:
        costs = Costs(found.model(model), 1, tuple(found.costs), (16,)).evaluate(found.config)
        assert costs == pytest.approx(dict(found.costs), rel=1e-12)


def test_widths_of_zero_prune(front: LearnedFront) -> None:
    tables = [rule["config"] for rule in front[0].config.values() if isinstance(rule, dict)]
    widths = [table["weight_width"] for table in tables if table.get("weight_width") is not None]
    assert len(widths) == 4 and all((each == 0).any() and (each > 0).any() for each in widths)


def test_the_same_again(front: LearnedFront, model: nn.Module, data: dict[str, Rows]) -> None:
    before = copy.deepcopy(model.state_dict())
    threads = torch.get_num_threads()
    torch.set_num_threads(1 + threads % 2)
    again = learn_front(model, data, TARGETS[::-1], recipe=QUICK)
    torch.set_num_threads(threads)
    assert again.history == front.history and len(again) == len(front)
    for one, other in zip(again, front, strict=True):
        assert all(torch.equal(one.weights[name], value) for name, value in other.weights.items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_target_again_goes_on_from_its_best(
    front: LearnedFront, model: nn.Module, data: dict[str, Rows]
) -> None:
    again = learn_front(model, data, [*TARGETS, TARGETS[-1]], recipe=QUICK)
    once = len(front.history)
    assert [row["stage"] for row in again.history] == [0] * 16 + [1] * 16 + [2] * 16
    assert again.history[:once] == front.history
    narrow = TARGETS[-1]
    assert again.at(narrow).metrics["accuracy"] >= front.at(narrow).metrics["accuracy"]
    assert all(row["cost"] < TARGETS[0] for row in again.history[once:])  # it did not begin at the wider one
    alone = learn_front(model, data, [narrow, narrow], recipe=QUICK | {"epochs_narrow": 20})
    assert len(alone.history) == 2 * 16  # no target is narrower than another


@pytest.mark.parametrize(
    "sharing", [{"weight": "channel"}, {"weight": "tensor", "data_in": "tensor"}, {"data_in": "tensor"}]
)
def test_shared_widths(sharing: dict[str, str], model: nn.Module, data: dict[str, Rows]) -> None:
    found = learn_widths(model, data, {"ebops": {"max": 20_000}}, recipe=QUICK | sharing)
    assert found.costs["ebops"] <= 20_000 and found.target == {"ebops": 20_000.0}
    costs = Costs(found.model(model), 1, ("ebops",), (16,)).evaluate(found.config)
    assert costs["ebops"] == pytest.approx(found.costs["ebops"], rel=1e-12)


def test_a_price_instead_of_a_target(model: nn.Module, data: dict[str, Rows]) -> None:
    cheap, dear = (learn_widths(model, data, price=price, recipe=QUICK) for price in (1e-4, 1e-7))
    assert cheap.costs["ebops_hgq"] < 0.5 * dear.costs["ebops_hgq"] and cheap.target == {}


def test_a_rising_price_leaves_a_front(model: nn.Module, data: dict[str, Rows]) -> None:
    front = learn_front(model, data, prices=(1e-7, 1e-3), recipe=QUICK)
    assert len(front) > 3 and front[0].costs["ebops_hgq"] < 0.3 * front[-1].costs["ebops_hgq"]


def test_learning_begins_at_the_config(model: nn.Module, data: dict[str, Rows]) -> None:
    layer = {"name": "integer", "data_in_width": 7, "data_in_frac_width": 4, "weight_width": 6}
    layer |= {"weight_frac_width": 4, "bias_width": 8, "bias_frac_width": 5}
    relu = {"name": "integer", "data_in_width": 6, "data_in_frac_width": 3}
    config = {
        "by": "type",
        "default": {"config": {"name": None}},
        "linear": {"config": layer},
        "relu": {"config": relu},
    }
    recipe = QUICK | {"epochs": 1, "width_rate": 1e-9, "distill": 0.5}
    found = learn_widths(model, data, price=1e-9, config=config, recipe=recipe)
    first = found.config["seq_blocks_0"]["config"]
    assert set(first["data_in_width"].tolist()) == {7} and set(first["data_in_frac_width"].tolist()) == {4}
    assert first["weight_frac_width"].max() == 4 and first["bias_width"] == 8
    assert found.config["seq_blocks_1"]["config"] == relu
    x, y = data["val"]
    assert torch.equal(found.graph(model).model(x), Evaluator(found.model(model), x, y).forward(found.config))


def test_batch_norms_and_narrow_chains(data: dict[str, Rows]) -> None:
    model = get_model("jsc-toy", pretrained=True).eval()
    found = learn_widths(model, data, price=1e-5, recipe=QUICK)
    x, y = data["val"]
    logits = Evaluator(found.model(model), x, y).forward(found.config)
    assert torch.equal(found.graph(model).model(x), logits)
    assert found.metrics["accuracy"] > 0.5


def test_the_share_of_distillation_follows_the_targets(model: nn.Module, data: dict[str, Rows]) -> None:
    short = QUICK | {"epochs": 4}
    fronts = [
        learn_front(model, data, TARGETS, recipe=short | {"distill": narrow, "distill_wide": wide})
        for narrow, wide in ((1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (1.0, None))
    ]
    losses = [[row["loss"] for row in front.history] for front in fronts]
    assert losses[0][:4] == losses[1][:4] and losses[0][4:] != losses[1][4:]
    assert losses[2] == losses[3] != losses[0]


def test_a_target_that_is_not_reached(model: nn.Module, data: dict[str, Rows]) -> None:
    with pytest.raises(
        RuntimeError, match="ebops_hgq of at most 10 was not reached in 1 epochs, the cheapest"
    ):
        learn_widths(model, data, {"ebops_hgq": 10}, recipe=QUICK | {"epochs": 1})


def wrong() -> list[tuple[dict[str, Any], str]]:
    target = {"ebops_hgq": 1000}
    return [
        ({}, "give a target or a price"),
        ({"target": target, "price": 1e-5}, "give a target or a price"),
        ({"target": {"ebop": 3}}, "no target can be set for 'ebop'.*ebops"),
        ({"target": {"ebops": 3, "ebops_hgq": 3}}, "one cost with its bound"),
        ({"target": {"ebops": {"min": 3}}}, "takes the key 'max', got 'min'"),
        ({"target": {"ebops": -1}}, "must be a number above 0, got -1"),
        ({"price": 0.0}, "price must be a number above 0"),
        ({"target": target, "recipe": {"epoch": 3}}, "no option 'epoch'.*epochs"),
        ({"target": target, "recipe": {"epochs": 0}}, "epochs must be a whole number from 1, got 0"),
        ({"target": target, "recipe": {"reach": 1.5}}, "reach must be a number from 0, at most 1, got 1.5"),
        ({"target": target, "recipe": {"weight": "row"}}, "weight must be tensor or channel or element"),
        ({"target": target, "recipe": {"freeze": 0}}, "freeze must be a number above 0, at most 1, got 0"),
        (
            {"target": target, "config": {"by": "type", "default": {"config": {"name": None}}}},
            "no linear layer that is quantized",
        ),
        *(({"target": target, "config": begin(**widths)}, words) for widths, words in BEYOND),
    ]


@pytest.mark.parametrize(("arguments", "words"), wrong())
def test_wrong_arguments(
    arguments: dict[str, Any], words: str, model: nn.Module, data: dict[str, Rows]
) -> None:
    with pytest.raises(ConfigError, match=words):
        learn_widths(model, data, **arguments)


def test_wrong_targets_of_a_front(model: nn.Module, data: dict[str, Rows]) -> None:
    for arguments, words in (
        ({"targets": []}, "at least one bound"),
        ({}, "targets or prices"),
        ({"targets": [5], "prices": (1e-6, 1e-5)}, "targets or prices"),
        ({"prices": (1e-5, 1e-6)}, "the smaller first"),
        ({"targets": [5], "cost": "flops"}, "no target can be set for 'flops'"),
    ):
        with pytest.raises(ConfigError, match=words):
            learn_front(model, data, **arguments)  # type: ignore[arg-type]


def test_an_untrained_model_teaches_nothing(data: dict[str, Rows]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 5))
    with torch.no_grad():
        model[0].weight.zero_()
    with pytest.raises(ConfigError, match="load trained weights, or set distill to 0"):
        learn_widths(model, data, {"ebops_hgq": 100}, recipe=QUICK)
    assert learn_widths(model, data, price=1e-6, recipe=QUICK | {"distill": 0.0}).metrics["accuracy"] > 0.4
