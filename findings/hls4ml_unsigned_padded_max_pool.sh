#!/usr/bin/env bash
# hls4ml 1.3.0, io_parallel: a padded max pool pads with the highest bit of the type alone. That is the smallest number of a
# signed type; of an unsigned one it is half of the range, so that smaller numbers at the border are lost without a warning.
# One more bit for a sign in front of the pool mends it. Needs g++.
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
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.util.cleanup import cleanup_model

X = np.array([[[[1, 2, 3], [4, 5, 1], [0, 2, 1]]]], np.float32)  # [rows, channels, height, width]


def model(signed, bits):
    values = {"s": 1, "z": 0, "b": bits}
    form = {"domain": "qonnx.custom_op.general", "signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Quant", ["x", "s", "z", "b"], ["xq"], **form),
        helper.make_node("MaxPool", ["xq"], ["y"], **pool),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 3, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])
    initializers = [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in values.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return cleanup_model(ModelWrapper(helper.make_model(graph, opset_imports=opsets, ir_version=10)))


def predicted(made, kind):
    last = cleanup_model(made.transform(ConvertToChannelsLastAndClean()))
    config = hls4ml.utils.config_from_onnx_model(last, granularity="name", backend="Vitis")
    config["LayerName"][last.graph.input[0].name]["Precision"] = {"result": kind}
    project = hls4ml.converters.convert_from_onnx_model(
        last, output_dir=f"project_{kind[:5]}", project_name="p", backend="Vitis", hls_config=config
    )
    project.compile()
    return project.predict(X).ravel().tolist()


with contextlib.redirect_stdout(io.StringIO()):
    unsigned, signed = model(0, 4), model(1, 5)
    right = execute_onnx(unsigned, {unsigned.graph.input[0].name: X})[unsigned.graph.output[0].name].ravel().tolist()
    wrong = predicted(unsigned, "ufixed<4,4,RND_CONV,SAT>")
    mended = predicted(signed, "fixed<5,5,RND_CONV,SAT>")
print("hls4ml", version("hls4ml"))
print("qonnx                  ", right)
print("hls4ml, unsigned 4 bits", wrong)
print("hls4ml, signed 5 bits  ", mended)
assert right == mended == [5.0] * 4 and wrong == [8.0] * 4
PY
