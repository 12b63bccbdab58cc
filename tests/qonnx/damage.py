"""Files with bytes that are not theirs, and whether what is still read of them is what qonnx reads."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

import chop
from chop.tools.errors import ConfigError


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Change a byte or a bit, mostly; or drop or repeat a few bytes."""
    changed = bytearray(data)
    place, kind = int(random.integers(len(changed))), int(random.integers(10))
    if kind < 4:
        changed[place] = int(random.integers(256))
    elif kind < 8:
        changed[place] ^= 1 << int(random.integers(8))
    elif kind < 9:
        del changed[place : place + int(random.integers(1, 9))]
    else:
        changed[place:place] = changed[place : place + int(random.integers(1, 9))]
    return bytes(changed)


def altered(data: bytes, random: np.random.Generator) -> bytes:
    """Change a whole field of the model: a name that is read, a size, a number, an attribute, an operation."""
    model = onnx.load_model_from_string(data)
    graph, kind = model.graph, int(random.integers(9))
    node, tensor = (part[int(random.integers(len(part)))] for part in (graph.node, graph.initializer))
    numbers = (-(2**62), -3, -1, 0, 1, 2, 3, 7, 33, 4097, 2**31, 2**62)
    number = int(random.choice(numbers))
    values = [name for each in graph.node for name in (*each.input, *each.output)]
    if kind == 0 and node.input:
        node.input[int(random.integers(len(node.input)))] = str(random.choice(values))
    elif kind == 1:
        node.output[0] = str(random.choice(values))
    elif kind == 2 and tensor.dims:
        tensor.dims[int(random.integers(len(tensor.dims)))] = number
    elif kind == 3:
        array = onnx.numpy_helper.to_array(tensor)
        factor = random.choice([-1, 0, 0.5, 2, 3, 1e9])
        tensor.CopyFrom(onnx.numpy_helper.from_array((array * factor).astype(array.dtype), tensor.name))
    elif kind == 4 and node.attribute:
        attribute = node.attribute[int(random.integers(len(node.attribute)))]
        attribute.i = number
        if attribute.ints:
            attribute.ints[int(random.integers(len(attribute.ints)))] = number
    elif kind == 5:
        node.op_type = str(
            random.choice(["Relu", "Add", "Mul", "Sub", "MaxPool", "Flatten", "Gemm", "Quant", "Cast"])
        )
    elif kind == 6:
        graph.input[0].type.tensor_type.shape.dim[int(random.integers(2))].dim_value = number
    elif kind == 7:
        del graph.node[int(random.integers(len(graph.node)))]
    else:
        array = onnx.numpy_helper.to_array(tensor).reshape(-1)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array[: max(1, len(array) // 2)], tensor.name))
    return bytes(model.SerializeToString())


def outcome(path: Path, rows: int = 12) -> str:
    """Read a file and compare with qonnx: ``refused``, ``equal``, ``inexact``, or ``unread`` where qonnx fails.

    Raises:
        AssertionError: it is read otherwise than by qonnx, or refused in several lines.
    """
    try:
        graph, config = chop.load_qonnx(path)
    except ConfigError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
        assert len(str(error)) < 500
        return "refused"
    shape = next(n for n in graph.nodes if n.op == "placeholder").meta["mase"]["common"]["results"][
        "data_out_0"
    ]
    x = torch.from_numpy(
        np.random.default_rng(0).normal(0, 2, (rows, *shape["shape"][1:])).astype(np.float32)
    )
    made = chop.Evaluator(graph, x)
    assert not made.torch_nodes
    found = made.forward(config).numpy()
    wanted = by_qonnx(path, x.numpy())
    if wanted is None or wanted.shape != found.shape:
        return "unread"
    same = np.array_equal(found, wanted, equal_nan=True)
    if same or made.certificate(config).quantized_part_is_exact:
        assert same, f"largest difference {np.abs(found - wanted).max()}"
        return "equal"
    return "inexact"


def by_qonnx(path: Path, x: np.ndarray) -> np.ndarray | None:
    """What qonnx computes, None where it cannot."""
    from chop.export.qonnx import run_qonnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run_qonnx(path, x)
        except Exception:  # qonnx and onnxruntime have no one class for what they cannot do
            return None
