"""Our own equivalent of how MASE evaluates one trial: the peer of the evaluator's benchmark.

Three eager fake-quantizers in front of each linear layer, a DataLoader at batch 512, torchmetrics for accuracy and the
mean loss. It stands in for MASE; it is not MASE.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

Format = tuple[int, int]
BATCH = 512


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: int, frac_width: int) -> Tensor:
        limit = 2 ** (width - 1)
        return x.mul(2**frac_width).round().clamp(-limit, limit - 1).div(2**frac_width)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad, None, None


def _quantizer(format: Format) -> Callable[[Tensor], Tensor]:
    return lambda x: _FakeQuantize.apply(x, *format)


class _QuantizedLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.quantize_x(x), self.quantize_w(self.weight), self.quantize_b(self.bias))


def quantized(model: nn.Sequential, formats: list[tuple[Format, Format, Format]]) -> nn.Sequential:
    """Rebuild ``model`` with its linear layers quantized: (data_in, weight, bias) of each in order."""
    remaining = iter(formats)
    layers: list[nn.Module] = []
    for layer in model:
        if isinstance(layer, nn.Linear):
            made = _QuantizedLinear(layer.in_features, layer.out_features)
            made.weight, made.bias = layer.weight, layer.bias
            made.quantize_x, made.quantize_w, made.quantize_b = map(_quantizer, next(remaining))
            layers.append(made)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).eval()


def evaluate(model: nn.Sequential, x: Tensor, y: Tensor, classes: int) -> tuple[float, float]:
    """Return (macro accuracy, mean of the batch losses)."""
    accuracy, mean_loss = MulticlassAccuracy(classes), MeanMetric()
    with torch.no_grad():
        for batch, labels in DataLoader(TensorDataset(x, y), batch_size=BATCH):
            logits = model(batch)
            accuracy(logits, labels)
            mean_loss(F.cross_entropy(logits, labels))
    return float(accuracy.compute()), float(mean_loss.compute())
