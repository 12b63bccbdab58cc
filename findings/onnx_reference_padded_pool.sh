#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator makes a wrong shape of a padded MaxPool of stride 1, and then fails on its own array.
# With any other stride it is right. onnxruntime gives what the standard says.
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

X = np.arange(3, dtype=np.float32).reshape(1, 1, 3)


def both(stride):
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3], strides=[stride], pads=[1, 1])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, None]) for n in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    right = session.run(None, {"x": X})[0].ravel().tolist()
    try:
        return right, ReferenceEvaluator(model).run(None, {"x": X})[0].ravel().tolist()
    except Exception as error:
        return right, f"{type(error).__name__}: {error}"


print("onnx", version("onnx"))
found = {stride: both(stride) for stride in (1, 2)}
for stride, (right, reference) in found.items():
    print(f"stride {stride}: onnxruntime {right}, reference {reference}")
assert found[1][0] == [1.0, 2.0, 2.0] and found[1][1] != found[1][0]
assert found[2][0] == found[2][1] == [1.0, 2.0]
PY
