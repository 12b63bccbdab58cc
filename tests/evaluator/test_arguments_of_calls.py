"""What a call is given either counts as in torch or is left to torch: nothing is ignored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import chop
from chop.training import NativeTrainer

Call = Callable[[Tensor], Tensor]
CALLS: dict[str, Call] = {
    "add, alpha 0": lambda h: torch.add(h, h, alpha=0),
    "sub, alpha 0.0": lambda h: h.sub(h, alpha=0.0),
    "add a number, alpha 0": lambda h: torch.add(h, 2, alpha=0),
    "add, alpha 0.5": lambda h: torch.add(h, h, alpha=0.5),
    "mean, keepdims": lambda h: h - h.mean(dim=1, keepdims=True),
    "mean, axis": lambda h: h - torch.mean(h, axis=-1, keepdims=True),
    "sum, keepdims": lambda h: h - h.sum(1, keepdims=True),
    "mean in double": lambda h: h - h.mean(1, keepdim=True, dtype=torch.float64).float(),
    "std, correction": lambda h: h / h.std(dim=1, correction=0, keepdims=True),
    "amax, axis": lambda h: h - h.amax(axis=1, keepdims=True),
    "cat, axis": lambda h: torch.cat([h[:, 4:], h[:, :4]], axis=1),
    "stack, axis": lambda h: torch.stack([h, h * 2], axis=1).sum(axis=1),
    "softmax, axis": lambda h: torch.softmax(h, axis=1),
    "softmax in double": lambda h: F.softmax(h, 1, dtype=torch.float64).float(),
    "softmax in double by position": lambda h: torch.softmax(h, 1, torch.float64).float(),
    "gelu": lambda h: F.gelu(h, approximate="tanh"),
    "div, rounded": lambda h: torch.div(h, 0.3, rounding_mode="floor"),
    "div, not rounded": lambda h: torch.div(h, 0.3, rounding_mode=None),
    "clamp by a tensor": lambda h: h.clamp(min=h.mean(1, True)),
    "leaky relu by position": lambda h: F.leaky_relu(h, 0.3, False),
    "transpose": lambda h: h.view(-1, 2, 4).transpose(dim0=-1, dim1=-2).flatten(start_dim=-2),
    "view as dtype": lambda h: h.view(torch.int32).view(torch.float32),
    "numpy's names": lambda h: torch.add(torch.mul(x1=h, x2=h), x2=h),
    "squeeze, axis": lambda h: h.unsqueeze(axis=1).squeeze(axis=1),
    "copy": lambda h: h.clone(memory_format=torch.contiguous_format),
    "layer norm, a flag": lambda h: torch.layer_norm(h, (8,), None, None, 0.1, False),
    "max pool, indices": lambda h: F.max_pool1d(h[:, None], 3, 1, 1, return_indices=True)[0][:, 0],
    "dropout that is off": lambda h: F.dropout(h, 0.5, training=False),
    "dropout of nothing": lambda h: F.dropout(h, 0.0),
}


class Net(nn.Module):
    def __init__(self, call: Call) -> None:
        super().__init__()
        self.a, self.o, self.call = nn.Linear(8, 8), nn.Linear(8, 5), call

    def forward(self, x: Tensor) -> Tensor:
        return self.o(self.call(self.a(x)))


@pytest.mark.parametrize("name", CALLS)
def test_values_are_torchs(name: str) -> None:
    torch.manual_seed(0)
    model, x = Net(CALLS[name]).eval(), torch.randn(40, 8)
    with torch.no_grad():
        expected = model(x)
    found = chop.Evaluator(model, x).forward()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["add, alpha 0", "mean in double", "softmax in double by position", "div, rounded"]
)
def test_who_has_only_the_core_refuses_with_the_argument(name: str) -> None:
    model = Net(CALLS[name])
    why = NativeTrainer.why_not(model, (8,))
    assert why is not None
    assert "not known to the core" in why


def test_dropout_that_always_drops_is_refused() -> None:
    with pytest.raises(ValueError, match="depends on chance"):
        chop.Evaluator(Net(F.dropout).eval(), torch.randn(40, 8))
    assert "drops numbers at random in eval mode" in str(NativeTrainer.why_not(Net(F.dropout), (8,)))


def test_a_layer_called_by_keyword_can_be_quantized() -> None:
    class Keyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(input=x)

    model, x = Keyword(), torch.randn(4, 3)
    eight = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    eight |= {"weight_width": 8, "weight_frac_width": 4}
    config = {"by": "type", "default": {"config": eight}}
    graph, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(model), config)
    assert torch.equal(chop.Evaluator(model, x).forward(config), graph.model(x))
