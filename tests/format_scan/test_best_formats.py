"""best_formats against a loop over all fraction widths, on what hooks record."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import chop
from chop import Evaluator, MaseGraph
from chop.nn.quantizers import IntegerFormat
from chop.passes import quantize_transform_pass
from tests.evaluator.models import by_type, chain, data, integer
from tests.format_scan.numpy_errors import squared_error


def evaluator_of(model: nn.Module, x: Any) -> Any:
    """What best_formats needs of an evaluator, for graphs of any kind."""
    graph = model if isinstance(model, MaseGraph) else MaseGraph(model)
    return SimpleNamespace(graph=graph, _x=x, _evaluate_formats=None)


def tensors(model: nn.Sequential, x: torch.Tensor) -> dict[tuple[str, str], np.ndarray]:
    """Input, weight and bias of each Linear and ReLU of a chain, by node name and operand."""
    found: dict[tuple[str, str], np.ndarray] = {}
    value = x
    with torch.no_grad():
        for name, layer in model.named_children():
            if isinstance(layer, nn.Linear | nn.ReLU):
                found[f"_{name}", "data_in"] = value.numpy().copy()
            if isinstance(layer, nn.Linear):
                found[f"_{name}", "weight"] = layer.weight.numpy()
                found[f"_{name}", "bias"] = layer.bias.numpy()
            value = layer(value)
    return found


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 16), st.sampled_from([None, True, False]))
def test_equals_the_loop_over_all_fraction_widths(seed: int, width: int, signed: bool | None) -> None:
    model = chain((5, 4, 3), seed)
    x, y = data(70, 5, 3, seed + 1)
    found = chop.best_formats(Evaluator(model, x, y), width, signed)
    expected = tensors(model, x)
    assert {(row.node, row.operand) for row in found.rows} == set(expected)
    for row in found.rows:
        values = expected[row.node, row.operand]
        is_linear = isinstance(model[int(row.node[1:])], nn.Linear)
        is_signed = is_linear if signed is None else signed
        values = values if is_linear else np.maximum(values, 0)  # what a ReLU passes on
        errors = {f: squared_error(values, width, f, is_signed) for f in range(-64, 65)}
        least = min(errors.values())
        assert row.format.width == width and row.format.is_signed is is_signed
        assert errors[row.format.frac_width] == pytest.approx(least, rel=1e-12, abs=1e-30)
        assert row.mse == pytest.approx(least / values.size, rel=1e-12)
        power = float((values.astype(np.float64) ** 2).sum())
        assert row.sqnr_db == pytest.approx(10 * math.log10(power / least) if least else math.inf)
        assert row.elements == values.size and row.not_finite == 0
        for frac, mse in row.errors.items():
            assert mse == pytest.approx(errors[frac] / values.size, rel=1e-12, abs=1e-30)


def test_ties_go_to_the_larger_range() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[1.0, -3.0], [0.0, 2.0]])  # exact from frac 0 up to where -3 saturates
    layer.bias.data = torch.zeros(2)
    found = chop.best_formats(evaluator_of(nn.Sequential(layer), torch.tensor([[0.5, 0.25]])), 8)["_0"]
    assert found["weight"].frac_width == 0 and found["data_in"].frac_width == 2
    assert found["bias"] == IntegerFormat(8, 4)  # nothing but zeros


def test_one_signed_bit_and_a_side_without_codes() -> None:
    layer = nn.Linear(1, 2, bias=False)
    layer.weight.data = torch.tensor([[0.5], [0.25]])
    row = chop.best_formats(evaluator_of(nn.Sequential(layer), torch.tensor([[-2.0]])), 1).rows
    assert {r.operand: r.format.frac_width for r in row} == {"data_in": -1, "weight": 0}


def test_numbers_that_are_none_count_for_nothing() -> None:
    x = torch.tensor([[math.nan, 0.5], [math.inf, -math.inf], [0.25, 0.5]])
    row = chop.best_formats(evaluator_of(nn.Sequential(nn.ReLU()), x), 4).rows[0]
    assert (row.elements, row.not_finite, row.mse, row.sqnr_db) == (6, 3, 0.0, math.inf)
    assert row.format.frac_width == 2


def test_config_gives_each_layer_its_formats() -> None:
    model = chain((6, 5, 4))
    x, y = data(200, 6, 4)
    ev = Evaluator(model, x, y)
    found = chop.best_formats(ev, {"data_in": 8, "weight": 6, "bias": 9})
    graph, info = quantize_transform_pass(MaseGraph(model), found.config())
    for node in found:
        module = graph.modules[node.removeprefix("_")]
        assert module.formats == found[node]
    assert info["left_float"] == [] and len(found) == len(info["rules"]) == 5
    with torch.no_grad():
        expected = (graph.model(x).argmax(1) == y).double().mean().item()
    assert ev.evaluate(found.config()).accuracy_micro == expected


def test_the_best_format_has_the_least_error_of_the_logits_of_a_single_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 3, bias=False)).eval()
    x, y = data(300, 4, 3)
    ev = Evaluator(model, x, y)
    best = chop.best_formats(ev, {"data_in": 6, "weight": 16}).config()

    def error(frac: int) -> float:
        table = {**best["_0"]["config"], "data_in_frac_width": frac}
        return (ev.forward({**best, "_0": {"config": table}}) - ev.forward()).square().sum().item()

    frac = best["_0"]["config"]["data_in_frac_width"]
    assert all(error(frac) <= error(other) for other in (frac - 2, frac - 1, frac + 1, frac + 2))


class Branches(nn.Module):
    """Functions, a module called twice, fractions and whole numbers, layers in place."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(3, 3, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.twice(x)
        b = self.twice(F.relu(a + 0.75))
        c = torch.mul(a, other=b)
        return torch.matmul(self.act(c) - 1, c.t())


def test_functions_shared_modules_and_layers_in_place() -> None:
    model = Branches().eval()
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    found = chop.best_formats(evaluator_of(model, x), 5)
    with torch.no_grad():
        a = model.twice(x)
        shifted = a + 0.75
        b = model.twice(F.relu(shifted))
        c = torch.relu(a * b)
    both = {
        ("twice", "data_in"): [x, F.relu(shifted)],
        ("add", "data_in"): [a, torch.tensor(0.75)],
        ("mul", "data_in"): [a, b],
        ("sub", "data_in"): [c],  # the 1 is left alone
        ("matmul", "data_in"): [c - 1],
        ("matmul", "weight"): [c.t()],  # what the layer in place made of it
        ("act", "data_in"): [a * b],
    }
    rows = {(row.node, row.operand): row for row in found.rows}
    assert rows["twice", "data_in"].nodes == ("twice", "twice_1")
    assert found["twice_1"] == found["twice"] and set(found["twice"]) == {"data_in", "weight"}
    for key, parts in both.items():
        values = np.concatenate([part.numpy().ravel() for part in parts])
        row = rows[key]
        values = np.maximum(values, 0) if key[0] == "act" else values
        least = min(squared_error(values, 5, f, row.format.is_signed) for f in range(-64, 65))
        assert row.elements == values.size, key
        assert row.mse * values.size == pytest.approx(least, rel=1e-12), key
    quantize_transform_pass(MaseGraph(model), found.config())


def test_a_quantized_graph_is_scanned_in_float() -> None:
    model = chain((6, 5, 4))
    x, y = data(50, 6, 4)
    graph = MaseGraph(model)
    quantize_transform_pass(graph, by_type(linear=integer(3, 1), relu=integer(3, 1)))
    assert chop.best_formats(Evaluator(graph, x, y), 7) == chop.best_formats(Evaluator(model, x, y), 7)
    functions = MaseGraph(Branches())
    before = chop.best_formats(evaluator_of(functions, x[:, :3]), 5)
    quantize_transform_pass(functions, before.config())
    assert chop.best_formats(evaluator_of(functions, x[:, :3]), 5) == before


def test_batches_and_threads_change_nothing() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    for parameter in model.parameters():
        parameter.data = torch.round(parameter.data * 16) / 16  # sums are exact whatever the batch
    x = torch.round(torch.randn(500, 6) * 16) / 16
    whole = chop.best_formats(evaluator_of(model, x), 5)
    assert chop.best_formats(evaluator_of(model, x), 5, batch_size=7) == whole
    assert chop.best_formats(evaluator_of(model, x), 5, threads=4) == whole


def test_the_model_is_afterwards_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)).train()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    chop.best_formats(evaluator_of(model, torch.randn(20, 3)), 8)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_double_models_are_scanned_too() -> None:
    model = nn.Sequential(nn.Linear(3, 2)).double()
    assert len(chop.best_formats(evaluator_of(model, torch.randn(20, 3)), 8).rows) == 3


def test_texts() -> None:
    found = chop.best_formats(evaluator_of(nn.Sequential(nn.ReLU()), torch.tensor([[0.5, 1.0]])), 4)
    assert "| _0     |   data_in |       4 |" in repr(found)
    assert "<td>data_in</td>" in found._repr_html_()
    frame = found.to_frame()
    assert list(frame["frac_width"]) == [1] and list(frame["sqnr_db"]) == [math.inf]
    with pytest.raises(KeyError, match="no formats for node '_7'"):
        found["_7"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width must be 1..32, got 0"),
        ({"width": 8.0}, "width must be 1..32, got 8.0"),
        ({"width": {"wieght": 8}}, r"no operand 'wieght' \(did you mean 'weight'\?\)"),
        ({"width": 8, "objective": "msee"}, r"must be one of mse, got 'msee' \(did you mean 'mse'\?\)"),
        ({"width": 8, "signed": 1}, "signed must be True, False or None, got 1"),
        ({"width": 8, "threads": 0}, "threads must be a whole number of 1 or more, got 0"),
        ({"width": 8, "batch_size": 0}, "batch_size must be a whole number of 1 or more, got 0"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chop.best_formats(evaluator_of(nn.Sequential(nn.ReLU()), torch.ones(2, 2)), **options)


def test_errors_of_data_and_configs() -> None:
    with pytest.raises(ValueError, match=r"ev must be a chop.Evaluator, got Linear"):
        chop.best_formats(nn.Linear(1, 1), 8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="best_formats: node _0: RuntimeError"):
        chop.best_formats(evaluator_of(nn.Sequential(nn.Linear(3, 2)), torch.ones(2, 2)), 8)
    ev = evaluator_of(nn.Sequential(nn.Linear(2, 2)), torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"_0.data_in is always signed in a quantized linear"):
        chop.best_formats(ev, 8, signed=False).config()
    with pytest.raises(ValueError, match="node _0 needs a format for data_in too"):
        chop.best_formats(ev, {"weight": 8}).config()
