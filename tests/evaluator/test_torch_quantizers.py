"""Quantizers without a native twin, and quantized nodes that the core does not know, go through torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph
from chop.nn.quantizers import QUANTIZERS, IntegerSpec
from chop.passes.graph import quantize_transform_pass

from .models import by_type, chain, data, integer
from .torch_models import CLASSES, FEATURES, MODELS, model_of, quantized


class Downward(IntegerSpec):
    """The integer grid, rounding down: a quantizer of the user's own, in Python alone."""

    name = "downward"
    class_suffix = "Downward"

    def quantizer(self, format: Any) -> Any:
        low = -(2 ** (format.width - 1)) if format.is_signed else 0
        high = 2 ** (format.width - format.is_signed) - 1
        return lambda x: torch.floor(x * 2.0**format.frac_width).clamp(low, high) * 2.0**-format.frac_width

    def fused(self, formats: Any) -> Any:
        return None


@pytest.fixture
def downward() -> Iterator[dict[str, Any]]:
    QUANTIZERS["downward"] = Downward()
    yield {**integer(8, 4), "name": "downward"}
    del QUANTIZERS["downward"]


def test_parameters_are_snapshots() -> None:
    model = MODELS["parameter"]
    x, y = data(50, FEATURES, CLASSES)
    ev = Evaluator(model, x, y)
    config = by_type(linear={"name": "downward", **{k: v for k, v in integer(8, 4).items() if k != "name"}})
    QUANTIZERS["downward"] = Downward()
    try:
        before, quantized_before = ev.forward(), quantized(model, config, x)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
        try:
            assert torch.equal(ev.forward(), before)
            assert torch.equal(ev.forward(config), quantized_before)
        finally:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(1.0)
    finally:
        del QUANTIZERS["downward"]


def test_a_quantizer_of_ones_own(downward: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    model, (x, y) = chain((6, 5, 4)), data(300, 6, 4)
    ev = Evaluator(model, x, y, threads=2)
    configs = [
        by_type(linear=downward, relu=downward),
        by_type(linear=integer(8, 4)),
        by_type(linear=integer(8, 4), relu=downward),
        None,
        by_type(linear={**downward, "weight_width": 4}),
        by_type(linear={**downward, "bypass": True}, relu=integer(8, 4)),
    ]
    for config, metrics in zip(configs, ev.evaluate_many(configs), strict=True):
        logits = ev.forward(config)
        assert metrics.correct == int((logits.argmax(1) == y).sum())
        if config is not None:
            torch.testing.assert_close(logits, quantized(model, config, x), rtol=0, atol=2e-5)
    assert "'downward' has no native twin" in caplog.text and len(caplog.records) == 1
    assert set(ev.torch_nodes) == {"_1", "_2", "_4", "_5", "_7"}


def test_a_quantizer_of_ones_own_is_exact_where_sums_are(downward: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, (x, y) = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).eval(), data(300, 6, 4)
    ev = Evaluator(model, x, y)
    for config in (by_type(linear=downward, relu=downward), by_type(linear=integer(8, 4), relu=downward)):
        assert torch.equal(ev.forward(config), quantized(model, config, x))


def test_calls_of_a_config_are_made_once(downward: dict[str, Any]) -> None:
    ev = Evaluator(chain((6, 5, 4)), *data(100, 6, 4))
    config = by_type(linear=downward)
    ev.evaluate(config)
    kept = dict(ev._torch._kept)
    ev.evaluate(by_type(linear=dict(reversed(downward.items()))))
    assert ev._torch._kept == kept and len(kept) == 2
    for width in range(2, 30):
        for frac in range(12):
            ev._formats(by_type(linear={**downward, "data_in_width": width, "data_in_frac_width": frac}))
    assert len(ev._torch._kept) <= 512
    assert ev.torch_nodes["_2"] > 0.0  # the time of calls that are gone counts


def test_quantized_nodes_inside_a_folded_one(downward: dict[str, Any]) -> None:
    model = model_of("Turned", lambda self, x: (torch.relu(x.t() - 0.3) + x.t()).t())
    x, y = data(120, FEATURES, CLASSES)
    ev = Evaluator(model, x, y)
    for kind in (integer(7, 4), downward):
        config = by_type(linear=kind, relu=kind, add=kind, sub=kind)
        torch.testing.assert_close(ev.forward(config), quantized(model, config, x), rtol=0, atol=1e-5)


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(2 * x)


def test_a_relative_of_a_layer_is_not_taken_for_it() -> None:
    x, y = data(60, FEATURES, CLASSES)
    torch.manual_seed(1)
    graph = MaseGraph(nn.Sequential(Doubled(FEATURES, CLASSES)).eval(), leaf_modules=(Doubled,))
    torch.testing.assert_close(
        Evaluator(graph, x, y).forward(), graph.model(x).detach(), rtol=1e-5, atol=1e-5
    )


def test_padding_that_the_core_does_not_know() -> None:
    torch.manual_seed(1)
    conv = nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular")
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(15, CLASSES)).eval()
    x, y = data(60, 10, CLASSES)
    x = x.view(60, 2, 5)
    ev = Evaluator(model, x, y)
    torch.testing.assert_close(ev.forward(), model(x).detach(), rtol=1e-5, atol=1e-5)
    config = by_type(conv1d=integer(8, 4), linear=integer(8, 4), relu=integer(8, 4))
    assert torch.equal(ev.forward(config), quantized(model, config, x))


def test_a_quantized_graph_is_lowered_as_the_float_one() -> None:
    x, y = data(60, FEATURES, CLASSES)
    for name in ("alpha", "residual"):
        config = by_type(linear=integer(6, 3), add=integer(6, 3), mul=integer(6, 3), relu=integer(6, 3))
        graph, _ = quantize_transform_pass(MaseGraph(MODELS[name]), config)
        ev, plain = Evaluator(graph, x, y), Evaluator(MODELS[name], x, y)
        assert torch.equal(ev.forward(), plain.forward())
        assert torch.equal(ev.forward(config), plain.forward(config))
