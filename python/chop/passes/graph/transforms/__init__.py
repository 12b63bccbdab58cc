"""Passes that change a graph."""

from __future__ import annotations

from chop.passes.graph.transforms.metadata_value_type_cast import metadata_value_type_cast_transform_pass
from chop.passes.graph.transforms.quantize import (
    parse_node_config,
    quantize_transform_pass,
    quantized_func_map,
    quantized_module_map,
    summarize_quantization_analysis_pass,
)
from chop.passes.graph.transforms.redefine import redefine_transform_pass

__all__ = [
    "metadata_value_type_cast_transform_pass",
    "parse_node_config",
    "quantize_transform_pass",
    "quantized_func_map",
    "quantized_module_map",
    "redefine_transform_pass",
    "summarize_quantization_analysis_pass",
]
