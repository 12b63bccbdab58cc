#!/usr/bin/env bash
# torch.fx (torch 2.13.0): tracing runs what forward does to buffers on the model itself, and the step is missing from the graph;
# a buffer that is not persistent becomes persistent in the traced module, so its state dict has one key more.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch import nn


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("shift", torch.ones(2), persistent=False)

    def forward(self, x):
        self.steps.add_(1)
        return x + self.shift


print("torch", torch.__version__)
model = Counter()
traced = torch.fx.symbolic_trace(model)
print("after tracing, before any call: steps of the model", model.steps.item())
print("nodes", [node.name for node in traced.graph.nodes])
traced(torch.zeros(2))
print("after a call of the traced module: steps", model.steps.item())
print("state dicts", sorted(model.state_dict()), sorted(traced.state_dict()))
assert model.steps.item() == 1
assert [node.op for node in traced.graph.nodes] == ["placeholder", "get_attr", "call_function", "output"]
assert sorted(model.state_dict()) == ["steps"]
assert sorted(traced.state_dict()) == ["shift"]
PY
