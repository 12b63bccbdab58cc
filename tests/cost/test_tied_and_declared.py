"""Weights that an embedding shares, and arguments that are declared inputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from chop import MaseGraph
from chop.cost import Costs, report
from tests.evaluator.models import integer


class TiedDecoder(nn.Module):
    """As language models are: the table of the words in front decides among them at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.inner = nn.Embedding(20, 4), nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 20, bias=False)
        self.decoder.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.inner(self.words(x)))


def test_an_embedding_tied_to_a_quantized_decoder_counts_at_the_decoders_width() -> None:
    models = ("average_bitwidth", "average_bitwidth_mase", "memory_density", "model_size", "parameters")
    costs = Costs(TiedDecoder(), 2, models, input_shapes=(3,))
    only = {"by": "name", "default": {"config": {"name": None}}, "decoder": {"config": integer(8, 4)}}
    # The embedding looks rows up as floats, so the table is stored as such; the decoder is the only quantized layer.
    assert costs.evaluate(only) == {
        "average_bitwidth": 8, "average_bitwidth_mase": 8, "memory_density": 4,
        "model_size": 4 * 100, "parameters": 100,
    }  # fmt: skip
    both = {**only, "inner": {"config": integer(4, 2)}}
    assert costs.evaluate(both)["average_bitwidth"] == (80 * 8 + 16 * 4) / 96
    assert costs.evaluate(None)["average_bitwidth"] == 32


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor, mask: Any = None, scale: Any = 2.0) -> Tensor:
        return self.fc(x) * scale if mask is None else self.fc(x) * mask * scale


class FromTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor, table: Any) -> Any:
        return self.fc(x) * table["mask"] * table["scale"]


def test_an_argument_that_is_declared_an_input_needs_a_shape_or_a_value() -> None:
    graph = MaseGraph(Masked(), cf_args={"mask": fx.PH})
    assert Costs(graph, 4, ("flops",), input_shapes={"x": (6,), "mask": (6,)}).evaluate() == {"flops": 192}
    with pytest.raises(ValueError, match="no shape for the input mask"):
        Costs(graph, 4, ("flops",), input_shapes={"x": (6,)})
    with pytest.raises(ValueError, match="the model has 2 inputs"):
        Costs(graph, 4, ("flops",), input_shapes=(6,))
    with pytest.raises(ValueError, match="no value for mask"):
        report(graph, torch.zeros(4, 6), models=("flops",))
    x = torch.zeros(4, 6)
    assert report(graph, (x, x), models=("flops",))["flops"].total == 192


def test_parts_of_a_table_that_are_inputs_and_that_are_fixed() -> None:
    graph = MaseGraph(FromTable(), cf_args={"table": {"mask": fx.PH, "scale": 3.0}})
    shapes = {"x": (6,), "table_1": (6,)}
    assert Costs(graph, 4, ("flops",), input_shapes=shapes).evaluate() == {"flops": 192}
    with pytest.raises(ValueError, match="the model has 2 inputs"):
        Costs(graph, 4, ("flops",), input_shapes=(6,))
