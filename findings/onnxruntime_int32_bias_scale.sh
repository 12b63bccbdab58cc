#!/usr/bin/env bash
# An int32 bias of a QDQ Gemm with a DequantizeLinear of its own scale: onnxruntime 1.32.0 fuses it into QGemm from the
# extended level on and takes input scale x weight scale instead. The same bias written on that grid is right everywhere.
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

X = np.array([[1.0, 2.0, -1.5]], np.float32)
W = np.array([[1, 2, 3], [4, -5, 6]], np.int8)
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def model(bias_codes, bias_scale):
    values = {"xs": np.float32(0.5), "ws": np.float32(0.25), "z": np.int8(0), "w": W}
    values |= {"b": np.array(bias_codes, np.int32), "bs": np.float32(bias_scale), "bz": np.int32(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "z"], ["wd"]),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"]),
        helper.make_node("Gemm", ["xd", "wd", "bd"], ["y"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    initializers = [numpy_helper.from_array(v, n) for n, v in values.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(made, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0][0].tolist()


print("onnx", onnx.__version__, "onnxruntime", ort.__version__)
right = [1.125, -5.75]  # bias (1, -2), told as codes of two scales
for codes, scale in (([8, -16], 0.125), ([2, -4], 0.5)):
    made = model(codes, scale)
    assert ReferenceEvaluator(made).run(None, {"x": X})[0][0].tolist() == right
    for level in LEVELS:
        seen = run(made, level)
        print(f"bias scale {scale} {level:20} {seen}")
        fused = scale == 0.5 and level in LEVELS[2:]
        assert seen == ([0.375, -4.25] if fused else right), (scale, level, seen)
PY
