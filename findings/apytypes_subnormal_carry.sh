#!/usr/bin/env bash
# apytypes 0.5.1: a number that rounds up from the subnormals of a floating-point format to its smallest normal number
# becomes 0. Here 3 exponent bits, 4 mantissa bits, bias 3: smallest normal 0.25, step below it 2^-6.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apytypes==0.5.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import apytypes
import numpy as np
from apytypes import APyFloatArray, QuantizationMode

x = np.array([0.2344, 0.2421, 0.2423, 0.2495, 0.25, 0.2572])
step = 2.0**-6
right = np.rint(x / step) * step  # subnormals and the first binade share this step
seen = APyFloatArray.from_float(x, 11, 52).cast(3, 4, 3, QuantizationMode.TIES_EVEN).to_numpy()
print("apytypes", apytypes.__version__)
print("input", x.tolist())
print("right", right.tolist())
print("seen ", seen.tolist())
assert right.tolist() == [0.234375, 0.234375, 0.25, 0.25, 0.25, 0.25]
assert seen.tolist() == [0.234375, 0.234375, 0.0, 0.0, 0.25, 0.25]
PY
