#!/usr/bin/env bash
# hls4ml 1.3.0 from QONNX: whatever Quant stands behind the input, the input itself is fixed<16,6,TRN,WRAP> unless it is set.
# 40 arrives as -24 and 0.12501 as 0, without a warning. With the Quant's own type for the input the result is right. Needs g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 qonnx==1.0.0 hls4ml==1.3.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

import hls4ml
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

X = np.array([[40.0, 0.0], [0.12501, 0.0], [1.0, 2.0]], np.float32)


def model():
    values = {"s": 0.25, "z": 0, "b": 9, "w": [[1.0], [0.5]], "ws": 0.5, "wz": 0, "wb": 4}
    form = {"domain": "qonnx.custom_op.general", "signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    nodes = [
        helper.make_node("Quant", ["x", "s", "z", "b"], ["xq"], **form),
        helper.make_node("Quant", ["w", "ws", "wz", "wb"], ["wq"], **form),
        helper.make_node("MatMul", ["xq", "wq"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])
    initializers = [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in values.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return cleanup_model(ModelWrapper(helper.make_model(graph, opset_imports=opsets, ir_version=10)))


def predicted(made, input_type):
    config = hls4ml.utils.config_from_onnx_model(made, granularity="name", backend="Vitis")
    if input_type:
        config["LayerName"][made.graph.input[0].name]["Precision"] = {"result": input_type}
    project = hls4ml.converters.convert_from_onnx_model(
        made, output_dir=f"project_{bool(input_type)}", project_name="p", backend="Vitis", hls_config=config
    )
    project.compile()
    first = next(iter(project.get_layers()))
    return str(first.get_output_variable().type.precision), project.predict(X).ravel().tolist()


with contextlib.redirect_stdout(io.StringIO()):
    made = model()
    right = [execute_onnx(made, {made.graph.input[0].name: row[None]})[made.graph.output[0].name].item() for row in X]
    chosen = predicted(made, None)
    told = predicted(made, "fixed<9,7,RND_CONV,SAT>")
print("hls4ml", version("hls4ml"), "input", X[:, 0].tolist())
print("qonnx            ", right)
print("hls4ml, defaults ", *chosen)
print("hls4ml, type told", *told)
assert right == [40.0, 0.25, 2.0] and told[1] == right
assert chosen[0].startswith("fixed<16,6,TRN,WRAP") and chosen[1] == [-24.0, 0.0, 2.0]
PY
