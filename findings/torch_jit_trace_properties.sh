#!/usr/bin/env bash
# torch.jit.trace (torch 2.13.0): it reads every name that dir() lists of a module, so a property that says with a ValueError that
# this module has no such value ends the trace, although forward never asks it. __jit_ignored_attributes__ does not spare it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")  # the tracer calls itself old


class Layer(nn.Linear):
    @property
    def codes(self):
        raise ValueError("no integer codes here")


class Ignored(Layer):
    __jit_ignored_attributes__ = ["codes"]
    codes = Layer.codes


class Unlisted(Layer):
    def __dir__(self):
        return [name for name in super().__dir__() if name != "codes"]


def outcome(kind):
    torch.manual_seed(0)
    layer, x = kind(3, 2), torch.ones(1, 3)
    try:
        return torch.equal(torch.jit.trace(layer, x)(x), layer(x))
    except ValueError as error:
        return str(error)


print("torch", torch.__version__)
found = {kind.__name__: outcome(kind) for kind in (Layer, Ignored, Unlisted)}
print(found)
assert found == {"Layer": "no integer codes here", "Ignored": "no integer codes here", "Unlisted": True}
x = torch.ones(1, 3)
assert torch.export.export(Layer(3, 2), (x,)).module()(x).shape == (1, 2)  # that road does not ask
PY
