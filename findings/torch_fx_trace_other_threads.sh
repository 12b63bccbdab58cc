#!/usr/bin/env bash
# torch.fx (torch 2.13.0): while one thread traces a model, another thread that reads a weight of that model gets a Proxy, and one
# that calls any other module gets an error about a submodule: the tracer changes nn.Module itself, for all threads.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import threading

import torch
from torch import nn

other, found = nn.Linear(2, 2), {}


def meanwhile(model):
    found["weight"] = type(model.layer.weight).__name__
    try:
        other(torch.ones(1, 2))
        found["call"] = "computed"
    except Exception as error:
        found["call"] = f"{type(error).__name__}: {error}"


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        thread = threading.Thread(target=meanwhile, args=(self,))  # any work of the program that falls into the trace
        thread.start()
        thread.join()
        return self.layer(x)


print("torch", torch.__version__)
torch.fx.symbolic_trace(Model())
print(found)
assert found == {"weight": "Proxy", "call": "NameError: module is not installed as a submodule"}
PY
