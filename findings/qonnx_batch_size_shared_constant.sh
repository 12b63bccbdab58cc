#!/usr/bin/env bash
# qonnx 1.0.0: ChangeBatchSize writes the new batch into the shape of each Reshape, which may be an initializer that other
# nodes read as well (valid ONNX): a Slice that shares it then cuts elsewhere, without a warning.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 qonnx==1.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes


def model(shared):
    """The first number of the first two rows: Slice, then Reshape to [1, 2]; its shape may serve as ends of the Slice."""
    ends = "shape" if shared else "ends"
    nodes = [
        helper.make_node("Slice", ["x", "starts", ends, "axes"], ["cut"]),
        helper.make_node("Reshape", ["cut", "shape"], ["y"]),
    ]
    lists = {"starts": [0, 0], "axes": [2, 1], "shape": [1, 2], "ends": [1, 2]}
    values = [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in lists.items() if n != "ends" or not shared]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5])
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    made = helper.make_model(
        helper.make_graph(nodes, "g", [given], [found], values),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    onnx.checker.check_model(made, full_check=True)
    return made


x = np.arange(40, dtype=np.float32).reshape(2, 4, 5)
want = x[:, :2, 0]
print("qonnx", version("qonnx"), "wanted", want.tolist())
for shared in (False, True):
    changed = ModelWrapper(model(shared)).transform(ChangeBatchSize(2))
    ends = changed.get_initializer("shape" if shared else "ends").tolist()
    print("shared" if shared else "own", "initializer: Slice ends", ends)
    assert ends == ([2, 2] if shared else [1, 2])
    if not shared:
        seen = execute_onnx(changed.transform(InferShapes()), {"x": x})["y"]
        assert np.array_equal(seen, want)
PY
