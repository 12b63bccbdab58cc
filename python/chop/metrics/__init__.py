"""Metrics of logits: accuracy, losses, counts by class, and the error against the float model.

The native metrics (``cpp/chop/evaluator/metrics``) stand in ``METRICS`` beside those that a program registers, and
are asked for in the same way, by :func:`score` for logits that you have, by ``Evaluator.evaluate`` for a config.

>>> import torch
>>> from chop.metrics import METRICS, score
>>> logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
>>> found = score(logits, torch.tensor([0, 2, 2]), ["accuracy_micro", {"name": "top_k", "k": 2}, "confusion_matrix"])
>>> found
Metrics(rows=3, accuracy_micro=0.666667, top_k(k=2)=1, confusion_matrix=int64[3, 3])
>>> found["top_k"], found["confusion_matrix"].tolist()
(1.0, [[1, 0, 0], [0, 0, 0], [0, 1, 1]])
>>> METRICS["top_k"].unit, METRICS["top_k"].direction
('fraction', 'maximize')

One of your own is a class. It sees all logits at once in Python, so it is slow beside the native ones.

>>> from chop.metrics import Metric
>>> @METRICS.register("margin")
... class Margin(Metric):
...     \"\"\"Distance between the two largest logits, mean over rows.\"\"\"
...     unit = "logit"
...     direction = "maximize"
...     needs_labels = False
...     def compute(self, logits, y):
...         largest = logits.topk(2).values
...         return (largest[:, 0] - largest[:, 1]).mean()
>>> score(logits, metrics=["margin"])["margin"]
1.0
>>> del METRICS["margin"]
"""

from __future__ import annotations

from chop.metrics.asked import AskedMetric, MetricSpec, ask
from chop.metrics.metric import METRICS, Metric
from chop.metrics.native import NativeMetric
from chop.metrics.result import Metrics
from chop.metrics.scoring import score

__all__ = ["METRICS", "AskedMetric", "Metric", "MetricSpec", "Metrics", "NativeMetric", "ask", "score"]
