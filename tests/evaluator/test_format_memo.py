"""What an evaluator remembers of configs never changes what a config means."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from chop import Evaluator, MaseGraph
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.tools.errors import ConfigError
from tests.evaluator.models import chain, data

MODEL = chain((16, 8, 5))
GRAPH = MaseGraph(MODEL)
X, Y = data(40, 16, 5)
SHARED = Evaluator(GRAPH, X, Y)

widths = st.sampled_from([3, 4, 6])
fractions = st.sampled_from([None, 1, 2])
optional = st.fixed_dictionaries(
    {},
    optional={
        "weight_rounding": st.sampled_from(["half_even", "floor"]),
        "bias_rounding": st.sampled_from(["half_even", "floor"]),
        "data_in_overflow": st.sampled_from(["saturate", "wrap"]),
        "bypass": st.booleans(),
    },
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    table = {
        "name": draw(st.sampled_from(["integer", "fixed", None])),
        "data_in_width": draw(widths),
        "data_in_frac_width": draw(fractions),
        "weight_width": draw(widths),
        "weight_frac_width": draw(fractions),
    } | draw(optional)
    if draw(st.booleans()):  # one of them alone is an error
        table |= {"bias_width": draw(widths), "bias_frac_width": draw(fractions)}
    keys = draw(st.permutations(list(table)))
    return {"config": {key: table[key] for key in keys}}


def configs() -> st.SearchStrategy[dict[str, Any]]:
    none = st.just({"config": {"name": None}})
    by_type = st.fixed_dictionaries(
        {"by": st.just("type"), "default": st.one_of(none, tables()), "linear": tables()},
        optional={"relu": tables()},
    )
    names = [name for name, op in SHARED._targets.ops.items() if op == "linear"]
    by_name = st.fixed_dictionaries(
        {"by": st.just("name"), "default": none, names[0]: tables()}, optional={names[1]: tables()}
    )
    return st.one_of(by_type, by_name)


@settings(max_examples=150, deadline=None)
@given(configs())
def test_a_config_means_the_same_to_an_evaluator_with_a_past(config: dict[str, Any]) -> None:
    known = SHARED._memo.find(config)
    found = SHARED.forward(config)
    assert torch.equal(found, Evaluator(GRAPH, X, Y).forward(config))
    assert torch.equal(found, SHARED.forward(config))
    if known is not None:  # whatever was put together from parts, the resolver must agree that it is a config
        resolve_quantize_config(SHARED._targets, config)


def test_an_error_is_found_again_each_time() -> None:
    good = {
        "name": "integer",
        "data_in_width": 4,
        "data_in_frac_width": 2,
        "weight_width": 4,
        "weight_frac_width": 2,
    }
    none = {"config": {"name": None}}
    for bad in ({"weight_width": 40}, {"weight_widht": 4}, {"bias_rounding": "flor"}, {"bypas": True}):
        for _ in range(2):
            SHARED.evaluate({"by": "type", "default": none, "linear": {"config": good}})
            with pytest.raises(ConfigError):
                SHARED.evaluate({"by": "type", "default": none, "linear": {"config": good | bad}})
