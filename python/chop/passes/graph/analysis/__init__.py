"""Passes that look at a graph and write facts, not structure."""

from __future__ import annotations

from chop.passes.graph.analysis.add_common_metadata import add_common_metadata_analysis_pass
from chop.passes.graph.analysis.add_software_metadata import add_software_metadata_analysis_pass
from chop.passes.graph.analysis.flop_estimator import add_flops_bitops_analysis_pass
from chop.passes.graph.analysis.init_metadata import init_metadata_analysis_pass
from chop.passes.graph.analysis.quantization import calculate_avg_bits_mg_analysis_pass
from chop.passes.graph.analysis.report import (
    report_graph_analysis_pass,
    report_node_meta_param_analysis_pass,
    report_node_shape_analysis_pass,
    report_node_type_analysis_pass,
)
from chop.passes.graph.analysis.statistical_profiler import profile_statistics_analysis_pass
from chop.passes.graph.analysis.verify_common_metadata import verify_common_metadata_analysis_pass

__all__ = [
    "add_common_metadata_analysis_pass",
    "add_flops_bitops_analysis_pass",
    "add_software_metadata_analysis_pass",
    "calculate_avg_bits_mg_analysis_pass",
    "init_metadata_analysis_pass",
    "profile_statistics_analysis_pass",
    "report_graph_analysis_pass",
    "report_node_meta_param_analysis_pass",
    "report_node_shape_analysis_pass",
    "report_node_type_analysis_pass",
    "verify_common_metadata_analysis_pass",
]
