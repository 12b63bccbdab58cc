"""What the core does not know goes through torch for that node only, and gives what torch gives."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph

from .models import by_type, chain, data, integer
from .torch_models import CLASSES, FEATURES, MODELS, Swirl, model_of, quantized


@pytest.mark.parametrize("name", MODELS)
def test_the_float_model_is_torchs(name: str) -> None:
    x, y = data(150, FEATURES, CLASSES)
    ev = Evaluator(MODELS[name], x, y)
    with torch.no_grad():
        expected = MODELS[name](x)
    torch.testing.assert_close(ev.forward(), expected, rtol=1e-5, atol=1e-5)
    metrics = ev.evaluate()
    assert metrics.correct == int((ev.forward().argmax(1) == y).sum())
    assert metrics.loss == pytest.approx(nn.functional.cross_entropy(expected, y).item(), abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_layers_around_are_quantized_bit_for_bit(name: str) -> None:
    x, y = data(150, FEATURES, CLASSES)
    for config in (
        by_type(linear=integer(8, 4)),
        by_type(
            linear=integer(6, 3), relu=integer(8, 5), add=integer(7, 4), mul=integer(7, 4), sub=integer(7, 4)
        ),
    ):
        got = Evaluator(MODELS[name], x, y).forward(config)
        if "lstm" in name or name == "softmax":  # sums whose order torch chooses by the number of rows
            assert (
                float(((got - quantized(MODELS[name], config, x)).abs() < 1e-5).all(1).float().mean()) > 0.95
            )
        else:
            assert torch.equal(got, quantized(MODELS[name], config, x))


def test_one_warning_names_the_nodes_and_time_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    x, y = data(100, FEATURES, CLASSES)
    model = model_of("Two", lambda self, x: self.swirl(torch.erf(x)))
    with caplog.at_level(logging.WARNING):
        ev = Evaluator(MaseGraph(model, leaf_modules=(Swirl,)), x, y)
    assert [r.message for r in caplog.records] == [
        "evaluator: nodes erf (erf), swirl (Swirl) go through torch"
    ]
    assert list(ev.torch_nodes.values()) == [0.0, 0.0]
    ev.evaluate()
    before = ev.torch_nodes
    assert set(before) == {"erf", "swirl"} and all(0.0 < seconds < 10.0 for seconds in before.values())
    ev.evaluate(by_type(linear=integer(8, 4)))
    assert all(ev.torch_nodes[name] > seconds for name, seconds in before.items())


def test_a_model_that_the_core_knows_needs_no_torch(caplog: pytest.LogCaptureFixture) -> None:
    ev = Evaluator(chain((6, 5, 4)), *data(100, 6, 4))
    ev.evaluate(by_type(linear=integer(8, 4)))
    assert ev.torch_nodes == {} and not caplog.records


@pytest.mark.parametrize("name", ["sin", "own", "max", "residual"])
def test_threads_and_company_change_no_bit(name: str) -> None:
    x, y = data(9001, FEATURES, CLASSES)
    configs = [None, by_type(linear=integer(8, 4)), by_type(relu=integer(6, 3)), by_type(add=integer(5, 2))]
    alone = Evaluator(MODELS[name], x, y)
    expected, logits = [alone.evaluate(c) for c in configs], [alone.forward(c) for c in configs]
    for threads in (1, 2, 3, 4):
        ev = Evaluator(MODELS[name], x, y, threads=threads)
        assert ev.evaluate_many(configs) == expected
        assert ev.evaluate_many(configs[::-1]) == expected[::-1]
        assert all(torch.equal(ev.forward(c), z) for c, z in zip(configs, logits, strict=True))


def test_two_python_threads_at_once() -> None:
    x, y = data(9001, FEATURES, CLASSES)
    ev = Evaluator(MODELS["residual"], x, y, threads=4)
    configs = [None, by_type(linear=integer(8, 4)), by_type(add=integer(5, 2))]
    expected, threads_before = ev.evaluate_many(configs), torch.get_num_threads()
    found: list[Any] = []
    workers = [
        threading.Thread(target=lambda: found.extend(ev.evaluate_many(configs) for _ in range(5)))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    assert found == [expected] * 10
    assert torch.get_num_threads() == threads_before


def test_batches_of_all_sizes() -> None:
    x, y = data(200, FEATURES, CLASSES)
    config = by_type(linear=integer(8, 4))
    expected = quantized(MODELS["mask"], config, x)
    for rows in (*range(1, 8), 31, 63, 64, 65, 127, 128, 129, 199, 200):
        assert torch.equal(Evaluator(MODELS["mask"], x[:rows], y[:rows]).forward(config), expected[:rows])


def test_torch_gets_many_rows_at_a_time() -> None:
    class Counter(nn.Module):
        calls: ClassVar[list[int]] = []

        def forward(self, x: Tensor) -> Tensor:
            self.calls.append(len(x))
            return x.tan()

    x, y = data(5000, 5, 5)
    ev = Evaluator(MaseGraph(nn.Sequential(nn.Linear(5, 5), Counter()), leaf_modules=(Counter,)), x, y)
    Counter.calls.clear()
    ev.evaluate()
    assert Counter.calls == [4096, 904]


def test_a_normalisation_in_training_mode_is_in_eval_mode_here() -> None:
    model = nn.Sequential(
        nn.Linear(6, 4), nn.InstanceNorm1d(4), nn.Dropout(0.5), nn.AlphaDropout(0.5)
    ).train()
    model[0].weight.data.mul_(math.pi)
    x, y = data(80, 6, 4)
    logits = Evaluator(nn.Sequential(model[0], model[2], model[3], nn.Tanhshrink()), x, y).forward()
    with torch.no_grad():
        torch.testing.assert_close(logits, nn.functional.tanhshrink(model[0](x)), rtol=1e-5, atol=1e-5)
