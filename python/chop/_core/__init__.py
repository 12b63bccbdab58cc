"""The compiled core, and the check that it fits the torch that is installed.

>>> from chop import _core
>>> _core.active_isa() in _core.available_isas()
True
"""

from __future__ import annotations

import torch

from chop._core import loading

loading.require_torch(torch.__version__)
loading.load_operators()

from chop._core.native import (  # noqa: E402  the operators come first: they say what is wrong with the torch
    Costs,
    Evaluator,
    FormatMemo,
    Formats,
    Graph,
    GraphBuilder,
    NamedTotals,
    NodeWidths,
    QuantizationErrors,
    Statistic,
    Sweep,
    SweepSpace,
    TorchCall,
    Tpe,
    Trainer,
    TrainingOptions,
    TrainingSpecification,
    WidthMemo,
    __compiler__,
    __torch__,
    __version__,
    active_isa,
    available_isas,
    check_trainable,
    cost_models,
    effective_weight_bits,
    fake_quantize,
    float_ops,
    metrics,
    nodes_for_torch,
    number_grid,
    number_rule,
    op_table,
    pareto_front,
    quantizers,
    run_float_op,
    score,
    statistics,
    value_formats,
)

__all__ = [
    "Costs",
    "Evaluator",
    "FormatMemo",
    "Formats",
    "Graph",
    "GraphBuilder",
    "NamedTotals",
    "NodeWidths",
    "QuantizationErrors",
    "Statistic",
    "Sweep",
    "SweepSpace",
    "TorchCall",
    "Tpe",
    "Trainer",
    "TrainingOptions",
    "TrainingSpecification",
    "WidthMemo",
    "__compiler__",
    "__torch__",
    "__version__",
    "active_isa",
    "available_isas",
    "check_trainable",
    "cost_models",
    "effective_weight_bits",
    "fake_quantize",
    "float_ops",
    "metrics",
    "nodes_for_torch",
    "number_grid",
    "number_rule",
    "op_table",
    "pareto_front",
    "quantizers",
    "run_float_op",
    "score",
    "statistics",
    "value_formats",
]
