"""onnxruntime: the exported float model, and the same with quantize/dequantize pairs in int8; torch's own loss."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.evaluator.cases import Case

from .peer import Configure, Outcome, Peer, fixed, score

CALIBRATION_ROWS = 4096


def export(case: Case, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = {0: torch.export.Dim("rows")}
        options: dict[str, Any] = {"input_names": ["x"], "dynamo": True, "verbose": False}
        torch.onnx.export(case.model, (case.x[:8],), path, dynamic_shapes=(rows,), **options)


def quantize(case: Case, source: Path, target: Path) -> None:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.rows: Iterator[dict[str, Any]] = iter([{"x": case.x[:CALIBRATION_ROWS].numpy()}])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rows, None)

    cleaned = source.with_suffix(".cleaned.onnx")
    quant_pre_process(source, cleaned)
    quantization.quantize_static(
        cleaned,
        target,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def session_run(case: Case, path: Path) -> Configure:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = case.x.numpy()

    def run() -> Outcome:
        return score(torch.from_numpy(session.run(None, {"x": x})[0]), case.y)

    return fixed(run)


def build_int8(case: Case) -> Configure:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        export(case, source)
        quantize(case, source, target)
        return session_run(case, target)


def build_float(case: Case) -> Configure:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "float.onnx"
        export(case, source)
        return session_run(case, source)


NEEDS = ("onnxruntime", "onnx", "onnxscript")
PEERS = (
    Peer("onnx_int8", "onnxruntime QDQ int8, torch's loss", build_int8, NEEDS, rebuilds=True),
    Peer("onnx_fp32", "onnxruntime fp32, no quantization", build_float, NEEDS, quantized=False),
)
