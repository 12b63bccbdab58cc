#!/usr/bin/env bash
# torch.fx (torch 2.13.0): an optional argument that is None by default is a proxy while tracing, so "is not None" is true and
# that branch is traced, while the generated forward keeps the default None: called as the model is called, it fails or differs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch import nn


class Scored(nn.Module):
    def forward(self, x, mask=None):
        if mask is not None:
            return x * 0.5
        return x


print("torch", torch.__version__)
model, x = Scored(), torch.ones(3)
traced = torch.fx.symbolic_trace(model)
print(traced.code.strip())
print("model ", model(x).tolist())
print("traced", traced(x).tolist())
assert model(x).tolist() == [1, 1, 1]
assert traced(x).tolist() == [0.5, 0.5, 0.5]
assert "mask = None" in traced.code
PY
