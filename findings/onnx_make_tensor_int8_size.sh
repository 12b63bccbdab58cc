#!/usr/bin/env bash
# onnx.helper.make_tensor writes int8 numbers as int32 varints: a negative code takes ten bytes, a positive one takes one.
# numpy_helper.from_array writes raw bytes, one each. An int8 network is seldom smaller than its float form with the former.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def sizes(codes):
    made = helper.make_tensor("w", TensorProto.INT8, codes.shape, codes)
    raw = numpy_helper.from_array(codes, "w")
    assert (numpy_helper.to_array(made) == numpy_helper.to_array(raw)).all()
    return len(made.SerializeToString()), len(raw.SerializeToString())


print("onnx", onnx.__version__)
for value, expected in ((1, (1011, 1011)), (-1, (10011, 1011))):
    seen = sizes(np.full(1000, value, np.int8))
    print(f"1,000 codes of {value:2}: make_tensor {seen[0]} bytes, from_array {seen[1]} bytes")
    assert seen == expected
PY
