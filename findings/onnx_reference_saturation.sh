#!/usr/bin/env bash
# QuantizeLinear saturates, says the standard. onnx's own reference evaluator (1.23.2) goes through int32 first: from 2^31 up,
# and for +inf, it gives the LOWEST int8 code. onnxruntime 1.32.0 gives the highest, and both make NaN the lowest code.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

warnings.simplefilter("ignore", RuntimeWarning)
X = np.array([200, 2**31 - 256, 2**31, np.inf, -np.inf, np.nan], np.float32)
node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
values = [numpy_helper.from_array(np.float32(1), "s"), numpy_helper.from_array(np.int8(0), "z")]
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [6])
y = helper.make_tensor_value_info("y", TensorProto.INT8, [6])
made = helper.make_model(
    helper.make_graph([node], "g", [x], [y], values), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
)
onnx.checker.check_model(made, full_check=True)
runtime = ort.InferenceSession(made.SerializeToString()).run(None, {"x": X})[0].tolist()
reference = ReferenceEvaluator(made).run(None, {"x": X})[0].tolist()
print("onnx", onnx.__version__, "onnxruntime", ort.__version__, "input", X.tolist())
print("onnxruntime   ", runtime)
print("onnx.reference", reference)
assert runtime == [127, 127, 127, 127, -128, -128]
assert reference == [127, 127, -128, -128, -128, -128]
PY
