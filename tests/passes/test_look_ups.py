"""The small look-ups, under the names and with the arguments that MASE gives them."""

from __future__ import annotations

import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.passes import add_common_metadata_analysis_pass
from chop.passes.graph.utils import (
    check_func,
    check_func_type,
    get_input_index,
    get_mase_op,
    get_mase_type,
    get_module_by_name,
    get_module_by_target,
    get_node_actual_target,
    get_node_by_name,
    get_node_target_by_name,
    get_similar_node_actual_target,
    init_project,
    isinstance_but_not_subclass,
    v2p,
    vf,
)
from tests.ir.models import Functional


def test_look_ups():
    graph, other = MaseGraph(Functional()), MaseGraph(Functional())
    for each in (graph, other):
        add_common_metadata_analysis_pass(each, {"dummy_in": {"x": torch.zeros(2, 16)}})
    fc1, mul = (get_node_by_name(graph.fx_graph, name) for name in ("fc1", "mul"))
    assert get_mase_op(fc1) == "linear" and get_mase_type(mul) == "builtin_func"
    assert get_node_actual_target(fc1) is graph.modules["fc1"] is get_module_by_name(graph.model, "fc1")
    assert get_node_actual_target(mul) is torch.mul
    assert get_similar_node_actual_target(other, fc1) is other.modules["fc1"]
    assert get_input_index(get_node_by_name(graph.fx_graph, "relu"), mul) == 0
    assert get_node_target_by_name(graph, "fc2") is graph.modules["fc2"]
    assert get_node_target_by_name(None, "fc2") is None
    for look_up in (get_node_by_name, get_node_target_by_name):
        with pytest.raises(RuntimeError, match=r"no node named 'fc3' in the graph \(did you mean 'fc[12]'"):
            look_up(graph, "fc3")
    assert get_module_by_target(graph.model, "fc1") is graph.modules["fc1"]
    assert get_module_by_target(graph, "fc1.weight") is graph.modules["fc1"].weight
    with pytest.raises(RuntimeError, match=r"target 'fc1\.weigt' does not exist: fc1 has no 'weigt'"):
        get_module_by_target(graph.model, "fc1.weigt")


def test_small_names_of_mase(tmp_path):
    node = get_node_by_name(MaseGraph(Functional()), "mul")
    assert check_func(node, torch.mul) and not check_func(node, torch.add)
    assert check_func_type(node, torch.add) and not check_func_type(node, test_look_ups)
    assert vf("a.b c") == "a_b_c" and v2p("data_in") == "DATA_IN"
    assert isinstance_but_not_subclass(True, bool) and not isinstance_but_not_subclass(True, int)
    init_project(tmp_path / "p")
    init_project(tmp_path / "p")
    made = {path.relative_to(tmp_path / "p").as_posix() for path in (tmp_path / "p").rglob("*")}
    assert {"software", "hardware/rtl", "hardware/sim", "hardware/hls", "hardware/test/mase_top_tb"} <= made
