"""Passes on a :class:`chop.MaseGraph`, and the table of their command-line names."""

from __future__ import annotations

from chop.passes.graph import analysis, interface, transforms, utils
from chop.passes.graph.analysis import (
    add_common_metadata_analysis_pass,
    add_flops_bitops_analysis_pass,
    add_software_metadata_analysis_pass,
    calculate_avg_bits_mg_analysis_pass,
    init_metadata_analysis_pass,
    profile_statistics_analysis_pass,
    report_graph_analysis_pass,
    report_node_meta_param_analysis_pass,
    report_node_shape_analysis_pass,
    report_node_type_analysis_pass,
    verify_common_metadata_analysis_pass,
)
from chop.passes.graph.interface import (
    load_mase_graph_interface_pass,
    load_node_meta_param_interface_pass,
    load_weights_interface_pass,
    save_mase_graph_interface_pass,
    save_node_meta_param_interface_pass,
)
from chop.passes.graph.registry import (
    ANALYSIS_PASSES,
    INTERFACE_PASSES,
    PASSES,
    TRANSFORM_PASSES,
    register_pass,
)
from chop.passes.graph.transforms import (
    metadata_value_type_cast_transform_pass,
    parse_node_config,
    quantize_transform_pass,
    quantized_func_map,
    quantized_module_map,
    redefine_transform_pass,
    summarize_quantization_analysis_pass,
)

__all__ = [
    "ANALYSIS_PASSES",
    "INTERFACE_PASSES",
    "PASSES",
    "TRANSFORM_PASSES",
    "add_common_metadata_analysis_pass",
    "add_flops_bitops_analysis_pass",
    "add_software_metadata_analysis_pass",
    "analysis",
    "calculate_avg_bits_mg_analysis_pass",
    "init_metadata_analysis_pass",
    "interface",
    "load_mase_graph_interface_pass",
    "load_node_meta_param_interface_pass",
    "load_weights_interface_pass",
    "metadata_value_type_cast_transform_pass",
    "parse_node_config",
    "profile_statistics_analysis_pass",
    "quantize_transform_pass",
    "quantized_func_map",
    "quantized_module_map",
    "redefine_transform_pass",
    "register_pass",
    "report_graph_analysis_pass",
    "report_node_meta_param_analysis_pass",
    "report_node_shape_analysis_pass",
    "report_node_type_analysis_pass",
    "save_mase_graph_interface_pass",
    "save_node_meta_param_interface_pass",
    "summarize_quantization_analysis_pass",
    "transforms",
    "utils",
    "verify_common_metadata_analysis_pass",
]
