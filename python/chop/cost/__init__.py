"""What a model costs: named figures with unit and definition, from stored shapes and a quantization config.

The native models (``cpp/chop/cost``) stand in ``COST_MODELS`` beside those that a program registers with
:func:`cost_model`.

>>> from torch import nn
>>> from chop import cost
>>> model = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5), nn.ReLU())
>>> found = cost.report(model, batch=8, models=("flops", "bitops", "model_size"))
>>> found["flops"].total, found["bitops"].total, found["model_size"].total
(1320, 42240, 468)
>>> list(found["flops"].nodes.values())
[0, 512, 128, 640, 40]
"""

from __future__ import annotations

from chop.cost.costs import Costs, report
from chop.cost.models import COST_MODELS, CostModel, NodeCost, cost_model
from chop.cost.table import CostReport, CostRow

__all__ = ["COST_MODELS", "CostModel", "CostReport", "CostRow", "Costs", "NodeCost", "cost_model", "report"]
