#!/usr/bin/env bash
# A float32 bias of a QDQ Conv whose output is quantized: from the basic level on onnxruntime 1.32.0 rounds the bias to input
# scale x weight scale, as int32 codes. Off by up to half a step of that grid, without a warning; without optimization right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

X = np.array([[[1.0, 2.0]]], np.float32)
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def model(bias):
    values = {"xs": np.float32(0.5), "ws": np.float32(0.5), "ys": np.float32(0.0625), "z": np.int8(0)}
    values |= {"w": np.array([[[2]]], np.int8), "b": np.array([bias], np.float32)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "z"], ["wd"]),
        helper.make_node("Conv", ["xd", "wd", "b"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "ys", "z"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "ys", "z"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 2]) for n in "xy"]
    initializers = [numpy_helper.from_array(v, n) for n, v in values.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(made, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0].ravel().tolist()


print("onnx", onnx.__version__, "onnxruntime", ort.__version__, "grid of the products 0.25, of the output 0.0625")
for bias, rounded in ((0.25, 0.25), (0.125, 0.0), (0.3125, 0.25)):
    made = model(bias)
    assert ReferenceEvaluator(made).run(None, {"x": X})[0].ravel().tolist() == [1 + bias, 2 + bias]
    for level in LEVELS:
        seen = run(made, level)
        print(f"bias {bias:6} {level:20} {seen}")
        used = bias if level == LEVELS[0] else rounded
        assert seen == [1 + used, 2 + used], (bias, level, seen)
PY
