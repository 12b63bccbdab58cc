#!/usr/bin/env bash
# torch.fx (torch 2.13.0) records y += 1 as an addition that writes nowhere: whoever reads the same tensor under another name gets
# the old value in the traced module. torch.Tensor itself writes in place for every such operator but @=, which it lacks.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch import nn


class Alias(nn.Module):
    def forward(self, x):
        h = x * 2
        y = h
        y += 1
        return h


print("torch", torch.__version__)
x = torch.ones(3)
model, traced = Alias(), torch.fx.symbolic_trace(Alias())
print([(node.op, str(node.target)) for node in traced.graph.nodes])
print("model ", model(x).tolist())
print("traced", traced(x).tolist())
assert model(x).tolist() == [3, 3, 3]
assert traced(x).tolist() == [2, 2, 2]
assert "<built-in function add>" in [str(node.target) for node in traced.graph.nodes]
forms = ["__iadd__", "__isub__", "__imul__", "__itruediv__", "__ifloordiv__", "__imod__", "__ipow__", "__iand__", "__ior__"]
assert all(hasattr(torch.Tensor, form) for form in forms)
assert not hasattr(torch.Tensor, "__imatmul__")
PY
