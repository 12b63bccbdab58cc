#!/usr/bin/env bash
# qonnx 1.0.0: QuantToQCDQ turns a Quant node with rounding_mode FLOOR into QuantizeLinear, which rounds half to even,
# without a warning: the converted model is another function.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 qonnx==1.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

X = np.array([-1.7, -0.5, 0.7, 1.5, 2.5], np.float32)


def model(mode):
    quant = helper.make_node(
        "Quant", ["x", "s", "z", "b"], ["y"], domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode=mode
    )
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [5]) for n in "xy"]
    values = [numpy_helper.from_array(np.float32(v), n) for v, n in ((1, "s"), (0, "z"), (4, "b"))]
    graph = helper.make_graph([quant], "g", ends[:1], ends[1:], values)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return ModelWrapper(made).transform(InferShapes())


print("qonnx", version("qonnx"), "input", X.tolist())
for mode, before, after in (("ROUND", [-2, 0, 1, 2, 2], [-2, 0, 1, 2, 2]), ("FLOOR", [-2, -1, 0, 1, 2], [-2, 0, 1, 2, 2])):
    made = model(mode)
    executed = execute_onnx(made, {"x": X})["y"].tolist()
    converted = made.transform(QuantToQCDQ())
    assert "Quant" not in [node.op_type for node in converted.graph.node]
    seen = ort.InferenceSession(converted.model.SerializeToString()).run(None, {"x": X})[0].tolist()
    print(mode, "qonnx", executed, "converted", seen)
    assert executed == before and seen == after
PY
