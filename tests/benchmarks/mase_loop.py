"""Our own equivalent of how MASE evaluates one trial: the peer of the evaluator's benchmark.

Three eager fake-quantizers in front of each linear or convolutional layer, a DataLoader at batch 512, torchmetrics for
accuracy and the mean loss. It stands in for MASE; it is not MASE.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

Format = tuple[int, int]
LayerFormats = tuple[Format, Format, Format]
Quantizer = Callable[[Tensor], Tensor]
QUANTIZED = (nn.Linear, nn.Conv1d, nn.Conv2d)
BATCH = 512


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: int, frac_width: int) -> Tensor:
        limit = 2 ** (width - 1)
        return x.mul(2**frac_width).round().clamp(-limit, limit - 1).div(2**frac_width)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad, None, None


def _quantizer(format: Format) -> Quantizer:
    return lambda x: _FakeQuantize.apply(x, *format)


class QuantizedLayer(nn.Module):
    """A linear or convolutional layer behind quantizers of its input, weight and bias."""

    def __init__(self, layer: nn.Module, x: Quantizer, weight: Quantizer, bias: Quantizer) -> None:
        super().__init__()
        self.layer = layer
        self.quantize_x, self.quantize_w, self.quantize_b = x, weight, bias

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.layer.bias is None else self.quantize_b(self.layer.bias)
        x, weight = self.quantize_x(x), self.quantize_w(self.layer.weight)
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, bias)
        return self.layer._conv_forward(x, weight, bias)


def quantized(
    model: nn.Module, formats: Sequence[LayerFormats], quantizer: Callable[[Format], Quantizer] = _quantizer
) -> nn.Module:
    """Copy ``model`` (parameters shared) with its layers quantized: (data_in, weight, bias) of each in order."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, shared)
    layers = [(name, layer) for name, layer in made.named_modules() if isinstance(layer, QUANTIZED)]
    for (name, layer), chosen in zip(layers, formats, strict=True):
        made.set_submodule(name, QuantizedLayer(layer, *map(quantizer, chosen)))
    return made.eval()


def evaluate(model: nn.Module, x: Tensor, y: Tensor, classes: int) -> tuple[float, float]:
    """Return (macro accuracy, mean of the batch losses)."""
    accuracy, mean_loss = MulticlassAccuracy(classes), MeanMetric()
    with torch.no_grad():
        for batch, labels in DataLoader(TensorDataset(x, y), batch_size=BATCH):
            logits = model(batch)
            accuracy(logits, labels)
            mean_loss(F.cross_entropy(logits, labels))
    return float(accuracy.compute()), float(mean_loss.compute())
