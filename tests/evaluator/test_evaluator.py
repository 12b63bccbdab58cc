"""The evaluator against torch: the quantized graph, torchmetrics, cross-entropy."""

from __future__ import annotations

import threading
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from chop import Evaluator, MaseGraph
from chop.passes.graph import quantize_transform_pass

from .models import by_type, chain, data, integer

SIZES = (16, 16, 8, 5)


def quantized_by_torch(model: nn.Module, config: dict, x: torch.Tensor) -> torch.Tensor:
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        return graph.model.eval()(x)


CONFIGS = {
    "8/4": by_type(linear=integer(8, 4)),
    "4/2": by_type(linear=integer(4, 2)),
    "bias finer": by_type(linear=integer(6, 3, 4, 3, 10, 9)),
    "bias coarser": by_type(linear=integer(6, 3, 4, 3, 7, -1)),
    "negative fraction": by_type(linear=integer(5, -1, 6, 4, 8, 2)),
    "fraction over width": by_type(linear=integer(4, 6, 4, 7, 4, 5)),
    "with relu": by_type(linear=integer(8, 4), relu=integer(6, 3)),
    "only relu": by_type(relu=integer(5, 2)),
    "no fraction given": by_type(linear=integer(8, None)),
    "first by name": {"by": "name", "default": {"config": {"name": None}}, "_2": {"config": integer(8, 5)}},
    "bypass": by_type(linear={**integer(8, 4), "bypass": True}, relu=integer(8, 4)),
    "regex": {"by": "regex_name", "default": {"config": {"name": None}}, "_[25]": {"config": integer(7, 4)}},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_the_quantized_graph(name: str) -> None:
    model, (x, y) = chain(SIZES), data(1003, 16, 5)
    ev = Evaluator(MaseGraph(model), x, y)
    expected = quantized_by_torch(model, CONFIGS[name], x)
    found = ev.forward(CONFIGS[name])
    roads = ev.roads(CONFIGS[name])
    if all(layer.exact for layer in roads):
        assert torch.equal(found, expected)
    else:
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-4)
        assert name in ("only relu", "first by name", "bypass", "regex"), (
            f"{name} should be exact, got {roads}"
        )


formats = st.tuples(st.integers(1, 12), st.integers(-3, 12))
cases = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.integers(1, 33), min_size=2, max_size=4),
        "seed": st.integers(0, 10_000),
        "rows": st.sampled_from([1, 2, 63, 64, 65, 300]),
        "widths": st.tuples(formats, formats, formats),
        "relu": st.none() | formats,
        "first_norm": st.booleans(),
    }
)


def check_against_torch(sizes, seed, rows, widths, relu, first_norm) -> None:
    model, (x, y) = chain(tuple(sizes), seed, first_norm), data(rows, sizes[0], sizes[-1], seed)
    rules = {"linear": integer(*(n for pair in widths for n in pair))}
    if relu:
        rules["relu"] = integer(*relu)
    ev = Evaluator(model, x, y)
    found, expected = ev.forward(by_type(**rules)), quantized_by_torch(model, by_type(**rules), x)
    if all(layer.exact for layer in ev.roads(by_type(**rules))):
        assert torch.equal(found, expected)
    else:
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(cases)
def test_bit_equal_wherever_the_bound_allows(case: dict) -> None:
    check_against_torch(**case)


@pytest.mark.soak
@settings(max_examples=2000, deadline=None)
@given(cases)
def test_bit_equal_wherever_the_bound_allows_soak(case: dict) -> None:
    check_against_torch(**case)


def test_wide_formats_take_the_double_road_and_equal_a_float64_model() -> None:
    model, (x, y) = nn.Sequential(nn.Linear(16, 5)), data(500, 16, 5)
    config = by_type(linear=integer(24, 16))
    ev = Evaluator(model, x, y)
    (layer,) = ev.roads(config)
    assert layer.road == "fp64" and layer.bound >= 2**24

    def on_grid(t: torch.Tensor) -> torch.Tensor:
        return ((t * 2.0**16).round().clamp(-(2**23), 2**23 - 1) / 2.0**16).double()

    expected = F.linear(on_grid(x), on_grid(model[0].weight), on_grid(model[0].bias)).float()
    assert torch.equal(ev.forward(config), expected)


def test_the_bound_is_the_worst_case_sum_in_grid_units() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    model[0].weight.data.copy_(torch.tensor([[0.5, -1.25]]))
    model[0].bias.data.fill_(0.75)
    ev = Evaluator(model, torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    (layer,) = ev.roads(by_type(linear=integer(4, 1, 8, 2, 8, 4)))
    # codes: weights 2 and -5 (times at most 8, one product unit is two grid units), bias 12 grid units of 2^-4
    assert layer.bound == (2 + 5) * 8 * 2 + 12


def test_float_model_and_metrics() -> None:
    model, (x, y) = chain(SIZES), data(5001, 16, 5)
    ev = Evaluator(MaseGraph(model), x, y)
    with torch.no_grad():
        logits = model(x)
    found = ev.evaluate()
    assert torch.allclose(ev.forward(), logits, rtol=1e-4, atol=1e-4)  # sums in another order
    assert found.rows == 5001
    assert found.loss == pytest.approx(F.cross_entropy(logits.double(), y).item(), rel=1e-6)
    assert found.accuracy == pytest.approx(MulticlassAccuracy(5)(logits, y).item(), abs=1e-6)
    assert found.accuracy_micro == pytest.approx((logits.argmax(1) == y).double().mean().item(), abs=1e-12)
    assert found.correct == int((logits.argmax(1) == y).sum())
    assert ev.evaluate(loss=False).loss is None


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 2], [0, 1, 2]])
def test_macro_accuracy_skips_only_classes_that_never_occur(labels: list[int]) -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    model[0].weight.data.copy_(torch.eye(4))
    x, y = torch.eye(4)[[0, 1, 1]], torch.tensor(labels)
    assert Evaluator(model, x, y).evaluate().accuracy == pytest.approx(MulticlassAccuracy(4)(x, y).item())


def test_ties_take_the_first_class_and_nan_wins_as_in_torch() -> None:
    rows = torch.tensor(
        [[1.0, 1.0, 0.0], [0.0, float("nan"), 5.0], [float("nan"), 1.0, float("nan")], [-1.0, -1.0, -1.0]]
    )
    model = nn.Sequential(nn.ReLU())
    for row in rows:
        expected = model(row).argmax().item()
        ev = Evaluator(model, row[None], torch.tensor([expected]))
        assert ev.evaluate().correct == 1, row


def test_nan_stays_in_its_row_and_infinity_is_clamped() -> None:
    model, (x, y) = chain(SIZES), data(130, 16, 5)
    x[7, 3], x[64, 0] = float("nan"), float("inf")
    config = CONFIGS["8/4"]
    found, expected = Evaluator(model, x, y).forward(config), quantized_by_torch(model, config, x)
    assert torch.equal(found.isnan(), expected.isnan()) and found.isnan().any()
    assert torch.equal(found.nan_to_num(), expected.nan_to_num())


def test_extreme_logits_keep_the_loss_finite() -> None:
    model = nn.Sequential(nn.ReLU())
    x = torch.tensor([[0.0, 3e38], [1e4, 0.0]])
    found = Evaluator(model, x, torch.tensor([1, 1])).evaluate()
    assert found.loss == pytest.approx(F.cross_entropy(x.double(), torch.tensor([1, 1])).item(), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 4095, 4097, 9000])
def test_threads_and_company_change_nothing(rows: int) -> None:
    model, (x, y) = chain(SIZES), data(rows, 16, 5)
    configs = [None, *CONFIGS.values()]
    alone = [Evaluator(model, x, y).evaluate(config) for config in configs]
    for threads in (1, 2, 4):
        ev = Evaluator(model, x, y, threads=threads)
        assert ev.evaluate_many(configs) == alone
        assert ev.evaluate_many(configs[::-1]) == alone[::-1]
        assert torch.equal(ev.forward(CONFIGS["8/4"]), Evaluator(model, x, y).forward(CONFIGS["8/4"]))


def test_calls_from_several_threads() -> None:
    model, (x, y) = chain(SIZES), data(3000, 16, 5)
    ev = Evaluator(model, x, y, threads=2)
    expected = ev.evaluate(CONFIGS["8/4"])
    found: list = []
    workers = [
        threading.Thread(target=lambda: found.extend(ev.evaluate(CONFIGS["8/4"]) for _ in range(20)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 80


def test_later_changes_of_model_and_data_are_not_seen() -> None:
    model, (x, y) = chain(SIZES), data(200, 16, 5)
    ev = Evaluator(model, x, y)
    before = ev.forward(CONFIGS["8/4"])
    with torch.no_grad():
        x.zero_()
        for p in model.parameters():
            p.zero_()
    assert torch.equal(ev.forward(CONFIGS["8/4"]), before)


def test_a_config_is_a_value() -> None:
    model, (x, y) = chain(SIZES), data(200, 16, 5)
    ev, config = Evaluator(model, x, y), by_type(linear=integer(8, 4))
    first = ev.evaluate(config)
    ev.evaluate(CONFIGS["4/2"])
    assert ev.evaluate(config) == first and config == by_type(linear=integer(8, 4))


def test_strided_double_and_grad_inputs_are_taken() -> None:
    model, (x, y) = chain(SIZES), data(100, 16, 5)
    expected = Evaluator(model, x, y).evaluate()
    strided = torch.stack([x, x], 2)[:, :, 0].requires_grad_()
    assert not strided.is_contiguous()
    assert Evaluator(model, strided, y.int()).evaluate() == expected
    assert Evaluator(model, x.double(), y).evaluate() == expected


@pytest.mark.parametrize("threads", [1, 3])
def test_shared_prefixes_change_nothing(threads: int) -> None:
    model, (x, y) = chain(SIZES), data(700, 16, 5)
    formats = [integer(8, 4), integer(4, 2), integer(24, 14), None]
    configs = [
        {
            "by": "name",
            "default": {"config": {"name": None}},
            **{
                name: {"config": f}
                for name, f in zip(("_2", "_5", "_8"), chosen, strict=True)
                if f is not None
            },
        }
        for chosen in product(formats, repeat=3)
    ]
    shuffled = torch.randperm(len(configs), generator=torch.Generator().manual_seed(5)).tolist()
    configs = [configs[i] for i in shuffled] + configs[:5]
    ev = Evaluator(model, x, y, threads=threads)
    assert ev.evaluate_many(configs) == [ev.evaluate(config) for config in configs]


def test_no_configs_no_results() -> None:
    model, (x, y) = chain((4, 3)), data(10, 4, 3)
    assert Evaluator(model, x, y, threads=2).evaluate_many([]) == []


def test_a_rule_for_nothing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    ev = Evaluator(nn.Sequential(nn.Linear(3, 2)), torch.rand(4, 3), torch.tensor([0, 1, 1, 0]))
    config = by_type(linear=integer(8, 4), conv2d=integer(8, 4))
    assert ev.evaluate(config) == ev.evaluate(by_type(linear=integer(8, 4)))
    ev.evaluate(by_type(linear=integer(6, 4), conv2d=integer(6, 4)))
    told = [record.message for record in caplog.records]
    assert told == ["evaluate: with by = 'type' these keys apply to no node that can be quantized: 'conv2d'"]
