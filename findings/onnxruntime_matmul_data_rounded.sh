#!/usr/bin/env bash
# onnxruntime 1.32.0, default optimizations: DequantizeLinear of 8-bit weights into a MatMul or Gemm of floats becomes
# MatMulNBits, which rounds the float data to 8 bits by default (session.qdq_matmulnbits_accuracy_level = 4). So a model with
# weights in 8 bits and data in 16 or in float computes something else. Weights in int16 are left alone, and so is everything
# under ORT_ENABLE_BASIC; level 1 of that option computes in float32. Which processors round is up to its kernels.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
X = (random.integers(-2000, 2000, (50, 32)) / 256).astype(np.float32)
CODES = random.integers(-100, 100, (32, 8))
RIGHT = (X.astype(np.float64) @ (CODES / 64)).astype(np.float32)  # exact in float32, whatever the order
LEVELS = onnxruntime.GraphOptimizationLevel


def model(kind, op):
    numbers = {"codes": CODES.astype(kind), "scale": np.float32(1 / 64), "zero": kind(0)}
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["w"]),
        helper.make_node(op, ["x", "w"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", s]) for n, s in (("x", 32), ("y", 8))]
    kept = [numpy_helper.from_array(np.asarray(v), n) for n, v in numbers.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def equal_rows(text, level, accuracy=None):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    if accuracy is not None:
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", accuracy)
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": X})[0]
    return int((found == RIGHT).all(1).sum()), float(abs(found - RIGHT).max())


print("onnxruntime", version("onnxruntime"), "equal rows of 50, largest difference")
for op in ("MatMul", "Gemm"):
    for kind in (np.int8, np.int16):
        text = model(kind, op)
        basic, default = equal_rows(text, LEVELS.ORT_ENABLE_BASIC), equal_rows(text, LEVELS.ORT_ENABLE_ALL)
        in_float = equal_rows(text, LEVELS.ORT_ENABLE_ALL, "1")
        print(f"{op:6} {kind.__name__:5} basic {basic}, default {default}, accuracy level 1 {in_float}")
        assert basic == in_float == (50, 0.0)
        assert (default == (50, 0.0)) == (kind is np.int16)
PY
