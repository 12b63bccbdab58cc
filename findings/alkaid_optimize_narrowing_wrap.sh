#!/usr/bin/env bash
# alkaid 0.8.2: trace() with its default optimize=True changes the bits that a narrowing WRAP takes; optimize=False keeps them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check alkaid==0.8.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from alkaid.trace import FVArrayInput, HWConfig, trace

values = np.arange(4.0)
right = (np.floor((7 * values + 1) / 2) * 2 % 4).tolist()  # bit 1 of 7*x + 1


def traced(optimize):
    inputs = FVArrayInput((1,), hwconf=HWConfig(1, -1, -1))
    x = inputs.quantize(0, np.array([2]), np.zeros(1, int))  # integers 0..3
    made = trace(inputs, (x * 7.0 + 1.0).quantize(0, 2, -1, "WRAP", "TRN"), optimize=optimize)
    return made.predict(values[:, None], n_threads=1).ravel().tolist()


print("alkaid", version("alkaid"), "right", right)
for optimize, expected in ((False, [0, 0, 2, 2]), (True, [0, 0, 0, 2])):
    seen = traced(optimize)
    print(f"optimize={optimize!s:5} {seen}")
    assert seen == expected
assert right == [0, 0, 2, 2]
PY
