#!/usr/bin/env bash
# onnxruntime 1.32.0: int8 data and int8 weights, as QDQ pairs in front of a Gemm, the recommended choice, give wrong sums by default
# on x86 processors without VNNI: two products are added in 16 bits and saturate there, without a word. It is not only unsigned data.
# The same weights as uint8 with zero point 128 are right everywhere; so are codes of 7 bits. Where the processor has VNNI all is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'PY'
import platform
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

X, W = np.full((1, 4), 127, np.int8), np.full((1, 4), 127, np.int8)


def model(weights, zero):
    arrays = {"s": np.float32(1), "xz": np.int8(0), "w": weights, "wz": zero}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "xz"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "xz"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wd"]),
        helper.make_node("Gemm", ["d", "wd"], ["y"], transB=1),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k]) for n, k in (("x", 4), ("y", 1))]
    stored = [numpy_helper.from_array(np.asarray(v), n) for n, v in arrays.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def run(made, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(made, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X.astype(np.float32)})[0].item()


flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
saturates = platform.machine() in ("x86_64", "AMD64") and not ("avx512_vnni" in flags or "avx_vnni" in flags)
signed, unsigned = model(W, np.int8(0)), model((W.astype(int) + 128).astype(np.uint8), np.uint8(128))
narrow = model(W // 2, np.int8(0))
want = (X.astype(int) @ W.T.astype(int)).item()
found = {level: run(signed, level) for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL")}
print("onnxruntime", ort.__version__, platform.machine(), "without VNNI" if saturates else "with VNNI, or no x86")
print("the sum is", want, "| int8 weights:", found)
print("uint8 weights:", run(unsigned, "ORT_ENABLE_ALL"), "| 7-bit codes:", run(narrow, "ORT_ENABLE_ALL"), "of", 4 * 127 * 63)
assert found["ORT_DISABLE_ALL"] == found["ORT_ENABLE_BASIC"] == want
assert (found["ORT_ENABLE_ALL"] == want) != saturates
assert run(unsigned, "ORT_ENABLE_ALL") == want and run(narrow, "ORT_ENABLE_ALL") == 4 * 127 * 63
PY
