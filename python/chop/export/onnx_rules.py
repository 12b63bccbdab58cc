"""What no ONNX dialect can say exactly, and running what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chop.export.onnx_layers import LAYERS, OPERATION_NAMES, PRODUCTS
from chop.export.proof import in_blocks
from chop.export.target import (
    MissingExecutor,
    Refusal,
    foreign_quantizers,
    missing_packages,
    unknown_operations,
)
from chop.integers import QuantizedView, ViewNode, has_sums, largest_code, lies_on_grid, sums_of
from chop.tools.logger import get_logger

_DOUBLE_EXACT = 2**53
EXECUTORS = ("onnxruntime", "onnx")
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def refusals(view: QuantizedView, known: frozenset[str] = OPERATION_NAMES) -> Iterator[Refusal]:
    """Yield what is refused in every dialect."""
    yield from unknown_operations(view, known)
    yield from foreign_quantizers(view)
    yield from products_and_floats(view)
    for node in view:
        if node.op.startswith("avg_pool"):
            yield from _average(node)


def products_and_floats(view: QuantizedView) -> Iterator[Refusal]:
    """Yield the sums that no order of additions makes exact."""
    for node in view:
        if node.op in LAYERS | PRODUCTS and not node.is_quantized:
            yield Refusal(
                node.name, "", "a float layer's sums depend on the order of additions: give it a format"
            )
        elif node.op in PRODUCTS:
            yield from _product(view, node)
        elif node.op in LAYERS and not has_sums(node):
            yield Refusal(
                node.name,
                "",
                "its operands do not all lie on grids: its sums depend on the order of additions",
            )
        elif node.op in LAYERS and (bound := sums_of(node).bound) >= _DOUBLE_EXACT:
            yield Refusal(node.name, "", f"its sums reach {_text(bound)}, which double does not hold exactly")


def _product(view: QuantizedView, node: ViewNode) -> Iterator[Refusal]:
    bound = view[node.inputs[0]].shape[-1]
    for format in node.formats.values():
        if not lies_on_grid(format):
            yield Refusal(
                node.name,
                "",
                f"the numbers of {format} lie on no grid: float32 sums would depend on their order",
            )
            return
        bound *= largest_code(format)
    if bound >= 2**24:
        yield Refusal(node.name, "", f"float32 sums would depend on their order; bound {_text(bound)}")


def _text(bound: int) -> str:
    return f"{bound:,}" if bound < 2**64 else f"2^{bound.bit_length() - 1}"


def _average(node: ViewNode) -> Iterator[Refusal]:
    size = int(np.prod(node.attributes["kernel_size"]))
    if node.attributes["divisor_override"]:
        yield Refusal(node.name, "", "AveragePool has no divisor of one's own")
    elif size & (size - 1):
        yield Refusal(
            node.name,
            "",
            f"an average over {size} numbers is rounded differently by runtimes; 2, 4, 8 … are exact",
        )


def run_everywhere(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """Run an ONNX file in onnxruntime at each optimization level and in onnx's reference; executor -> outputs."""
    found: dict[str, np.ndarray] = {}
    if not missing_packages(["onnxruntime"]):
        found |= _in_runtime(path, x)
    if not missing_packages(["onnx"]):
        try:
            if not np.isfinite(x).all() and _has_dilated_conv(path):
                raise ValueError(
                    "it fills the holes of a dilated Conv's kernel with zeros, so that a NaN or an infinity there, "
                    "which no product reads, makes the sum NaN"
                )
            reference = _in_reference(path, x)
            if any(y.shape != reference.shape for y in found.values()):
                raise ValueError(f"its output has the shape {reference.shape}")
            found["onnx.reference"] = reference
        except Exception as error:  # it makes a wrong shape of a padded pool of stride 1, for another
            if not found:
                raise
            get_logger(__name__).warning("onnx.reference fails, onnxruntime alone is compared: %r", error)
    if not found:
        raise MissingExecutor("neither onnxruntime nor onnx is installed: pip install onnx onnxruntime")
    return found


def _in_runtime(path: Path, x: np.ndarray) -> Mapping[str, np.ndarray]:
    import onnxruntime

    found = {}
    for level in LEVELS:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found[f"onnxruntime {level}"] = in_blocks(partial(_run, session, name), x)
    return found


def _run(session: Any, name: str, x: np.ndarray) -> np.ndarray:
    outputs: list[np.ndarray] = session.run(None, {name: x})
    return outputs[0]


def _has_dilated_conv(path: Path) -> bool:
    import onnx

    nodes = onnx.load(str(path)).graph.node
    dilations = [a.ints for n in nodes if n.op_type == "Conv" for a in n.attribute if a.name == "dilations"]
    return any(step != 1 for steps in dilations for step in steps)


def _in_reference(path: Path, x: np.ndarray) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(str(path))
    with np.errstate(all="ignore"):
        return in_blocks(partial(_run, session, str(session.input_names[0])), x)
