"""sensitivity against a loop that quantizes the graph anew for each change and runs it in torch."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import chop
from chop import Evaluator, MaseGraph
from chop.nn.quantizers import QUANTIZERS, IntegerFormat
from chop.passes import quantize_transform_pass
from chop.sensitivities import Sensitivity, SensitivityRow
from tests.evaluator.models import chain, data, integer
from tests.evaluator.number_formats import FORMATS

ROWS = 300
OPERANDS = {"_1": ["data_in"], "_2": ["data_in", "weight", "bias"], "_4": ["data_in"]}
OPERANDS |= {"_5": ["data_in", "weight", "bias"], "_7": ["data_in"]}
BASE: dict[str, Any] = {
    "by": "name",
    "default": {"config": {"name": None}},
    **{node: {"config": integer(8, 4)} for node in OPERANDS},
}


@pytest.fixture(scope="module")
def model() -> nn.Sequential:
    return chain((6, 5, 4))


@pytest.fixture(scope="module")
def ev(model: nn.Sequential) -> Evaluator:
    return Evaluator(model, *data(ROWS, 6, 4))


def in_torch(model: nn.Module, config: dict[str, Any]) -> tuple[float, float]:
    """Micro accuracy and loss of the quantized graph."""
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    x, y = data(ROWS, 6, 4)
    with torch.no_grad():
        logits = graph.model(x)
    return (logits.argmax(1) == y).double().mean().item(), F.cross_entropy(logits.double(), y).item()


def changed(base: dict[str, Any], node: str, operands: list[str], width: int, frac: int) -> dict[str, Any]:
    table = dict(base[node]["config"])
    for operand in operands:
        table |= {f"{operand}_width": width, f"{operand}_frac_width": frac}
    return {**base, node: {"config": table}}


def check(row: SensitivityRow, model: nn.Module, config: dict[str, Any], ev: Evaluator) -> None:
    accuracy, loss = in_torch(model, config)
    assert row.accuracy_micro == accuracy
    assert row.loss == pytest.approx(loss, rel=1e-6)
    assert row.metrics == ev.evaluate(config)  # to the bit


def test_every_operand_alone_equals_the_loop(model: nn.Sequential, ev: Evaluator) -> None:
    formats = [(8, 4), (4, 2), (3, 0)]
    found = chop.sensitivity(ev, formats, base=BASE)
    rows = iter(found.rows)
    for node, operands in OPERANDS.items():
        for operand in operands:
            for width, frac in formats:
                row = next(rows)
                sign = node in ("_2", "_5")
                assert (row.node, row.operand, row.format) == (
                    node,
                    operand,
                    IntegerFormat(width, frac, sign),
                )
                check(row, model, changed(BASE, node, [operand], width, frac), ev)
                assert row.delta_accuracy == row.accuracy - found.base.accuracy
                assert row.delta_loss == row.loss - found.base.loss  # type: ignore[operator]
    assert next(rows, None) is None and not found.pairs and not found.layers
    assert found.base == ev.evaluate(BASE)
    assert all(row.delta_loss == 0.0 for row in found.rows if row.format.width == 8)
    assert found.most_sensitive() == max(found.rows, key=lambda row: row.delta_loss or 0.0)


def test_all_pairs_of_layers(model: nn.Sequential, ev: Evaluator) -> None:
    formats = [(5, 2), (3, 1)]
    found = chop.sensitivity(ev, formats, pairs=True, base=BASE)
    nodes = list(OPERANDS)
    assert [(row.node, row.format.width) for row in found.layers] == [
        (n, w) for n in nodes for w, _ in formats
    ]
    for row in found.layers:
        frac = row.format.frac_width
        check(row, model, changed(BASE, row.node, OPERANDS[row.node], row.format.width, frac), ev)
    expected = [(a, b, f) for i, a in enumerate(nodes) for b in nodes[i + 1 :] for f in formats]
    assert [(p.first.node, p.second.node) for p in found.pairs] == [(a, b) for a, b, _ in expected]
    for pair, (a, b, (width, frac)) in zip(found.pairs, expected, strict=True):
        config = changed(changed(BASE, a, OPERANDS[a], width, frac), b, OPERANDS[b], width, frac)
        check(pair.both, model, config, ev)
        losses = [row.delta_loss or 0.0 for row in (pair.both, pair.first, pair.second)]
        assert pair.interaction == losses[0] - losses[1] - losses[2]


def test_one_pass_over_the_data(ev: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    evaluate = ev._evaluate_formats
    monkeypatch.setattr(ev, "_evaluate_formats", lambda v, loss: calls.append(len(v)) or evaluate(v, loss))
    chop.sensitivity(ev, [(8, 4), (4, 2)], pairs=True, base=BASE)
    assert calls == [1 + 9 * 2 + 5 * 2 + 10 * 2]


def test_layers_that_are_float_in_the_base(model: nn.Sequential, ev: Evaluator) -> None:
    # A ReLU has one operand, so that its layer changes whole.
    found = chop.sensitivity(ev, {"data_in": [(4, 2)]}, base={**BASE, "_1": {"config": {"name": None}}})
    row = found.rows[0]
    assert (row.node, row.operand) == ("_1", "data_in")
    check(row, model, changed(BASE, "_1", ["data_in"], 4, 2), ev)


def single_operand(model: nn.Module, node: str, operand: str) -> torch.Tensor:
    """Logits with one operand of one layer on the (4, 2) grid and all else in float."""
    config = {"by": "name", "default": {"config": {"name": None}}, node: {"config": integer(4, 2)}}
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    layer: Any = graph.modules[node.removeprefix("_")]
    for name, quantizer in (("data_in", "x_quantizer"), ("weight", "w_quantizer"), ("bias", "b_quantizer")):
        if name != operand:
            setattr(layer, quantizer, None)
    with torch.no_grad():
        return graph.model(data(ROWS, 6, 4)[0])


def test_single_operands_beside_a_float_model(model: nn.Sequential, ev: Evaluator) -> None:
    found = chop.sensitivity(ev, [(4, 2)])
    y = data(ROWS, 6, 4)[1]
    for row in found.rows:
        logits = single_operand(model, row.node, row.operand)
        assert row.accuracy_micro == pytest.approx(
            (logits.argmax(1) == y).double().mean().item(), abs=2 / ROWS
        )
        assert row.loss == pytest.approx(F.cross_entropy(logits.double(), y).item(), rel=1e-5)
    assert found.base == ev.evaluate()


def test_what_best_formats_gives_is_taken(ev: Evaluator) -> None:
    best = chop.best_formats(ev, 6)
    found = chop.sensitivity(ev, best, base=BASE)
    assert [(row.node, row.operand, row.format) for row in found.rows] == [
        (row.node, row.operand, row.format) for row in best.rows
    ]


def test_a_module_called_twice_is_one_layer() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(relu, nn.BatchNorm1d(4).eval(), relu)
    x, y = data(50, 4, 4)
    found = chop.sensitivity(Evaluator(model, x, y), [(3, 1)])
    (row,) = found.rows
    config = {"by": "type", "default": {"config": {"name": None}}, "relu": {"config": integer(3, 1)}}
    assert len(row.nodes) == 2 and row.metrics == Evaluator(model, x, y).evaluate(config)


def test_without_loss_and_with_nan() -> None:
    x, y = torch.tensor([[1.0, 2.0], [5.0, 1.0]]), torch.tensor([1, 0])
    ev = Evaluator(nn.Sequential(nn.ReLU()), x, y)
    found = chop.sensitivity(ev, [(1, 0), (4, 0)], loss=False)
    assert found.most_sensitive().format.width == 1 and found.most_sensitive().delta_loss is None
    assert found.rows[1].delta_accuracy == 0.0 and "| - |" in repr(found).replace("   ", " ").replace(
        "  ", " "
    )
    ev = Evaluator(nn.Sequential(nn.ReLU()), torch.tensor([[math.nan, 1.0]]), torch.tensor([0]))
    assert chop.sensitivity(ev, [(4, 0)]).most_sensitive().harm == math.inf


def test_formats_in_every_spelling(ev: Evaluator) -> None:
    def formats(value: Any) -> list[tuple[str, str, int, bool]]:
        rows = chop.sensitivity(ev, value, base=BASE).rows
        return [(row.node, row.operand, row.format.frac_width, row.format.is_signed) for row in rows]

    assert formats((4, 1)) == formats([(4, 1)]) and len(formats((4, 1))) == 9
    assert formats({"weight": (4, None)}) == [("_2", "weight", 2, True), ("_5", "weight", 2, True)]
    assert formats(IntegerFormat(4, 3, True))[0] == ("_1", "data_in", 3, True)
    assert formats([(4, 3, True)]) == formats([IntegerFormat(4, 3, True)])
    assert formats({"_5": {"bias": [(4, 1), (5, 2)]}}) == [("_5", "bias", 1, True), ("_5", "bias", 2, True)]


def test_texts(ev: Evaluator) -> None:
    found: Sensitivity = chop.sensitivity(ev, [(4, 2)], pairs=True, base=BASE)
    assert (
        repr(found).startswith("base: accuracy ") and "u4.2" in repr(found) and "interaction" in repr(found)
    )
    assert found._repr_html_().count("<table>") == 2
    frame, pairs = found.to_frame(), found.pairs_to_frame()
    assert len(frame) == 9 + 5 and len(pairs) == 10
    assert list(frame["loss"])[:9] == [row.loss for row in found.rows]
    assert {"node", "other_node", "interaction", "delta_loss"} <= set(pairs.columns)


@pytest.mark.parametrize(
    ("formats", "options", "message"),
    [
        ([], {}, "must hold at least one format"),
        ("8.4", {}, "must be a list of formats"),
        ([(0, 1)], {}, "width must be 1..32, got 0"),
        ([(8, 65)], {}, "frac_width must be -64..64, got 65"),
        ([(8, True)], {}, "frac_width must be -64..64, got True"),
        ([(8, 4, 1)], {}, "signed must be True or False, got 1"),
        ([8], {}, "width must be|IntegerFormat or"),
        ([(8, 1, True, 3)], {}, r"a format is an IntegerFormat or \(width, frac_width"),
        ({"wieght": [(8, 4)]}, {}, r"no operand 'wieght' \(did you mean 'weight'\?\)"),
        ({"_3x": {"weight": (8, 4)}}, {}, "'_3x' is no node that can be quantized"),
        ({"_2": (8, 4), "_5": {"weight": (8, 4)}}, {}, "_2 must be a table operand -> formats"),
        ({"data_in": [(8, 4), (4, 2), (3, 1)], "weight": [(8, 4), (4, 2)]}, {"pairs": True}, "equally long"),
        (
            {"_2": {"weight": [(8, 4), (4, 2)]}, "_5": {"weight": [(8, 4), (4, 2), (2, 1)]}},
            {"pairs": True},
            "as many formats for each layer; _2 has 2, _5 has 3",
        ),
        ([(8, 4)], {"base": {"by": "tpye"}}, "by must be one of"),
    ],
)
def test_errors(ev: Evaluator, formats: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chop.sensitivity(ev, formats, **{"base": BASE, **options})


def test_something_else_than_an_evaluator() -> None:
    with pytest.raises(ValueError, match=r"ev must be a chop.Evaluator, got Linear"):
        chop.sensitivity(nn.Linear(1, 1), [(8, 4)])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_every_number_format_can_be_asked_for(name: str, model: nn.Sequential, ev: Evaluator) -> None:
    spec = QUANTIZERS[FORMATS[name]["name"]]
    format = spec.parse("linear", FORMATS[name], "test")["weight"]
    (row,) = chop.sensitivity(ev, {"_2": {"weight": [format]}}).rows
    changed_model = copy.deepcopy(model)
    with torch.no_grad():
        changed_model[2].weight.copy_(spec.quantizer(format)(changed_model[2].weight))
        x, y = data(ROWS, 6, 4)
        logits = changed_model(x)
    assert (row.node, row.operand, row.format) == ("_2", "weight", format)
    assert row.accuracy_micro == pytest.approx((logits.argmax(1) == y).double().mean().item(), abs=1 / ROWS)
    assert row.loss == pytest.approx(F.cross_entropy(logits.double(), y).item(), rel=1e-5)
