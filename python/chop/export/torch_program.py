"""Target ``torch``: a ``torch.export`` program of plain aten operators, which runs where chop is not installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop.export.onnx_layers import LAYERS, OPERATION_NAMES, PRODUCTS
from chop.export.onnx_rules import products_and_floats
from chop.export.proof import rows_at_once
from chop.export.target import Refusal, Sample, Target, foreign_quantizers, register, unknown_operations
from chop.integers import Format, QuantizedView, ViewNode, sums_of
from chop.nn.quantizers import IntegerFormat, NumberFormat
from chop.nn.quantizers.element_format import laid_over
from chop.nn.quantizers.integer_formula import fake_quantize_formula
from chop.nn.quantizers.number_formula import number_formula

_READER = """
import sys, numpy, torch
program, x, y, block = sys.argv[1:]
module = torch.export.load(program).module()
rows = torch.from_numpy(numpy.load(x))
assert not any(name.split(".")[0] == "chop" for name in sys.modules)
with torch.no_grad():
    parts = [module(part) for part in rows.split(int(block))]
    numpy.save(y, torch.cat(parts).numpy())
"""


class PlainModule(nn.Module):
    """A quantized model as plain torch operators; weights are buffers on their grids.

    Args:
        view: of :func:`chop.integers.quantized_view`, with the operations that the ONNX targets know.
    """

    def __init__(self, view: QuantizedView) -> None:
        super().__init__()
        self.view = view
        layers = [node for node in view if node.op in LAYERS]
        self.numbers = {node.name: node.number for node in view if node.op in _SCALARS}
        self.wide = {node.name for node in layers if not sums_of(node).fits_float32}
        for node in view:
            for name in node.values:
                self.register_buffer(f"{node.name}_{name}", torch.from_numpy(node.on_grid(name).copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, float32, of rows ``x``, float32, shape [rows, ...]."""
        values: dict[str, Tensor] = {}
        for node in self.view:
            values[node.name] = (
                x if node.op == "input" else self._value(node, [values[n] for n in node.inputs])
            )
        return values[self.view.output]

    def _value(self, node: ViewNode, inputs: list[Tensor]) -> Tensor:
        if node.is_quantized:
            names = ["data_in", "weight"] if node.op in PRODUCTS else ["data_in"] * len(inputs)
            given = [node.formats.get(name) for name in names]
            inputs = [x if f is None else _on_grid(x, f) for x, f in zip(inputs, given, strict=True)]
        if node.op in LAYERS:
            return self._layer(node, inputs[0])
        if node.op.startswith("batch_norm"):
            return self._batch_norm(node, inputs[0])
        if node.op in _SCALARS:
            pair = inputs[0], self.numbers[node.name]
            return _SCALARS[node.op](*(pair[::-1] if node.attributes["reversed"] else pair))
        return _OPERATIONS[node.op](node, *inputs)

    def _parameter(self, node: ViewNode, name: str) -> Tensor | None:
        return getattr(self, f"{node.name}_{name}") if name in node.values else None

    def _layer(self, node: ViewNode, x: Tensor) -> Tensor:
        weight, bias = self._parameter(node, "weight"), self._parameter(node, "bias")
        assert weight is not None
        wide = node.name in self.wide
        if wide:  # double holds what float32 would round on the way
            x, weight, bias = x.double(), weight.double(), None if bias is None else bias.double()
        y = F.linear(x, weight, bias) if node.op == "linear" else _conv(node, x, weight, bias)
        return y.float() if wide else y

    def _batch_norm(self, node: ViewNode, x: Tensor) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self._parameter(node, name) for name in names)
        return F.batch_norm(x, mean, variance, weight, bias, eps=float(node.attributes["eps"]))


def _on_grid(x: Tensor, format: Format) -> Tensor:
    if isinstance(format, IntegerFormat):
        return fake_quantize_formula(x, format)
    if isinstance(format, NumberFormat):
        return number_formula(x, format)
    shape = laid_over(format.shape, format.axis, x.shape)
    y = torch.zeros_like(x)
    for each, mask in format.parts():
        y = torch.where(torch.from_numpy(mask).view(shape), fake_quantize_formula(x, each), y)
    return y


def _conv(node: ViewNode, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    a = node.attributes
    before, after = list(a["padding"][::2]), list(a["padding"][1::2])
    if before != after:
        sides = [side for pair in zip(before[::-1], after[::-1], strict=True) for side in pair]
        x, before = F.pad(x, sides), [0] * len(before)
    call = F.conv1d if node.op == "conv1d" else F.conv2d
    return call(x, weight, bias, list(a["stride"]), before, list(a["dilation"]), int(a["groups"]))


def _pool(node: ViewNode, x: Tensor) -> Tensor:
    a, size = node.attributes, node.op[-2:]
    shape = list(a["kernel_size"]), list(a["stride"]), list(a["padding"])
    if node.op.startswith("max"):
        found: Tensor = getattr(F, f"max_pool{size}")(x, *shape, list(a["dilation"]), bool(a["ceil_mode"]))
        return found
    made: Tensor = getattr(F, f"avg_pool{size}")(
        x, *shape, bool(a["ceil_mode"]), bool(a["count_include_pad"])
    )
    return made


def _slice(node: ViewNode, x: Tensor) -> Tensor:
    a = node.attributes
    cuts = zip(a["start"][1:], a["size"][1:], a["step"][1:], strict=True)
    cut = (slice(None), *(slice(s, s + (n - 1) * step + 1, step) for s, n, step in cuts))
    return x[cut].reshape(-1, *node.shape)


def _pad(node: ViewNode, x: Tensor) -> Tensor:
    a = node.attributes
    sides = zip(a["before"][:0:-1], a["after"][:0:-1], strict=True)
    return F.pad(x, [side for pair in sides for side in pair], value=float(a["value"]))


def _reshape(node: ViewNode, x: Tensor) -> Tensor:
    return x.reshape(-1, *node.shape)


_SCALARS: dict[str, Callable[[Any, Any], Tensor]] = {
    "add_scalar": lambda a, b: a + b,
    "sub_scalar": lambda a, b: a - b,
    "mul_scalar": lambda a, b: a * b,
}
_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": lambda node, x: torch.relu(x),
    "relu6": lambda node, x: F.hardtanh(x, 0.0, 6.0),
    "hardtanh": lambda node, x: F.hardtanh(x, node.attributes["min_val"], node.attributes["max_val"]),
    "clamp": lambda node, x: torch.clamp(x, node.attributes["min"], node.attributes["max"]),
    "clamp_min": lambda node, x: torch.clamp(x, min=node.attributes["min"]),
    "clamp_max": lambda node, x: torch.clamp(x, max=node.attributes["max"]),
    "abs": lambda node, x: torch.abs(x),
    "neg": lambda node, x: torch.neg(x),
    "identity": lambda node, x: x.clone(),
    "add": lambda node, a, b: a + b,
    "sub": lambda node, a, b: a - b,
    "mul": lambda node, a, b: a * b,
    "minimum": lambda node, a, b: torch.minimum(a, b),
    "maximum": lambda node, a, b: torch.maximum(a, b),
    "matmul": lambda node, a, b: torch.matmul(a, b),
    "bmm": lambda node, a, b: torch.bmm(a, b),
    "max_pool1d": _pool,
    "max_pool2d": _pool,
    "avg_pool1d": _pool,
    "avg_pool2d": _pool,
    "flatten": _reshape,
    "view": _reshape,
    "unsqueeze": _reshape,
    "squeeze": _reshape,
    "permute": lambda node, x: x.permute(list(node.attributes["dims"])),
    "transpose": lambda node, x: x.transpose(int(node.attributes["dim0"]), int(node.attributes["dim1"])),
    "slice": _slice,
    "cat": lambda node, *parts: torch.cat(parts, int(node.attributes["dim"])),
    "pad": _pad,
}


@register
class TorchProgram(Target):
    """``model.pt2``: load it with ``torch.export.load``."""

    name, file = "torch", "model.pt2"
    executor = ("torch",)
    takes_features = takes_numbers = True

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from unknown_operations(view, OPERATION_NAMES)
        yield from foreign_quantizers(view)
        yield from products_and_floats(view)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        rows = torch.from_numpy(np.resize(sample.x, (3, *sample.x.shape[1:])))
        batch = torch.export.Dim("rows", min=1)
        program = torch.export.export(PlainModule(view).eval(), (rows,), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        with tempfile.TemporaryDirectory() as name:
            ends = Path(name) / "x.npy", Path(name) / "y.npy"
            np.save(ends[0], x)
            words = [sys.executable, "-c", _READER, str(path), *map(str, ends), str(rows_at_once(x))]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"torch cannot run {path.name}: {done.stderr.strip()[-500:]}")
            return {"torch alone": np.load(ends[1], allow_pickle=False)}
