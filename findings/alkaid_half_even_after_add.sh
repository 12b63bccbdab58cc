#!/usr/bin/env bash
# alkaid 0.8.2: quantize(..., round_mode="RND_CONV") behind an affine map whose constant lies on a finer grid than the product
# does not round half to even: 16*x + 5 to multiples of 2 is wrong for every x, 2*x + 1 for every other one, x + 1 for none.
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


def rounded(a, b):
    inputs = FVArrayInput((1,), hwconf=HWConfig(1, -1, -1))
    x = inputs.quantize(1, np.array([3]), np.zeros(1, int))  # integers -8..7
    made = trace(inputs, (x * float(a) + float(b)).quantize(1, 12, -1, "WRAP", "RND_CONV"), optimize=False)
    values = np.arange(-8.0, 8.0)
    return made.predict(values[:, None], n_threads=1).ravel(), np.rint((values * a + b) / 2) * 2


print("alkaid", version("alkaid"))
for a, b, expected in ((16, 5, 16), (2, 1, 8), (1, 1, 0)):
    seen, right = rounded(a, b)
    print(f"{a}*x + {b}: wrong for {(seen != right).sum()} of 16, first {seen[:4].tolist()}, right {right[:4].tolist()}")
    assert (seen != right).sum() == expected
PY
