"""Nodes that torch computes: sizes as the graph says, memory that may outlive the call, errors that arrive."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
import torch

from chop import _core
from tests.native import plausible as p

X = torch.randn(5000, 4)
Y = p.labels(5000)
RELU = p.NAMES["relu"]


def evaluate(call: Any, threads: int = 1) -> Any:
    evaluator = _core.Evaluator(p.GRAPH, X, Y, threads, True)
    return evaluator.evaluate([_core.Formats([], [call])], [("loss", {})])


def relu(inputs: Any, output: Any, rows: int) -> None:
    x = torch.frombuffer(inputs[0], dtype=torch.float32)
    torch.frombuffer(output, dtype=torch.float32).copy_(x.clamp(min=0))


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        ([], 5),
        ([4], 5),
        ([6], 5),
        ([5, 5], 5),
        ([5], 4),
        ([5], 10**7),
        ([5], 0),
        ([5], -5),
        ([-5], 5),
        ([5], 1 << 62),
    ],
)
def test_sizes_are_those_of_the_node(inputs: list[int], output: int) -> None:
    call = _core.TorchCall(RELU, relu, inputs, output)
    with pytest.raises(ValueError, match=rf"node {RELU} must have input_sizes = \[5\] and output_size = 5"):
        evaluate(call)
    with pytest.raises(ValueError, match="input_sizes"):
        _core.Evaluator(p.GRAPH, X, Y, 1, True, [call])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_call_computes_the_node(threads: int) -> None:
    plain = _core.Evaluator(p.GRAPH, X, Y, threads, True).evaluate([_core.Formats([])], [("loss", {})])
    assert evaluate(_core.TorchCall(RELU, relu, [5], 5), threads) == plain


def test_what_is_made_of_the_memory_outlives_the_call() -> None:
    kept = []

    def keep(inputs: Any, output: Any, rows: int) -> None:
        relu(inputs, output, rows)
        kept.append((inputs[0], torch.frombuffer(inputs[0], dtype=torch.float32), output, output[4:8]))

    evaluate(_core.TorchCall(RELU, keep, [5], 5), 2)
    gc.collect()
    _ = [torch.randn(100_000) for _ in range(20)]  # memory that was let go would be taken
    for raw, x, output, part in kept:
        assert torch.equal(torch.frombuffer(raw, dtype=torch.float32), x) and len(raw) == 4 * x.numel()
        y = torch.frombuffer(output, dtype=torch.float32)
        assert torch.equal(y, x.clamp(min=0)) and bytes(part) == bytes(output)[4:8]
        output[:] = bytes(len(output))


def resize(inputs: Any, output: Any, rows: int) -> None:
    memory = output.obj
    output.release()
    memory.clear()


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda i, o, r: 1 / 0, ZeroDivisionError),
        (lambda i, o: None, TypeError),
        (lambda i, o, r: o.__setitem__(slice(None), b"1"), ValueError),
        (lambda i, o, r: o.cast("f").__setitem__(0, "x"), TypeError),
        (lambda i, o, r: (_ for _ in ()).throw(KeyboardInterrupt), KeyboardInterrupt),
        (lambda i, o, r: (_ for _ in ()).throw(SystemExit), SystemExit),
        (resize, ValueError),
    ],
)
def test_errors_arrive_from_any_thread(function: Any, error: type[BaseException]) -> None:
    call = _core.TorchCall(RELU, function, [5], 5)
    evaluator = _core.Evaluator(p.GRAPH, X, Y, 4, True)
    plain = evaluator.evaluate([_core.Formats([])], [("loss", {})])
    for _ in range(3):
        with pytest.raises(error):
            evaluator.evaluate([_core.Formats([], [call])], [("loss", {})])
        assert evaluator.evaluate([_core.Formats([])], [("loss", {})]) == plain


def test_a_call_may_use_the_evaluator_that_calls_it() -> None:
    evaluator = _core.Evaluator(p.GRAPH, X, Y, 4, True)
    plain = evaluator.evaluate([_core.Formats([])], [("loss", {})])
    found = []

    def nested(inputs: Any, output: Any, rows: int) -> None:
        relu(inputs, output, rows)
        found.append(evaluator.evaluate([_core.Formats([])], [("loss", {})]))

    assert (
        evaluator.evaluate([_core.Formats([], [_core.TorchCall(RELU, nested, [5], 5)])], [("loss", {})])
        == plain
    )
    assert found and all(each == plain for each in found)


def test_functions_are_let_go() -> None:
    class Function:
        def __call__(self, inputs: Any, output: Any, rows: int) -> None:
            relu(inputs, output, rows)

    seen = []
    kept = [_core.Evaluator(p.GRAPH, X, Y, 2, True)]

    def work() -> None:
        for _ in range(20):
            function = Function()
            seen.append(weakref.ref(function))
            config = _core.Formats([], [_core.TorchCall(RELU, function, [5], 5)])
            kept[0].evaluate([config], [("loss", {})])

    workers = [threading.Thread(target=work) for _ in range(4)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    kept.clear()  # the evaluator keeps steps of configs
    gc.collect()
    assert not [ref for ref in seen if ref() is not None]
