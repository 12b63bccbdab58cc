"""What the core does not know goes through torch for that node only, and gives what torch gives."""

from __future__ import annotations

import gc
import logging
import math
import threading
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph
from chop.nn.quantizers import QUANTIZERS, IntegerSpec
from chop.passes.graph import quantize_transform_pass

from .models import by_type, chain, data, integer

FEATURES, CLASSES = 6, 4


class Swirl(nn.Module):
    """An activation of the user's own, with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.pitch = nn.Parameter(torch.linspace(0.5, 2.0, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return torch.atan(x * self.pitch) * x.new_ones(x.size(0), 1)


class Ends(nn.Module):
    """Linear layers around something that the core does not know."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)
        self.scale = nn.Parameter(torch.linspace(-1.0, 1.0, FEATURES))
        self.swirl = Swirl()
        self.lstm = nn.LSTM(2, 2, batch_first=True)
        self.seq_lstm = nn.LSTM(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(torch.relu(self.first(x))))

    def middle(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def model_of(name: str, middle: Any) -> Ends:
    return type(name, (Ends,), {"middle": middle})().eval()


def _chunked(self: Ends, x: Tensor) -> Tensor:
    a, b = torch.chunk(x, 2, dim=1)
    return torch.cat([b, a * 2], dim=1)


def _split_sizes(self: Ends, x: Tensor) -> Tensor:
    a, _, c = torch.split(x, [1, 2, 3], dim=1)
    return torch.cat([c, a.expand(x.size(0), 3)], 1)


def _maximum(self: Ends, x: Tensor) -> Tensor:
    values, places = x.view(x.size(0), 2, 3).max(dim=2)
    one_hot = nn.functional.one_hot(places, 3).to(torch.float32)
    return (one_hot * values.unsqueeze(-1)).flatten(1)


def _masked(self: Ends, x: Tensor) -> Tensor:
    return torch.where(x > 0.5, x, -x) * (x < 2.0)


def _lstm(self: Ends, x: Tensor) -> Tensor:
    out, (hidden, _) = self.lstm(x.view(-1, 3, 2))
    return torch.cat([out.flatten(1)[:, :4], hidden[-1]], dim=1)


def _lstm_sequence_first(self: Ends, x: Tensor) -> Tensor:
    out, _ = self.seq_lstm(x.view(-1, 3, 2).permute(1, 0, 2))
    return out.permute(1, 0, 2).reshape(-1, 6)


def _residual(self: Ends, x: Tensor) -> Tensor:
    return torch.sin(x) + x * self.scale.exp()


def _size_made(self: Ends, x: Tensor) -> Tensor:
    ones = x.new_ones(x.shape[0], 1)
    return torch.cat([x[:, :5], ones], dim=1)


MODELS = {
    "sin": model_of("Sin", lambda self, x: torch.sin(x)),
    "erf": model_of("Erf", lambda self, x: torch.erf(x).abs()),
    "own": model_of("Own", lambda self, x: self.swirl(x)),
    "einsum": model_of("Einsum", lambda self, x: torch.einsum("bi,oi->bo", x, self.first.weight)),
    "parameter": model_of("Parameter", lambda self, x: x + self.scale),
    "alpha": model_of("Alpha", lambda self, x: torch.add(x, x.cos(), alpha=2)),
    "gelu": model_of("Gelu", lambda self, x: nn.functional.gelu(x, approximate="tanh")),
    "softmax": model_of("Softmax", lambda self, x: torch.softmax(x, dim=-1) * 5),
    "sum": model_of("Sum", lambda self, x: x - x.mean(1, keepdim=True)),
    "chunk": model_of("Chunk", _chunked),
    "split": model_of("Split", _split_sizes),
    "max": model_of("Max", _maximum),
    "mask": model_of("Mask", _masked),
    "lstm": model_of("Lstm", _lstm),
    "lstm sequence first": model_of("LstmFirst", _lstm_sequence_first),
    "residual": model_of("Residual", _residual),
    "sizes": model_of("Sizes", _size_made),
}


def quantized(model: nn.Module, config: dict[str, Any], x: Tensor) -> Tensor:
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        return graph.model.eval()(x)


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


@pytest.mark.parametrize(
    ("middle", "message"),
    [
        (lambda self, x: x - x.mean(0, keepdim=True), r"node sub \(sub\) mixes the rows"),
        (lambda self, x: torch.softmax(x, dim=0), r"node softmax \(softmax\) mixes the rows"),
        (lambda self, x: x.flip(0).exp(), r"node flip \(flip\) mixes the rows"),
        (lambda self, x: x * torch.rand_like(x), r"node rand_like \(rand_like\) depends on chance"),
        (lambda self, x: torch.cumsum(x, 0), r"node cumsum \(cumsum\) mixes the rows"),
        (lambda self, x: x.exp_() + x, r"node exp_ \(exp_\) overwrites the value of relu"),
        (lambda self, x: torch.einsum("bi,ci->bc", x, x)[:, :6], r"mixes|fails"),
        (lambda self, x: torch.sin(x).view(7, -1), "view"),
        (lambda self, x: torch.erf(x).sum(0), r"."),
    ],
)
def test_nodes_that_depend_on_more_than_their_row_are_refused(middle: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluator(model_of("Bad", middle), *data(100, FEATURES, CLASSES))


def test_a_layer_that_cannot_be_copied_is_named() -> None:
    class Locked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

        def forward(self, x: Tensor) -> Tensor:
            return x

    graph = MaseGraph(nn.Sequential(Locked()), leaf_modules=(Locked,))
    with pytest.raises(ValueError, match=r"layer 0 \(Locked\) cannot be copied"):
        Evaluator(graph, *data(20, FEATURES, FEATURES))


def test_an_output_that_is_no_tensor_of_rows_is_refused() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x.max(dim=1)

    with pytest.raises(
        ValueError, match=r"the output, node max_1 \(max\), is no float32 tensor with the batch first"
    ):
        Evaluator(Pair(), *data(20, FEATURES, CLASSES))


class Fragile(nn.Module):
    """Fails on rows that the constructor has not seen."""

    broken = False

    def forward(self, x: Tensor) -> Tensor:
        if self.broken:
            raise KeyError("gone")
        return x.sinh()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_inside_names_the_node_and_leaves_the_evaluator_alive(threads: int) -> None:
    model = nn.Sequential(nn.Linear(FEATURES, CLASSES), Fragile())
    x, y = data(9000, FEATURES, CLASSES)
    ev = Evaluator(MaseGraph(model, leaf_modules=(Fragile,)), x, y, threads=threads)
    good = ev.evaluate()
    for _ in range(3):
        Fragile.broken = True
        try:
            with pytest.raises(RuntimeError, match=r"node _1 \(Fragile\) fails in torch: 'gone'"):
                ev.evaluate()
        finally:
            Fragile.broken = False
        assert ev.evaluate() == good


def test_nothing_is_kept_when_the_evaluator_goes() -> None:
    layer = Swirl()
    ev = Evaluator(MaseGraph(nn.Sequential(layer), leaf_modules=(Swirl,)), *data(10, FEATURES, FEATURES))
    ev.evaluate()
    inner = weakref.ref(ev._torch._snapshot.modules["0"])
    assert inner() is not layer
    del ev
    gc.collect()
    assert inner() is None


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


def test_a_module_may_keep_what_it_was_given() -> None:
    class Keeper(nn.Module):
        seen: ClassVar[list[Tensor]] = []

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(x)
            return x + 0.25

    x, y = data(100, 5, 5)
    ev = Evaluator(MaseGraph(nn.Sequential(Keeper()), leaf_modules=(Keeper,)), x, y)
    Keeper.seen.clear()
    ev.forward()
    assert torch.equal(torch.cat(Keeper.seen), x)


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


def test_a_normalisation_in_training_mode_is_in_eval_mode_here() -> None:
    model = nn.Sequential(
        nn.Linear(6, 4), nn.InstanceNorm1d(4), nn.Dropout(0.5), nn.AlphaDropout(0.5)
    ).train()
    model[0].weight.data.mul_(math.pi)
    x, y = data(80, 6, 4)
    logits = Evaluator(nn.Sequential(model[0], model[2], model[3], nn.Tanhshrink()), x, y).forward()
    with torch.no_grad():
        torch.testing.assert_close(logits, nn.functional.tanhshrink(model[0](x)), rtol=1e-5, atol=1e-5)
