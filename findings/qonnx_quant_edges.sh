#!/usr/bin/env bash
# qonnx 1.0.0, the Quant node at its edges: one signed bit is -1/+1 (no zero), HALF_UP rounds halves away from zero,
# narrow on unsigned codes gives up the top code (255), and a fractional width is taken: 3.5 bits clip to -6..5.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 qonnx==1.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes


def quant(x, bits, mode="ROUND", signed=1, narrow=0):
    x = np.array(x, np.float32)
    node = helper.make_node(
        "Quant", ["x", "s", "z", "b"], ["y"], domain="qonnx.custom_op.general", signed=signed, narrow=narrow, rounding_mode=mode
    )
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(x.shape)) for n in "xy"]
    values = [numpy_helper.from_array(np.float32(v), n) for v, n in ((1, "s"), (0, "z"), (bits, "b"))]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], values)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    made = ModelWrapper(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    return execute_onnx(made.transform(InferShapes()), {"x": x})["y"].tolist()


def show(what, seen, expected):
    print(f"{what:24} {seen}")
    assert seen == expected, (what, seen)


print("qonnx", version("qonnx"))
show("1 bit, signed", quant([-2, -0.3, 0, 0.3, 2], 1), [-1, -1, 1, 1, 1])
show("ROUND", quant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], 8), [-2, -2, 0, 0, 2, 2])
show("HALF_UP", quant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], 8, "HALF_UP"), [-3, -2, -1, 1, 2, 3])
show("8 bits, unsigned", quant([-3, 254, 255, 300], 8, signed=0), [0, 254, 255, 255])
show("8 bits, unsigned, narrow", quant([-3, 254, 255, 300], 8, signed=0, narrow=1), [0, 254, 254, 254])
show("3.5 bits", quant([-9, -6, 5, 9], 3.5), [-6, -6, 5, 5])
PY
