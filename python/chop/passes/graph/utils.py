"""The import path that MASE's users know; the definitions are in :mod:`chop.passes.graph.look_ups`."""

from __future__ import annotations

from chop.passes.graph.look_ups import (
    check_func,
    check_func_type,
    deepcopy_mase_graph,
    get_input_index,
    get_mase_op,
    get_mase_type,
    get_module_by_name,
    get_module_by_target,
    get_node_actual_target,
    get_node_by_name,
    get_node_target_by_name,
    get_parent_name,
    get_similar_node_actual_target,
    init_project,
    isinstance_but_not_subclass,
    match_a_pattern,
    v2p,
    vf,
)

__all__ = [
    "check_func",
    "check_func_type",
    "deepcopy_mase_graph",
    "get_input_index",
    "get_mase_op",
    "get_mase_type",
    "get_module_by_name",
    "get_module_by_target",
    "get_node_actual_target",
    "get_node_by_name",
    "get_node_target_by_name",
    "get_parent_name",
    "get_similar_node_actual_target",
    "init_project",
    "isinstance_but_not_subclass",
    "match_a_pattern",
    "v2p",
    "vf",
]
