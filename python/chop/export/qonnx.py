"""Target ``qonnx``: Quant nodes on float32 numbers, for QONNX' readers; a variant of it for hls4ml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from chop.export.onnx_builder import OnnxBuilder, save
from chop.export.onnx_layers import LAYERS, build, grid_values
from chop.export.onnx_operations import OPERATIONS
from chop.export.onnx_rules import refusals
from chop.export.proof import in_blocks, rows_at_once
from chop.export.target import MissingExecutor, Refusal, Sample, Target, missing_packages, operands, register
from chop.integers import QuantizedView, ViewNode, sums_of
from chop.integers.batch_norm import affine_of
from chop.nn.quantizers import IntegerFormat

DOMAIN, VERSION = "qonnx.custom_op.general", 1
ROUNDINGS = {"half_even": "ROUND", "floor": "FLOOR"}  # chop's name -> QONNX'
_ARITHMETIC = "onnx-arithmetic"
_AT_ONCE = 1 << 20  # numbers; each call makes a session for every node


class QonnxStyle:
    """A Quant node for each quantizer; weights and biases are on their grids before it.

    Scale, zero point and width of each are initializers of their own, as QONNX' transformations expect.
    """

    sums_in_double = False

    def quantize(self, b: OnnxBuilder, x: str, format: IntegerFormat, alone: bool = False) -> str:
        """Add the quantizer of an activation."""
        return self._quant(b, x, format, b.number(), ROUNDINGS[format.rounding])

    def parameter(self, b: OnnxBuilder, node: ViewNode, name: str, flip: bool = False) -> str:
        """Add a weight or bias: any rounding leaves a number of the grid where it is."""
        values, full = grid_values(node, name), f"{node.name}.{name}"
        stored = b.constant(values.T if flip else values, f"{full}.values")
        return (
            self._quant(b, stored, node.one_format(name), full, "ROUND") if name in node.formats else stored
        )

    def _quant(self, b: OnnxBuilder, x: str, format: IntegerFormat, name: str, rounding: str) -> str:
        numbers = {"scale": format.scale, "zero": 0.0, "bits": float(format.width)}
        inputs = [b.constant(np.array(v, np.float32), f"{name}.{key}") for key, v in numbers.items()]
        options = {"signed": int(format.is_signed), "narrow": 0, "rounding_mode": rounding}
        return b.op("Quant", [x, *inputs], f"{name}.quant", DOMAIN, **options)


def batch_normalization(b: OnnxBuilder, view: QuantizedView, node: ViewNode, inputs: Sequence[str]) -> str:
    """One node, with the factor and offset that torch computes with: hls4ml knows no Cast."""
    factor, offset = affine_of(node, view.fuses_batch_norm)
    constants = {
        "scale": factor,
        "offset": offset,
        "mean": np.zeros_like(factor),
        "variance": np.ones_like(factor),
    }
    given = [b.constant(value, f"{node.name}.{key}") for key, value in constants.items()]
    return b.op("BatchNormalization", [*inputs, *given], node.name, epsilon=0.0)


def write_qonnx(view: QuantizedView, path: Path) -> None:
    """Write a view that target ``qonnx`` does not refuse; batch norms in double, which is exact."""
    _write(view, path, for_hls4ml=False)


def write_for_hls4ml(view: QuantizedView, path: Path) -> None:
    """Write a view as QONNX that hls4ml reads: batch norms as ``BatchNormalization``, everything on its grid.

    Args:
        view: what :func:`qonnx_refusals` has nothing against, but for sums beyond float32, which hls4ml holds.
        path: of the file.
    """
    _write(view, path, for_hls4ml=True)


def _write(view: QuantizedView, path: Path, for_hls4ml: bool) -> None:
    b = OnnxBuilder(rows=1, domains={DOMAIN: VERSION})
    batch_norms = dict.fromkeys(("batch_norm1d", "batch_norm2d"), batch_normalization)
    values = build(b, view, QonnxStyle(), {**OPERATIONS, **batch_norms} if for_hls4ml else OPERATIONS)
    inputs = [(values[node.name], node.shape) for node in view.inputs]
    save(b.model(inputs, (values[view.output], view[view.output].shape), "chop"), path)


def qonnx_refusals(view: QuantizedView) -> Iterator[Refusal]:
    """Yield what Quant nodes cannot say, whoever reads them."""
    for node in view:
        for operand in operands(node):
            yield from _format(node, operand)


def _format(node: ViewNode, operand: str) -> Iterator[Refusal]:
    format = node.one_format(operand)
    if format.is_signed and format.width == 1:
        yield Refusal(node.name, operand, "one signed bit is -1/+1 in QONNX, -1/0 in chop", _ARITHMETIC)
    if operand in node.values:  # on its grid already
        return
    if format.rounding not in ROUNDINGS:
        reason = f"its HALF_UP rounds halves away from zero, {format.rounding} does not"
        yield Refusal(node.name, operand, reason, _ARITHMETIC)
    if format.overflow != "saturate":
        yield Refusal(node.name, operand, "saturates only", _ARITHMETIC)


def run_qonnx(path: Path, x: np.ndarray) -> np.ndarray:
    """Return the outputs of a QONNX file, float32, by QONNX' own execution.

    Args:
        path: of the file. x: float32, shape [rows, ...].

    Raises:
        MissingExecutor: qonnx or onnxruntime is not installed.
    """
    if missing := missing_packages(["qonnx", "onnxruntime"]):
        raise MissingExecutor(f"{' and '.join(missing)} missing: pip install qonnx onnxruntime")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.change_batchsize import ChangeBatchSize
    from qonnx.transformation.infer_shapes import InferShapes

    block = min(len(x), rows_at_once(x, _AT_ONCE))
    model = ModelWrapper(str(path)).transform(ChangeBatchSize(block)).transform(InferShapes())
    given, wanted = model.graph.input[0].name, model.graph.output[0].name

    def run(rows: np.ndarray) -> np.ndarray:
        filled = np.resize(rows, (block, *rows.shape[1:]))
        outputs: np.ndarray = execute_onnx(model, {given: filled})[wanted]
        return outputs[: len(rows)]

    with np.errstate(all="ignore"):
        return in_blocks(run, x, _AT_ONCE)


class _QonnxTarget(Target):
    file = "model.onnx"
    writer, executor = ("onnx",), ("qonnx", "onnxruntime")
    as_numbers = ("qonnx",)  # its Quant makes +0.0 of some negative zeros

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from refusals(view)
        yield from qonnx_refusals(view)
        for node in view:
            if node.op in LAYERS and node.is_quantized and not sums_of(node).fits_float32:
                reason = f"float32 sums would depend on their order; bound {sums_of(node).bound:,}"
                yield Refusal(node.name, "", reason, _ARITHMETIC)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"qonnx": run_qonnx(path, x)}


@register
class Qonnx(_QonnxTarget):
    """QONNX, opset 21, equal in qonnx's execution."""

    name = "qonnx"

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        write_qonnx(view, path)


@register
class QonnxForHls4ml(_QonnxTarget):
    """The same for hls4ml: a batch norm is one node, which qonnx rounds twice where torch rounds once."""

    name = "qonnx-hls4ml"

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        write_for_hls4ml(view, path)
