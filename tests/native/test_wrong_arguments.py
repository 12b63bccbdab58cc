"""Nothing instead of an object, objects without a value, temporaries in generators, tensors without their memory."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from chop import _core
from chop._core import native
from tests.native import plausible as p
from tests.native import random_calls

R = random.Random(0)
NONE_IN_LISTS: dict[str, Callable[[], Any]] = {
    "widths of nodes": lambda: p.COSTS.figures([None]),
    "widths in the middle": lambda: p.COSTS.figures([p.widths(R), None]),
    "operations": lambda: _core.Costs([None], [], [], []),
    "fields of an operation": lambda: _core.Costs([{**p.OPERATIONS[0], "work": None}], [], [], []),
    "no fields": lambda: _core.Costs([{}], [], [], []),
    "totals": lambda: _core.NamedTotals(p.COSTS, ["bops"]).of([None]),
    "costs": lambda: _core.NamedTotals(None, ["bops"]),
    "names": lambda: _core.NamedTotals(p.COSTS, [None]),
    "memo": lambda: _core.NamedTotals(p.COSTS, ["bops"]).of_config(None, {}),
    "remembered widths": lambda: _core.WidthMemo().remember({}, [[None]]),
    "configs": lambda: p.EVALUATOR.evaluate([None], []),
    "metrics": lambda: p.EVALUATOR.evaluate([_core.Formats([])], [None]),
    "config": lambda: p.EVALUATOR.forward(None, torch.zeros(70, 3)),
    "layers": lambda: p.EVALUATOR.layers(None),
    "calls of an evaluator": lambda: _core.Evaluator(p.GRAPH, p.floats(70, 4), None, 1, False, [None]),
    "calls of a config": lambda: _core.Formats([], [None]),
    "nodes of a config": lambda: _core.Formats([None]),
    "formats of a space": lambda: _core.SweepSpace([[(None, [])]]),
    "widths of a space": lambda: _core.SweepSpace([[(_core.Formats([]), [None])]]),
    "groups of a space": lambda: _core.SweepSpace([None]),
    "models": lambda: p.space(R).costs(None, 0, torch.zeros(1, 2, dtype=torch.float64)),
    "evaluator": lambda: _core.Sweep(None, p.space(R), [("accuracy", True)], 1),
    "space": lambda: _core.Sweep(p.EVALUATOR, None, [("accuracy", True)], 1),
    "partner": lambda: p.seen("record").merge(None),
    "graph": lambda: _core.nodes_for_torch(None),
    "function": lambda: _core.TorchCall("relu", None, [5], 5),
    "running": lambda: p.told().propose(3, [None]),
    "specification": lambda: _core.check_trainable(p.GRAPH, None),
    "tensors": lambda: _core.run_float_op(p.GRAPH, p.NAMES["relu"], [None], p.floats(3, 5)),
    "parameters": lambda: _core.GraphBuilder().add("x", "linear", [], {}, {"weight": None}, []),
    "shapes": lambda: _core.GraphBuilder().add("x", "linear", [], {}, {"weight": [None]}, []),
}


@pytest.mark.parametrize("place", NONE_IN_LISTS)
def test_none_is_no_object(place: str) -> None:
    with pytest.raises(TypeError):
        NONE_IN_LISTS[place]()


@pytest.mark.parametrize("name", sorted(p.OBJECTS))
def test_none_is_no_self(name: str) -> None:
    for member in vars(getattr(native, name)).values():
        getters = [member.fget, member.fset] if isinstance(member, property) else [member]
        for each in getters:
            if not callable(each) or isinstance(each, type):
                continue
            with contextlib.suppress(TypeError):
                assert each(None) is NotImplemented  # operators, so that Python asks the other side


@pytest.mark.parametrize("name", sorted(p.OBJECTS))
def test_an_object_without_a_value_is_refused(name: str) -> None:
    owner = getattr(native, name)
    unmade = owner.__new__(owner)
    for attribute, member in vars(owner).items():
        if isinstance(member, property):
            with pytest.raises(TypeError, match="__init__ was not called"):
                getattr(unmade, attribute)
    if hasattr(owner, "__len__"):
        with pytest.raises(TypeError, match="__init__ was not called"):
            len(unmade)
        str(repr(p.GRAPH))
    with pytest.raises(TypeError):
        copy.copy(p.OBJECTS[name](R))


@pytest.mark.parametrize("name", sorted(p.OBJECTS))
def test_an_object_without_a_value_is_refused_as_any_argument(name: str) -> None:
    owner = getattr(native, name)
    unmade = owner.__new__(owner)
    for target in random_calls.targets():
        for place in range(len(target.arguments)):
            given = random_calls.arguments_for(target, 0.0, R)
            given[place + bool(target.owner)] = unmade
            try:
                target.run(*given)
            except Exception as error:
                assert random_calls.is_refusal(target, error), (target.name, place, error)


def test_temporaries_of_a_generator_live_long_enough() -> None:
    bits = [1.0, 2.0, 5.0, 7.0] * 50
    made = [_core.NodeWidths(1, True, (b, b, b), (b, b, b), (b, b, b), None, None) for b in bits]
    expected = p.COSTS.figures(made)
    assert (
        p.COSTS.figures(_core.NodeWidths(1, True, (b, b, b), (b, b, b), (b, b, b), None, None) for b in bits)
        == expected
    )
    metrics = [("loss", {})]
    grids = [(w, 2, True, "half_even", "saturate") for w in range(2, 9)] * 10
    formats = [(p.LINEAR[0], "integer", {"weight": grid}) for grid in grids]
    expected = p.EVALUATOR.evaluate([_core.Formats([f]) for f in formats], metrics)
    assert p.EVALUATOR.evaluate((_core.Formats([f]) for f in formats), metrics) == expected


TENSORS: dict[str, Callable[[torch.Tensor], Any]] = {
    "numpy": lambda x: x.numpy(),
    "list": lambda x: x.tolist(),
    "number": lambda x: 3,
    "text": lambda x: "x",
    "none": lambda x: None,
    "class": lambda x: torch.Tensor,
    "dtype": lambda x: x.half(),
    "bool": lambda x: x > 0,
    "complex": lambda x: x.to(torch.complex64),
    "strides": lambda x: x.t().contiguous().t(),
    "expanded": lambda x: x[:1].expand(x.shape),
    "sparse": lambda x: x.to_sparse(),
    "sparse rows": lambda x: x.to_sparse_csr(),
    "meta": lambda x: x.to("meta"),
    "negated": lambda x: torch._neg_view(x),
    "no memory": lambda x: shortened(x, 0, 0),
    "short memory": lambda x: shortened(x, 100, 0),
    "short memory behind an offset": lambda x: shortened(x, x.numel() * 4 - 4, 1),
    "address": lambda x: torch.frombuffer(bytearray(x.numel() * 4 + 1), dtype=torch.float32, offset=1).view(
        x.shape
    ),
}


def shortened(x: torch.Tensor, count: int, offset: int) -> torch.Tensor:
    memory = torch.zeros(x.numel() + offset)
    view = memory[offset:].view(x.shape)
    memory.untyped_storage().resize_(count)
    return view


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_are_judged_by_name(kind: str) -> None:
    x = torch.ones(70, 4)
    given = TENSORS[kind](x)
    calls: dict[str, Callable[[], Any]] = {
        "x": lambda: _core.Evaluator(p.GRAPH, given, None, 1, True),
        "tensor": lambda: _core.Statistic("moments", {}).update(given, 4),
        "logits": lambda: _core.score(given, p.labels(), None, [("accuracy", {})], 1),
        "weight": lambda: p.builder().add("z", "linear", ["x"], {}, {"weight": given}, []),
        "values": lambda: _core.pareto_front(given),
    }
    for argument, call in calls.items():
        if argument == "weight" and kind == "list":
            continue  # a shape alone, and a bad one
        with pytest.raises((TypeError, ValueError), match=argument) as refusal:
            call()
        assert "Invoked with" not in str(refusal.value) and len(str(refusal.value)) < 200
        no_tensor = kind in ("numpy", "list", "number", "text", "none", "class")
        assert isinstance(refusal.value, TypeError) == no_tensor


def test_memory_is_bounded() -> None:
    with pytest.raises(ValueError, match=r"1\.\.1048576"):
        _core.Tpe([(1 << 40, True)], 1, 0)
    with pytest.raises(ValueError, match="candidates"):
        _core.Tpe([(2, True)], 1, 0, 1, 1 << 62)
    with pytest.raises(ValueError, match="10000 groups of 1048576 bins"):
        _core.Statistic("histogram", {"bins": 1 << 20}).update(torch.ones(10000), 10000)
    for sizes, running in (([1 << 62, 1 << 62], []), ([-5], []), ([3], [1 << 30]), ([3], [-1])):
        specification = _core.TrainingSpecification(sizes, 0, running, {}, "plain")
        with pytest.raises(ValueError, match=r"training: the (sizes|channels)"):
            _core.check_trainable(p.GRAPH, specification)
    for first in (-1, 3, (1 << 63) - 1):
        with pytest.raises(ValueError, match="sweep: there are 4 configurations"):
            p.space(R).costs(p.COSTS, first, torch.zeros(2, 2, dtype=torch.float64))
