"""What the certificate says, against sums in Python's integers and against small cases worked by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import chop
from chop import Certificate, Evaluator

from .integer_oracle import layer_sums, to_codes
from .models import by_type, chain, data, integer

FLOAT = {"config": {"name": None}}
NAN = float("nan")


def labels(rows: int) -> torch.Tensor:
    return torch.zeros(rows, dtype=torch.int64)


def one_layer(weights: list[list[float]], bias: list[float] | None = None) -> nn.Sequential:
    layer = nn.Linear(len(weights[0]), len(weights), bias=bias is not None)
    layer.weight.data.copy_(torch.tensor(weights))
    if bias is not None:
        layer.bias.data.copy_(torch.tensor(bias))
    return nn.Sequential(layer)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(7, 5), (7,)),
        (nn.Linear(7, 5, bias=False), (7,)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (4, 9)),
        (nn.Conv2d(3, 4, (3, 2), padding=(1, 0), dilation=(1, 2)), (3, 5, 6)),
    ],
)
@pytest.mark.parametrize("formats", [(8, 4), (6, 3, 4, 3, 10, 9), (16, 9), (5, -1, 6, 4, 8, 2)])
@pytest.mark.parametrize("modes", [("half_even", "saturate"), ("floor", "saturate"), ("half_up", "wrap")])
def test_counts_equal_those_of_integers(
    layer: nn.Module, shape: tuple[int, ...], formats: tuple[int, ...], modes: tuple[str, str]
) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 2)
    table, x = integer(*formats), torch.randn(70, *shape, generator=generator) * 6
    for operand in ("data_in", "weight", "bias"):
        table |= dict(zip((f"{operand}_rounding", f"{operand}_overflow"), modes, strict=True))
    model = nn.Sequential(layer, nn.Flatten())
    rule = {"linear": table, "conv1d": table, "conv2d": table}
    ev = Evaluator(model, x, labels(70), threads=2)
    row = ev.certificate(by_type(**rule)).layers[0]
    expected = layer_sums(layer, x, table)
    assert torch.equal(ev.forward(by_type(**rule)), expected.floats().flatten(1))
    assert row.used == max(abs(value) for value in expected.values.ravel())
    assert row.reach == expected.reach
    assert row.bound >= row.reach >= row.used
    assert row.unit == 2.0**-expected.frac
    assert (row.inputs.beyond, row.inputs.total) == (expected.saturated, x.numel())
    _, weights = to_codes(layer.weight, table, "weight")
    assert (row.weights.beyond, row.weights.total) == (weights, layer.weight.numel())
    assert (row.biases is None) == (layer.bias is None)


def test_a_counterexample() -> None:
    """2^24 + 1 + 1: in this order float32 drops each one."""
    ev = Evaluator(one_layer([[1024.0, 1.0, 1.0]]), torch.tensor([[1.0, 1, 1], [16384, 1, 1]]), labels(2))
    found = ev.certificate(by_type(linear=integer(16, 0)))
    row = found.layers[0]
    assert row.counterexample == chop.certificate.Counterexample(1, 0, 2.0**24 + 2, 2.0**24)
    assert not (row.exact or row.exact_on_data or found.exact or found.quantized_part_is_exact)
    assert row.used_bits == 26 and row.used == 2**24 + 2
    for part in ("float32 is exact below 2^24", "row 1, output 0", "16777218.0", "16777216.0"):
        assert part in row.reason


def test_exact_on_data_only() -> None:
    ev = Evaluator(one_layer([[1024.0, 1.0, 1.0]]), torch.tensor([[1.0, 1, 1]]), labels(1))
    found = ev.certificate(by_type(linear=integer(16, 0)))
    assert found.exact_on_data and found.quantized_part_is_exact and not found.exact
    assert found.layers[0].counterexample is None and "which is exact" in found.layers[0].reason
    assert "exact on these 1 rows" in repr(found)


def test_outputs_are_what_the_next_layer_saturates() -> None:
    model = nn.Sequential(
        *one_layer([[1.0], [2.0]]), nn.ReLU(), nn.Identity(), *one_layer([[1.0, 1.0]]), nn.ReLU()
    )
    x = torch.tensor([[-9.0], [1.0], [5.0], [20.0]])
    config = {
        "by": "name",
        "default": FLOAT,
        "_0": {"config": integer(16, 4)},
        "_3": {"config": integer(8, 4)},
    }
    found = Evaluator(model, x, labels(4)).certificate(config)
    assert found["_0"].outputs == found["_3"].inputs
    assert (found["_3"].inputs.beyond, found["_3"].inputs.total) == (3, 8)  # 10, 20 and 40 pass 7.9375
    assert found["_3"].outputs is None
    with pytest.raises(KeyError, match="no row for '_9'; rows: _0, _3"):
        found["_9"]


def test_quantized_activations_have_rows_without_sums() -> None:
    model, (x, y) = chain((6, 5, 3)), data(90, 6, 3)
    found = Evaluator(model, x, y).certificate(by_type(linear=integer(8, 4), relu=integer(6, 3)))
    assert [row.op for row in found.layers] == ["relu", "linear", "relu", "linear", "relu"]
    relu = found.layers[2]
    assert relu.road == "values" and relu.bound is None and relu.accumulator_bits is None and relu.exact
    assert relu.inputs.total == 90 * 5 and found.layers[1].outputs == relu.inputs
    assert found.exact


def test_float_layers_are_rows_and_reasons() -> None:
    model, (x, y) = chain((6, 5, 4, 3)), data(90, 6, 3)
    ev = Evaluator(model, x, y)
    middle = ev.certificate({"by": "name", "default": FLOAT, "_5": {"config": integer(8, 4)}})
    assert [(row.node, row.road, row.exact, row.reason) for row in middle.layers] == [
        ("_2", "float", False, "not quantized"),
        ("_5", "int8", True, ""),
        ("_8", "float", False, "not quantized"),
    ]
    assert not middle.exact and not middle.quantized_part_is_exact
    assert [reason.split(" ")[0] for reason in middle.between] == ["_2"]
    assert [reason.split(" ")[0] for reason in middle.behind] == ["_8"]
    first = ev.certificate({"by": "name", "default": FLOAT, "_2": {"config": integer(8, 4)}})
    assert first.quantized_part_is_exact and not first.exact and first.between == ()


def test_a_layer_with_nan_is_not_counted() -> None:
    model, (x, y) = chain((6, 5, 3)), data(90, 6, 3)
    x[70, 2] = NAN
    config = by_type(linear=integer(8, 4))
    found = Evaluator(model, x, y).certificate(config)
    assert [row.road for row in found.layers] == ["fp32", "fp32"]
    assert all(row.used is None and row.used_bits is None and row.exact for row in found.layers)
    wide = Evaluator(model, x, y).certificate(by_type(linear=integer(16, 8))).layers[0]
    assert "the data holds NaN" in wide.reason and not wide.exact_on_data
    x[70, 2] = float("inf")
    ends = Evaluator(model, x, y).certificate(config)
    assert all(row.used is not None and row.inputs.beyond > 0 for row in ends.layers[:1])


def test_nan_weights_have_no_bound() -> None:
    found = Evaluator(one_layer([[NAN, 1.0]]), torch.ones(3, 2), labels(3)).certificate(
        by_type(linear=integer(8, 4))
    )
    row = found.layers[0]
    assert not found.exact and "hold NaN" in row.reason and row.accumulator_bits is None
    assert json.loads(found.to_json())["layers"][0]["bound"] is None


def test_as_text_html_and_json() -> None:
    model, (x, y) = chain((6, 5, 3)), data(90, 6, 3)
    found = Evaluator(model, x, y).certificate(by_type(linear=integer(8, 4)))
    assert isinstance(found, Certificate)
    lines = repr(found).splitlines()
    assert lines[0].split()[:3] == ["node", "op", "road"] and lines[1].split()[:3] == ["_2", "linear", "int8"]
    assert lines[-1] == "exact for any input"
    assert found._repr_html_().count("<tr>") == 3
    table = json.loads(found.to_json())
    assert table["exact"] is True and table["rows"] == 90
    first = table["layers"][0]
    assert first["accumulator_bits"] == found.layers[0].accumulator_bits >= first["used_bits"]
    assert first["inputs"]["percent"] == found.layers[0].inputs.percent


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads: int) -> None:
    model, (x, y) = chain((6, 5, 3)), data(9000, 6, 3)
    config = by_type(linear=integer(16, 9), relu=integer(12, 6))
    alone = Evaluator(model, x, y).certificate(config)
    assert Evaluator(model, x, y, threads=threads).certificate(config) == alone


def test_what_bits_do_not_hold_is_named() -> None:
    """Behind the last quantized layer it is no harm."""
    first, last = nn.Linear(4, 4), nn.Linear(4, 3)
    x, config = torch.randn(20, 4), by_type(linear=integer(8, 4))
    before = Evaluator(nn.Sequential(first, nn.Sigmoid(), last), x, labels(20)).certificate(config)
    assert all(row.exact for row in before.layers) and not before.exact and not before.quantized_part_is_exact
    assert before.between == ("_1 (sigmoid) gives other bits on other machines",) and before.behind == ()
    assert before["_0"].outputs == before["_2"].inputs
    after = Evaluator(nn.Sequential(first, nn.ReLU(), last, nn.Sigmoid()), x, labels(20)).certificate(config)
    assert after.exact and after.behind == ("_3 (sigmoid) gives other bits on other machines",)
    assert repr(after).splitlines()[-1].startswith("behind the last quantized layer: _3")


def test_what_torch_computes_is_named() -> None:
    class Sorted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(torch.cumsum(self.a(x), 1))

    ev = Evaluator(Sorted(), torch.randn(20, 4), labels(20))
    (name,) = ev.torch_nodes
    found = ev.certificate(by_type(linear=integer(8, 4)))
    assert not found.exact and len(found.between) == 1
    assert found.between[0].startswith(name) and "computed by torch" in found.between[0]
