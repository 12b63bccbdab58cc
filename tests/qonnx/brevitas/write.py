"""Writes the files beside it: what Brevitas exports. Needs ``brevitas==0.13.4 onnxscript onnxoptimizer torch==2.13.0``.

``python tests/qonnx/brevitas/write.py`` in an environment of its own; the tests need none of these packages.
"""

from __future__ import annotations

from pathlib import Path

import brevitas.nn as qnn
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int32Bias,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPoint,
)
from torch import Tensor, nn

ACT, UNSIGNED, WEIGHT = Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint
HERE = Path(__file__).parent


def layer(kind: type[nn.Module], *sizes: int, bits: int = 5, **more: object) -> nn.Module:
    settings = {"weight_quant": WEIGHT, "weight_bit_width": bits, "bias_quant": Int32Bias}
    return kind(*sizes, **{"bias": True, **settings, **more})


def identity(bits: int = 6, **more: object) -> nn.Module:
    return qnn.QuantIdentity(act_quant=ACT, bit_width=bits, return_quant_tensor=True, **more)


def relu(bits: int = 4) -> nn.Module:
    return qnn.QuantReLU(act_quant=UNSIGNED, bit_width=bits, return_quant_tensor=True)


class Residual(nn.Module):
    """Convolutions in two dimensions with groups, stride, batch norm, a pool and an add of quantized numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.door, self.add = identity(7), qnn.QuantEltwiseAdd(ACT, ACT, return_quant_tensor=True)
        self.first = layer(qnn.QuantConv2d, 2, 4, 3, padding=1)
        self.norm, self.act, self.pool = nn.BatchNorm2d(4), relu(), nn.MaxPool2d(2)
        self.grouped = layer(qnn.QuantConv2d, 4, 4, 3, padding=1, groups=2, bits=4)
        self.short = layer(qnn.QuantConv2d, 4, 4, 1, bias=False)
        self.behind, self.down = relu(5), layer(qnn.QuantConv2d, 4, 6, 3, stride=2)
        self.last = qnn.QuantIdentity(act_quant=ACT, bit_width=8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(self.act(self.norm(self.first(self.door(x)))))
        h = self.behind(self.add(self.grouped(h), self.short(h)))
        return self.last(self.down(h))


class Perceptron(nn.Module):
    """Linear layers with batch norms, and a Quant between a batch norm and the ReLU behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            identity(8),
            layer(qnn.QuantLinear, 6, 8),
            nn.BatchNorm1d(8),
            identity(5),
            relu(),
            layer(qnn.QuantLinear, 8, 3, bits=3, bias_quant=Int8BiasPerTensorFixedPointInternalScaling),
            nn.BatchNorm1d(3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def sequence() -> nn.Module:
    door, conv = identity(), layer(qnn.QuantConv1d, 1, 4, 3, padding=1)
    return nn.Sequential(
        door, conv, nn.BatchNorm1d(4), relu(), nn.Flatten(), layer(qnn.QuantLinear, 32, 5, bits=4)
    )


def single(**more: object) -> nn.Module:
    return nn.Sequential(identity(), layer(qnn.QuantLinear, 4, 3, **more))


def write(name: str, model: nn.Module, *shape: int) -> None:
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim():
            nn.init.normal_(parameter, std=0.4)
    model.train()
    for _ in range(4):
        model(torch.randn(64, *shape))
    path = HERE / f"{name}.onnx"
    export_qonnx(model.eval(), args=torch.randn(1, *shape), export_path=str(path))
    without_traces(path)


def without_traces(path: Path) -> None:
    """Drop what the exporter tells about the machine: paths and stack traces, most of the file."""
    path.with_name(path.name + ".data").unlink(missing_ok=True)  # a copy of what the file holds
    model = onnx.load(path)
    del model.metadata_props[:]
    for part in (
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    write("residual", Residual(), 2, 8, 8)
    write("perceptron", Perceptron(), 6)
    write("sequence", sequence(), 1, 8)
    write("float_scale", single(weight_quant=Int8WeightPerTensorFloat), 4)
    write("float_bias", single(bias_quant=None), 4)
    write("binary", single(weight_quant=SignedBinaryWeightPerTensorConst, bits=1, bias=False), 4)
    write("narrow", nn.Sequential(identity(narrow_range=True), single()[1]), 4)
    write("weight_only", nn.Sequential(layer(qnn.QuantLinear, 4, 3, bias=False)), 4)
