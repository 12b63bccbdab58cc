"""Quantization of a graph: the transform and its summary."""

from __future__ import annotations

from chop.ir.graph.ops import QUANTIZEABLE_OP
from chop.nn.quantized.functional import quantized_func_map
from chop.nn.quantized.modules import quantized_module_map
from chop.passes.graph.transforms.quantize.quantize import parse_node_config, quantize_transform_pass
from chop.passes.graph.transforms.quantize.summary import (
    graph_iterator_compare_nodes,
    graph_iterator_node_histogram,
    summarize_quantization_analysis_pass,
)

__all__ = [
    "QUANTIZEABLE_OP",
    "graph_iterator_compare_nodes",
    "graph_iterator_node_histogram",
    "parse_node_config",
    "quantize_transform_pass",
    "quantized_func_map",
    "quantized_module_map",
    "summarize_quantization_analysis_pass",
]
