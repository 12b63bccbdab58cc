#!/usr/bin/env bash
# onnxruntime 1.32.0, default optimizations: int8 codes that are dequantized and then only moved (MaxPool, Reshape, Transpose,
# Slice) make a model of opset 21 that the checker passes and no session loads. It turns int8 into uint8 there and forgets
# the output type. uint8 with zero point 128, which holds the same codes, loads and gives the same numbers.
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

X = np.linspace(-40, 40, 24, dtype=np.float32).reshape(1, 2, 3, 4)
MOVES = {
    "MaxPool": ([], {"kernel_shape": [1, 1]}, [1, 2, 3, 4]),
    "Reshape": (["shape"], {}, [1, 24]),
    "Transpose": ([], {"perm": [0, 1, 3, 2]}, [1, 2, 4, 3]),
    "none": None,
}


def run(move, kind, zero, level):
    numbers = {"scale": np.float32(0.25), "zero": kind(zero), "shape": np.array([1, 24])}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["grid"]),
        helper.make_node("Relu", ["grid"], ["y"]),
    ]
    shape = list(X.shape)
    if MOVES[move]:
        inputs, attributes, shape = MOVES[move]
        nodes[2] = helper.make_node(move, ["grid", *inputs], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", X.shape), ("y", shape))]
    kept = [numpy_helper.from_array(np.asarray(v), n) for n, v in numbers.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return str(error).split(": ", 2)[-1]
    return session.run(None, {"x": X})[0]


levels = onnxruntime.GraphOptimizationLevel
print("onnxruntime", version("onnxruntime"), "int8, default optimizations:")
for move in MOVES:
    plain = run(move, np.int8, 0, levels.ORT_DISABLE_ALL)
    found = run(move, np.int8, 0, levels.ORT_ENABLE_ALL)
    shifted = run(move, np.uint8, 128, levels.ORT_ENABLE_ALL)
    print(f"{move:9} {found if isinstance(found, str) else 'loads'}")
    assert np.array_equal(plain, shifted)
    assert isinstance(found, str) == (move != "none")
PY
