"""Models with something in the middle that the core does not know."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.passes.graph import quantize_transform_pass

FEATURES, CLASSES = 6, 4


class Swirl(nn.Module):
    """An activation of the user's own, with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.pitch = nn.Parameter(torch.linspace(0.5, 2.0, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return torch.atan(x * self.pitch) * x.new_ones(x.size(0), 1)


class Ends(nn.Module):
    """Linear layers around something that the core does not know."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)
        self.scale = nn.Parameter(torch.linspace(-1.0, 1.0, FEATURES))
        self.swirl = Swirl()
        self.lstm = nn.LSTM(2, 2, batch_first=True)
        self.seq_lstm = nn.LSTM(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(torch.relu(self.first(x))))

    def middle(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def model_of(name: str, middle: Any) -> Ends:
    return type(name, (Ends,), {"middle": middle})().eval()


def _chunked(self: Ends, x: Tensor) -> Tensor:
    a, b = torch.chunk(x, 2, dim=1)
    return torch.cat([b, a * 2], dim=1)


def _split_sizes(self: Ends, x: Tensor) -> Tensor:
    a, _, c = torch.split(x, [1, 2, 3], dim=1)
    return torch.cat([c, a.expand(x.size(0), 3)], 1)


def _maximum(self: Ends, x: Tensor) -> Tensor:
    values, places = x.view(x.size(0), 2, 3).max(dim=2)
    one_hot = nn.functional.one_hot(places, 3).to(torch.float32)
    return (one_hot * values.unsqueeze(-1)).flatten(1)


def _masked(self: Ends, x: Tensor) -> Tensor:
    return torch.where(x > 0.5, x, -x) * (x < 2.0)


def _lstm(self: Ends, x: Tensor) -> Tensor:
    out, (hidden, _) = self.lstm(x.view(-1, 3, 2))
    return torch.cat([out.flatten(1)[:, :4], hidden[-1]], dim=1)


def _lstm_sequence_first(self: Ends, x: Tensor) -> Tensor:
    out, _ = self.seq_lstm(x.view(-1, 3, 2).permute(1, 0, 2))
    return out.permute(1, 0, 2).reshape(-1, 6)


def _residual(self: Ends, x: Tensor) -> Tensor:
    return torch.sin(x) + x * self.scale.exp()


def _size_made(self: Ends, x: Tensor) -> Tensor:
    ones = x.new_ones(x.shape[0], 1)
    return torch.cat([x[:, :5], ones], dim=1)


MODELS = {
    "sin": model_of("Sin", lambda self, x: torch.sin(x)),
    "erf": model_of("Erf", lambda self, x: torch.erf(x).abs()),
    "own": model_of("Own", lambda self, x: self.swirl(x)),
    "einsum": model_of("Einsum", lambda self, x: torch.einsum("bi,oi->bo", x, self.first.weight)),
    "parameter": model_of("Parameter", lambda self, x: x + self.scale),
    "alpha": model_of("Alpha", lambda self, x: torch.add(x, x.cos(), alpha=2)),
    "gelu": model_of("Gelu", lambda self, x: nn.functional.gelu(x, approximate="tanh")),
    "softmax": model_of("Softmax", lambda self, x: torch.softmax(x, dim=-1) * 5),
    "sum": model_of("Sum", lambda self, x: x - x.mean(1, keepdim=True)),
    "chunk": model_of("Chunk", _chunked),
    "split": model_of("Split", _split_sizes),
    "max": model_of("Max", _maximum),
    "mask": model_of("Mask", _masked),
    "lstm": model_of("Lstm", _lstm),
    "lstm sequence first": model_of("LstmFirst", _lstm_sequence_first),
    "residual": model_of("Residual", _residual),
    "sizes": model_of("Sizes", _size_made),
}


def quantized(model: nn.Module, config: dict[str, Any], x: Tensor) -> Tensor:
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    with torch.no_grad():
        return graph.model.eval()(x)
