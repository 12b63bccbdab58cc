#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator widens the kernel of a dilated Conv with zeros and multiplies what lies under them, too. So a
# NaN or an infinity that no tap of the kernel reads makes the output NaN. Without dilation it is right; onnxruntime and torch are.
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
from onnx.reference import ReferenceEvaluator

W = np.ones((1, 1, 2), np.float32)


def both(x, **attributes):
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, None]) for n in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(W, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    x = np.array(x, np.float32).reshape(1, 1, -1)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = (session.run(None, {"x": x}), ReferenceEvaluator(model).run(None, {"x": x}))
    return [y[0].ravel().tolist() for y in runs]


print("onnx", version("onnx"))
for hole in (np.nan, np.inf):
    right, reference = both([1, hole, 2], dilations=[2])  # one window: the first and the third number
    print(f"1, {hole}, 2 with dilation 2: onnxruntime {right}, reference {reference}")
    assert right == [3.0] and np.isnan(reference).all()
right, reference = both([1, 2, 3, np.nan], dilations=[1])
print(f"without dilation: onnxruntime {right}, reference {reference}")
np.testing.assert_array_equal(right, [3, 5, np.nan])
np.testing.assert_array_equal(reference, right)
PY
