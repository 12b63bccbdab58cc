"""From the fx graph to the C++ one, its text form and its verifier."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chop import MaseGraph, _core, lower
from chop.passes.graph import quantize_transform_pass

from .models import by_type, chain, integer

TEXT = """chop.graph 1
x = input() : ?x16
norm = batch_norm1d(x) {eps = 1e-05} [running_mean 16 #00000000000000ff, running_var 16 #0000000000000001] : ?x16
act = relu(norm) : ?x16
fc = linear(act) [weight 5x16 #9f86d081884c7d65, bias 5 #0000000000000002] : ?x5
return fc
"""


def test_shapes_ops_and_parameters() -> None:
    graph = lower(MaseGraph(chain((16, 8, 5))))
    nodes = {node["name"]: node for node in graph.nodes}
    assert [node["op"] for node in graph.nodes] == [
        "input", "batch_norm1d", "relu", "linear", "batch_norm1d", "relu", "linear", "batch_norm1d", "relu",
    ]  # fmt: skip
    assert nodes["_2"]["shape"] == [-1, 8]
    assert nodes["_2"]["parameters"] == {"weight": [8, 16], "bias": [8]}
    assert nodes["_0"]["attributes"] == {"eps": 1e-5}
    assert graph.output == "_7"


def test_text_reads_back_equal() -> None:
    graph = lower(MaseGraph(chain((16, 8, 5))))
    assert _core.Graph.parse(str(graph)) == graph
    assert str(_core.Graph.parse(TEXT)) == TEXT


def test_equality_sees_one_changed_weight() -> None:
    model = chain((4, 3))
    before = lower(MaseGraph(model))
    assert lower(MaseGraph(model)) == before
    model[2].weight.data[0, 0] += 1
    assert lower(MaseGraph(model)) != before


def test_a_graph_from_text_has_no_weights_to_run() -> None:
    with pytest.raises(ValueError, match="node norm: running_mean has no values"):
        _core.Evaluator(
            _core.Graph.parse(TEXT), torch.zeros(1, 16), torch.zeros(1, dtype=torch.int64), 1, True
        )


def test_a_quantized_graph_lowers_to_its_float_layers() -> None:
    mg = MaseGraph(chain((16, 8, 5)))
    before = lower(mg)
    mg, _ = quantize_transform_pass(mg, by_type(linear=integer(8, 4), relu=integer(8, 4)))
    assert lower(mg) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chop.graph 1", "chop.graph 2", "line 1: unexpected '2'|line 1: expected"),
        ("linear(act)", "liner(act)", "operation 'liner' is not known; known: input, linear"),
        ("linear(act)", "linear(fc)", "node fc reads 'fc', which no earlier node defines"),
        ("linear(act)", "linear(act, norm)", r"linear reads 1 node\(s\), got 2"),
        ("weight 5x16", "weight 5x15", "linear takes 15 features, its input has \\?x16"),
        ("bias 5 ", "bias 6 ", "linear gives 5 features, its bias has 6"),
        ("bias 5 ", "weight 5 ", "parameter weight is given twice"),
        ("weight 5x16 #9f86d081884c7d65, ", "", "linear needs the parameter weight"),
        ("eps = 1e-05", "epsilon = 1", "batch_norm1d takes no attribute epsilon"),
        ("{eps = 1e-05}", "", "batch_norm1d needs the attribute eps"),
        (": ?x5\n", ": ?x6\n", "node fc has the shape \\?x5, the text says \\?x6"),
        ("return fc\n", "", "the return line is missing"),
        ("return fc", "return gc", "the output reads 'gc'"),
        ("act = relu", "norm = relu", "norm is defined twice"),
        ("?x16\nnorm", "99999999999999999999\nnorm", "line 2: expected a whole number"),
        ("?x16\nnorm", "-4\nnorm", "line 2: a size must not be negative"),
    ],
)  # fmt: skip
def test_broken_text_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=message):
        _core.Graph.parse(TEXT.replace(old, new, 1))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.text(max_size=4), st.integers(0, 12))
def test_mutated_text_is_read_or_refused(position: int, insert: str, cut: int) -> None:
    text = TEXT[:position] + insert + TEXT[position + cut :]
    try:
        graph = _core.Graph.parse(text)
    except ValueError:
        return
    assert _core.Graph.parse(str(graph)) == graph


def test_the_input_size_comes_from_the_first_layer_or_the_caller() -> None:
    assert lower(MaseGraph(nn.Sequential(nn.ReLU(), nn.Linear(7, 2)))).nodes[0]["shape"] == [-1, 7]
    assert lower(MaseGraph(nn.Sequential(nn.ReLU())), features=3).nodes[0]["shape"] == [-1, 3]
    with pytest.raises(ValueError, match="pass an example of it, or input_shapes="):
        lower(MaseGraph(nn.Sequential(nn.ReLU())))


class Transposed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.T


def test_an_attribute_that_is_a_tensor_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"node getattr_1 \(getattr\) is not known to the core"):
        lower(MaseGraph(Transposed()), features=3)
