"""Passes: ``pass(graph, pass_args) -> (graph, info)``; the caller's ``pass_args`` never change."""

from __future__ import annotations

from chop.passes import graph, module
from chop.passes.graph import *  # noqa: F403
from chop.passes.graph import __all__ as _graph_names
from chop.passes.module import calculate_avg_bits_module_analysis_pass

__all__ = [*_graph_names, "calculate_avg_bits_module_analysis_pass", "graph", "module"]
