"""quantize_transform_pass, its summary and the averages."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest
import torch
import torch.nn.utils.prune
from torch import nn

from chop.ir.graph import MaseGraph
from chop.nn.quantized.functional import relu_integer
from chop.passes import (
    PASSES,
    add_common_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    calculate_avg_bits_module_analysis_pass,
    parse_node_config,
    quantize_transform_pass,
    summarize_quantization_analysis_pass,
)
from chop.passes.graph.transforms.quantize.summary import (
    graph_iterator_compare_nodes,
    graph_iterator_node_histogram,
)
from chop.passes.graph.utils import deepcopy_mase_graph
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, FOUR, Chain, Functional, Shared


def by_type(default=FLOAT, **rules):
    return {
        "by": "type",
        "default": {"config": default},
        **{key: {"config": table} for key, table in rules.items()},
    }


def classes(graph):
    return [type(module).__name__ for name, module in graph.modules.items() if "." in name]


def test_a_config_describes_the_whole_graph():
    model = Chain().eval()
    graph = MaseGraph(model)
    quantize_transform_pass(graph, by_type(EIGHT))
    assert classes(graph) == ["BatchNorm1d", "ReLUInteger", "LinearInteger", "ReLUInteger"]
    quantize_transform_pass(graph, by_type(linear=FOUR))
    assert classes(graph) == ["BatchNorm1d", "ReLU", "LinearInteger", "ReLU"]
    assert graph.modules["seq_blocks.2"].config == FOUR
    quantize_transform_pass(graph, by_type())
    assert graph.modules["seq_blocks.2"] is model.seq_blocks[2], "the original layer is back"


def test_results_do_not_depend_on_history():
    x = torch.randn(6, 16)
    configs = [
        by_type(EIGHT),
        by_type(linear=FOUR),
        by_type(relu=EIGHT),
        by_type(),
        by_type({**FOUR, "bypass": True}),
    ]
    used = MaseGraph(Functional().eval())
    for config in [*configs, *reversed(configs)]:
        quantize_transform_pass(used, config)
        fresh, _ = quantize_transform_pass(MaseGraph(Functional().eval()), config)
        assert torch.equal(used.model(x), fresh.model(x))
        assert str(used.fx_graph) == str(fresh.fx_graph)


def test_training_between_two_quantizations_is_kept():
    model = Chain()
    graph = MaseGraph(model)
    quantize_transform_pass(graph, by_type(linear=EIGHT))
    with torch.no_grad():
        graph.modules["seq_blocks.2"].weight.add_(1)
    trained = graph.modules["seq_blocks.2"].weight.detach().clone()
    quantize_transform_pass(graph, by_type(linear=FOUR))
    assert torch.equal(graph.modules["seq_blocks.2"].weight, trained)
    quantize_transform_pass(graph, by_type())
    layer = graph.modules["seq_blocks.2"]
    assert type(layer) is nn.Linear and torch.equal(layer.weight, trained)
    assert not torch.equal(model.seq_blocks[2].weight, trained)


@pytest.mark.parametrize(
    "change", [lambda m: m.double(), lambda m: m.eval(), lambda m: m.requires_grad_(False)]
)
def test_going_back_to_float_keeps_what_happened_to_the_graph(change):
    model = Chain()
    graph, _ = quantize_transform_pass(MaseGraph(model), by_type(linear=EIGHT))
    change(graph.model)
    quantize_transform_pass(graph, by_type())
    weight = graph.modules["seq_blocks.2"].weight
    assert weight.dtype == graph.modules["seq_blocks.0"].weight.dtype
    assert weight.requires_grad == graph.modules["seq_blocks.0"].weight.requires_grad
    assert graph.modules["seq_blocks.2"].training == graph.model.training
    graph.model(torch.randn(3, 16, dtype=weight.dtype))


def test_a_pruned_layer_is_quantized_with_its_masked_weight():
    model = Chain().eval()
    torch.nn.utils.prune.l1_unstructured(model.seq_blocks[2], "weight", amount=0.5)
    graph, _ = quantize_transform_pass(MaseGraph(model), by_type(linear=EIGHT))
    layer = graph.modules["seq_blocks.2"]
    assert torch.equal(layer.weight, model.seq_blocks[2].weight) and (layer.weight == 0).sum() >= 40
    assert graph.model(torch.randn(2, 16)).shape == (2, 5)
    quantize_transform_pass(graph, by_type())
    assert graph.modules["seq_blocks.2"] is model.seq_blocks[2]


def test_mode_and_gradients_are_kept():
    model = Chain().eval()
    model.seq_blocks[2].weight.requires_grad_(False)
    graph, _ = quantize_transform_pass(MaseGraph(model), by_type(EIGHT))
    assert not any(module.training for module in graph.modules.values())
    assert not graph.modules["seq_blocks.2"].weight.requires_grad


def test_functions_keep_name_and_arguments():
    graph, _ = quantize_transform_pass(MaseGraph(Functional().eval()), by_type(relu=EIGHT))
    nodes = {node.name: node for node in graph.nodes}
    for name in ("relu", "relu_1", "relu_2"):
        assert nodes[name].target is relu_integer and nodes[name].op == "call_function"
        assert nodes[name].kwargs["config"] == parse_node_config(EIGHT, "relu")
    assert nodes["relu"].kwargs["inplace"] is False
    assert nodes["mul"].target is torch.mul
    quantize_transform_pass(graph, by_type())
    assert nodes["relu_2"].op == "call_method" and nodes["relu_1"].target is torch.relu
    assert str(graph.fx_graph) == str(MaseGraph(Functional()).fx_graph)


def test_quantized_graph_trains_compiles_and_copies():
    graph, _ = quantize_transform_pass(MaseGraph(Functional().eval()), by_type(EIGHT))
    x = torch.randn(5, 16)
    expected = graph.model(x)
    assert torch.equal(torch.compile(graph.model, fullgraph=True, backend="aot_eager")(x), expected)
    assert torch.equal(copy.deepcopy(graph.model)(x), expected)
    expected.sum().backward()
    assert graph.modules["fc1"].weight.grad.abs().sum() > 0


def test_shared_module_is_replaced_once():
    graph, _ = quantize_transform_pass(MaseGraph(Shared()), by_type(linear=EIGHT))
    assert type(graph.modules["fc"]).__name__ == "LinearInteger"
    x = torch.randn(2, 4)
    assert graph.model(x).shape == (2, 4)


def test_arguments_stay_and_none_is_refused():
    pass_args = by_type(linear=EIGHT)
    before = copy.deepcopy(pass_args)
    graph = MaseGraph(Chain())
    quantize_transform_pass(graph, pass_args)
    graph.modules["seq_blocks.2"].config["weight_width"] = 1
    assert pass_args == before
    with pytest.raises(ConfigError, match="pass_args must hold"):
        quantize_transform_pass(graph, None)


def test_summary_table_and_files(tmp_path, caplog):
    original = MaseGraph(Functional())
    graph, _ = quantize_transform_pass(MaseGraph(Functional()), by_type(EIGHT))
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "chop"):
        assert summarize_quantization_analysis_pass(original, graph, save_dir=tmp_path) is None
    levels = {record.levelname for record in caplog.records}
    assert levels == {"DEBUG", "INFO"} and "Quantized graph histogram:" in caplog.text
    table = graph_iterator_compare_nodes(original, graph, silent=True)
    changed = dict(zip(table["Ori name"], table["Changed"], strict=True))
    assert [name for name, flag in changed.items() if not flag] == ["x", "drop", "output"]
    histogram = graph_iterator_node_histogram(original, graph)
    linear = histogram[histogram["OP"] == "linear"].iloc[0]
    assert (linear["Total"], linear["Changed"], linear["Unchanged"]) == (2, 2, 0)
    header = (tmp_path / "quantize_table.csv").read_text().splitlines()[0]
    assert header == ",Ori name,New name,MASE_TYPE,Mase_OP,Original type,Quantized type,Changed"
    assert (
        (tmp_path / "quantize_histogram.csv")
        .read_text()
        .startswith("Original type,OP,Total,Changed,Unchanged\n")
    )


def test_summary_after_a_second_quantization():
    original, graph = MaseGraph(Chain()), MaseGraph(Chain())
    quantize_transform_pass(graph, by_type(EIGHT))
    quantize_transform_pass(graph, by_type(relu=EIGHT))
    table = graph_iterator_compare_nodes(original, deepcopy_mase_graph(graph), silent=True)
    types = ["x", "BatchNorm1d", "ReLUInteger", "Linear", "ReLUInteger", "output"]
    assert list(table["Quantized type"]) == types


def test_summary_of_two_models():
    with pytest.raises(ConfigError, match="6 and 11 nodes"):
        graph_iterator_compare_nodes(MaseGraph(Chain()), MaseGraph(Functional()))


def test_averages(caplog):
    graph = MaseGraph(Functional().eval())
    with caplog.at_level(logging.WARNING, "chop"):
        assert calculate_avg_bits_module_analysis_pass(graph.model, {})[1] == {"average_bitwidth": 32.0}
    assert "no layer is quantized" in caplog.text
    with pytest.raises(ConfigError, match="node x has no common metadata"):
        calculate_avg_bits_mg_analysis_pass(graph, {})
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": torch.zeros(2, 16)}})
    rules = {
        "by": "name",
        "default": {"config": FLOAT},
        "fc2": {"config": {**EIGHT, "data_in_frac_width": None}},
    }
    quantize_transform_pass(graph, rules)
    _, bits = calculate_avg_bits_mg_analysis_pass(graph, {})
    weights = (32 * 256 + 12 * 80) / 336
    assert bits == pytest.approx(
        {
            "data_avg_bit": 22,
            "w_avg_bit": weights,
            "data_avg_width": 20,
            "w_avg_width": (32 * 256 + 8 * 80) / 336,
        }
    )
    nothing = MaseGraph(nn.Sequential(nn.ReLU()))
    add_common_metadata_analysis_pass(nothing, {"dummy_in": {"input": torch.zeros(1)}})
    with pytest.raises(ConfigError, match="no node of linear"):
        calculate_avg_bits_mg_analysis_pass(nothing, {})


def test_table_of_passes():
    assert PASSES["quantize"] is quantize_transform_pass
    with pytest.raises(UnknownNameError, match="did you mean 'quantize'"):
        PASSES["quantise"]


def test_parse_node_config():
    used = {"name", "data_in_width", "data_in_frac_width"}
    assert parse_node_config(EIGHT, "relu").keys() == used
    assert parse_node_config(EIGHT, "linear") == EIGHT
    with pytest.raises(ConfigError, match=r"linear.weight_width must be 1\.\.32, got 0"):
        parse_node_config({**EIGHT, "weight_width": 0}, "linear")


def test_quantized_graph_module_can_be_pickled():
    graph, _ = quantize_transform_pass(MaseGraph(Functional().eval()), by_type(EIGHT))
    again = pickle.loads(pickle.dumps(graph.model))  # noqa: S301
    x = torch.randn(3, 16)
    assert torch.equal(again(x), graph.model(x))
    names = [node.name for node in MaseGraph(again).nodes]
    assert names == [node.name for node in graph.nodes]
