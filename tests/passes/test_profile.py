"""The profile pass: targets, batches, modes, and what it refuses."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.passes import (
    PASSES,
    add_common_metadata_analysis_pass,
    profile_statistics_analysis_pass,
    quantize_transform_pass,
)
from chop.passes.graph.analysis.statistical_profiler.profile import check_profile_statistics
from chop.passes.graph.analysis.statistical_profiler.stat import STAT_NAME_TO_CLS
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, Chain, Functional, Shared

MOMENTS = {"moments": {"dims": "all"}}
ACTIVATIONS = {"by": "name", "activation_statistics": MOMENTS, "num_samples": 8}


def stats_of(graph, node, tensor="data_in_0"):
    found = next(n for n in graph.nodes if n.name == node)
    return found.meta["mase"]["software"]["args"][tensor]["stat"]


def profile(graph, x, *targets, **more):
    args = {**ACTIVATIONS, "target_activation_nodes": list(targets), "input_generator": [{"x": x}], **more}
    return profile_statistics_analysis_pass(graph, args)[0]


def test_the_pass_is_in_the_tables():
    assert PASSES["profile_statistics"] is profile_statistics_analysis_pass


def test_values_are_those_before_an_in_place_layer():
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Linear(16, 5)).eval()
    x = torch.randn(8, 16)
    graph = profile(MaseGraph(model), x.clone(), "_1", "_2")
    hidden = model[0](x).double()
    assert stats_of(graph, "_1")["moments"]["min"] == pytest.approx(hidden.min().item(), rel=1e-6)
    assert stats_of(graph, "_2")["moments"]["min"] == 0.0


def test_a_first_layer_in_place_does_not_change_the_batch():
    graph = MaseGraph(nn.Sequential(nn.ReLU(inplace=True)))
    x = torch.randn(8, 4)
    kept = x.clone()
    profile(graph, x, "_0")
    assert torch.equal(x, kept)


def test_an_activation_target_with_weights_gets_its_input_only():
    graph = profile(MaseGraph(Chain().eval()), torch.randn(8, 16), "seq_blocks_2")
    assert set(stats_of(graph, "seq_blocks_2")) == {"moments"}
    assert stats_of(graph, "seq_blocks_2", "weight") == {}


def test_each_operand_of_a_function_is_seen():
    graph = MaseGraph(Functional().eval())
    adds = [n.name for n in graph.nodes if n.op == "call_function" and len(n.all_input_nodes) == 2]
    graph = profile(graph, torch.randn(8, 16), adds[0])
    first, second = (stats_of(graph, adds[0], f"data_in_{i}")["moments"] for i in (0, 1))
    assert first["count"] == second["count"] > 0 and first["mean"] != second["mean"]


def test_a_shared_module_is_profiled_at_each_of_its_nodes():
    graph = MaseGraph(Shared().eval())
    names = [n.name for n in graph.nodes if n.op == "call_module"]
    size = forward_size(graph)
    graph = profile(graph, torch.randn(8, size), *names)
    assert all(stats_of(graph, name)["moments"]["count"] > 0 for name in names)


def forward_size(graph):
    return next(m for m in graph.model.modules() if isinstance(m, nn.Linear)).in_features


@pytest.mark.parametrize("train", [True, False])
def test_the_mode_counts_and_buffers_are_put_back(train):
    model = Chain().train(train)
    x = torch.randn(8, 16) * 3 + 5
    before = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    graph = profile(MaseGraph(model), x, "seq_blocks_1")
    assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training == train
    mean = stats_of(graph, "seq_blocks_1")["moments"]["mean"]
    assert (abs(mean) < 1e-5) == train, "batch statistics in train mode, running ones in eval mode"


def test_buffers_are_put_back_after_a_failure():
    model = Chain().train()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError):
        profile(
            MaseGraph(model), None, "seq_blocks_1", input_generator=[torch.randn(4, 16), torch.randn(4, 3)]
        )
    assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)


@pytest.mark.parametrize(
    "source",
    [
        [{"x": torch.ones(4, 16)}] * 3,
        iter([torch.ones(4, 16)] * 3),
        lambda: (torch.ones(n, 16) for n in (1, 5, 2, 9)),
        [(torch.ones(3, 16), torch.zeros(3))] * 3,
        [{"whatever": torch.ones(8, 16)}],
        torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.ones(50, 16), torch.zeros(50)), batch_size=7
        ),
    ],
)
def test_any_source_of_batches(source):
    graph = profile(MaseGraph(Chain().eval()), None, "seq_blocks_0", input_generator=source)
    found = stats_of(graph, "seq_blocks_0")["moments"]
    assert found["mean"] == 1.0 and found["count"] >= 8 * 16 and found["count"] % 16 == 0


def test_ragged_batches_with_every_kind_of_dims():
    x = torch.randn(11, 16)
    for dims, shape in (("all", ()), ([0], (16,)), ([1], (1,)), (None, (1, 16))):
        graph = profile(
            MaseGraph(Chain().eval()),
            None,
            "seq_blocks_0",
            activation_statistics={"moments": {"dims": dims}},
            input_generator=list(x.split(4)),
            num_samples=11,
        )
        found = stats_of(graph, "seq_blocks_0")["moments"]
        assert np.shape(found["mean"]) == shape
        assert found["count"] == x.numel() / max(1, np.prod(shape))
        axis = {(): None, (16,): 0, (1,): None, (1, 16): 0}[shape]
        np.testing.assert_allclose(
            np.ravel(found["variance"]), np.ravel(x.double().numpy().var(axis, ddof=1))
        )


def test_a_generator_with_state_goes_on_where_it_stood():
    source = iter([torch.full((8, 16), float(i)) for i in range(3)])
    graph = MaseGraph(Chain().eval())
    for expected in (0.0, 1.0, 2.0):
        graph = profile(graph, None, "seq_blocks_0", input_generator=source)
        assert stats_of(graph, "seq_blocks_0")["moments"]["mean"] == expected


def test_a_second_profile_replaces_its_targets_alone():
    graph = profile(MaseGraph(Chain().eval()), torch.randn(8, 16), "seq_blocks_0", "seq_blocks_1")
    kept = copy.deepcopy(stats_of(graph, "seq_blocks_1"))
    graph = profile(graph, torch.randn(8, 16), "seq_blocks_0", activation_statistics={"abs_mean": {}})
    assert set(stats_of(graph, "seq_blocks_0")) == {"abs_mean"}
    assert stats_of(graph, "seq_blocks_1") == kept


def test_a_short_generator_is_a_warning_and_an_empty_one_an_error(caplog):
    graph = MaseGraph(Chain().eval())
    with caplog.at_level(logging.WARNING):
        profile(graph, torch.randn(5, 16), "seq_blocks_0")
    assert "ended after 5 of 8 samples" in caplog.text
    assert stats_of(graph, "seq_blocks_0")["moments"]["count"] == 80
    with pytest.raises(ConfigError, match="gave no batch, 8 samples are needed"):
        profile(graph, None, "seq_blocks_0", input_generator=iter([]))


def test_weights_and_buffers_by_type_of_a_quantized_graph():
    graph = MaseGraph(Chain().eval())
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": torch.zeros(8, 16)}})
    rules = {"by": "type", "default": {"config": FLOAT}, "linear": {"config": EIGHT}}
    graph, _ = quantize_transform_pass(graph, rules)
    args = {"by": "type", "target_weight_nodes": ["linear", "batch_norm1d"], "weight_statistics": MOMENTS}
    before = copy.deepcopy(args)
    graph, info = profile_statistics_analysis_pass(graph, args)
    assert info == {} and args == before
    assert stats_of(graph, "seq_blocks_2", "weight")["moments"]["count"] == 80
    assert stats_of(graph, "seq_blocks_0", "running_var")["moments"]["count"] == 16


def test_a_statistic_of_ones_own_takes_part():
    @STAT_NAME_TO_CLS.register("rows")
    class Rows:  # no base class: three methods are enough
        def __init__(self):
            self.shapes = []

        def update_a_sample(self, sample):
            self.shapes.append(list(sample.shape))

        def export(self):
            return {"rows": {"shapes": self.shapes}}

    try:
        graph = profile(
            MaseGraph(Chain().eval()), torch.randn(8, 16), "seq_blocks_0", activation_statistics={"rows": {}}
        )
    finally:
        del STAT_NAME_TO_CLS["rows"]
    assert stats_of(graph, "seq_blocks_0")["rows"]["shapes"] == [[1, 16]] * 8


def test_bars_are_shown(capsys):
    graph = MaseGraph(Chain().eval())
    profile(
        graph,
        torch.randn(8, 16),
        "seq_blocks_0",
        target_weight_nodes=["seq_blocks_2"],
        weight_statistics=MOMENTS,
    )
    shown = capsys.readouterr().err
    assert "Profiling weight statistics: 100%" in shown and "Profiling act statistics: 100%" in shown


def test_a_known_type_that_the_graph_lacks_is_a_warning(caplog):
    args = {"by": "type", "target_weight_nodes": ["conv1d"], "weight_statistics": MOMENTS}
    with caplog.at_level(logging.WARNING):
        profile_statistics_analysis_pass(MaseGraph(Chain()), args)
    assert "no node of type conv1d" in caplog.text


def test_arguments_checked_ahead_of_a_run_are_not_warned_about_twice(caplog):
    args = {"by": "type", "target_weight_nodes": ["conv1d"], "weight_statistics": MOMENTS}
    graph = MaseGraph(Chain())
    with caplog.at_level(logging.WARNING):
        check_profile_statistics(graph, args)
        profile_statistics_analysis_pass(graph, args)
    assert caplog.text.count("no node of type conv1d") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": ["linear"]}, "key 'targets' is not known"),
        ({"num_sample": 3}, "did you mean 'num_samples'"),
        ({"by": "regex"}, "by must be name or type, got 'regex'"),
        (
            {"target_activation_nodes": ["seq_block_1"]},
            "unknown node 'seq_block_1' .did you mean 'seq_blocks_1'",
        ),
        ({"target_activation_nodes": "seq_blocks_1"}, "must be a list of names"),
        (
            {"by": "type", "target_activation_nodes": ["rellu"]},
            "unknown type 'rellu' .did you mean 'relu'.*known: ",
        ),
        (
            {"activation_statistics": {"moment": {}}},
            "statistic 'moment' is not known .did you mean 'moments'",
        ),
        ({"activation_statistics": {"moments": 3}}, "moments must be a table of arguments, got 3"),
        ({"activation_statistics": ["moments"]}, "must be a table of statistic -> arguments"),
        ({"weight_statistics": {"record": {"dims": "all"}}}, "weight_statistics.record: .*dims"),
        (
            {"activation_statistics": {"moments": {"dim": "all"}}},
            "argument 'dim' is not known .did you mean 'dims'",
        ),
        ({"num_samples": 0}, "num_samples must be a whole number from 1 on, got 0"),
        ({"num_samples": None}, "activation statistics need num_samples"),
        ({"input_generator": None}, "activation statistics need input_generator"),
        ({"input_generator": 3}, "must yield batches of inputs, got 3"),
        ({"input_generator": ["text"]}, "a batch must be a tensor, a tuple or a table of inputs"),
        ({"input_generator": [{"y": torch.ones(1), "z": torch.ones(1)}]}, "lacks input 'x'"),
        (
            {"activation_statistics": {"moments": {"dims": [5]}}},
            "node seq_blocks_0, data_in_0: .*do not suit",
        ),
    ],
)
def test_refusals(change, message):
    args = {
        **ACTIVATIONS,
        "target_activation_nodes": ["seq_blocks_0"],
        "input_generator": [torch.randn(8, 16)],
        **change,
    }
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        profile_statistics_analysis_pass(MaseGraph(Chain().eval()), args)
