"""Statistics of weights and activations, computed by the core in one pass over the data."""

from __future__ import annotations

from chop.passes.graph.analysis.statistical_profiler.profile import profile_statistics_analysis_pass
from chop.passes.graph.analysis.statistical_profiler.stat import (
    STAT_NAME_TO_CLS,
    StatBase,
    create_new_stat,
)

__all__ = ["STAT_NAME_TO_CLS", "StatBase", "create_new_stat", "profile_statistics_analysis_pass"]
