#!/usr/bin/env bash
# torch (2.13.0): nn.AlphaDropout and nn.FeatureAlphaDropout take inplace=True, keep it, show it, and never look at it: the
# input stays as it is, while nn.Dropout, nn.Dropout2d and F.alpha_dropout overwrite theirs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch import nn
from torch.nn import functional as F

print("torch", torch.__version__)
calls = {
    "nn.Dropout": nn.Dropout(0.5, inplace=True),
    "nn.Dropout2d": nn.Dropout2d(0.5, inplace=True),
    "nn.AlphaDropout": nn.AlphaDropout(0.5, inplace=True),
    "nn.FeatureAlphaDropout": nn.FeatureAlphaDropout(0.5, inplace=True),
    "F.alpha_dropout": lambda x: F.alpha_dropout(x, 0.5, training=True, inplace=True),
}
written = {}
for name, call in calls.items():
    torch.manual_seed(0)
    x = torch.ones(4, 8, 3, 3)
    y = call(x)
    written[name] = x.data_ptr() == y.data_ptr() and not torch.equal(x, torch.ones_like(x))
    print(f"{name:24s} {call if isinstance(call, nn.Module) else ''} writes into its input: {written[name]}")
assert "inplace=True" in repr(calls["nn.AlphaDropout"])
assert written == {
    "nn.Dropout": True,
    "nn.Dropout2d": True,
    "nn.AlphaDropout": False,
    "nn.FeatureAlphaDropout": False,
    "F.alpha_dropout": True,
}
PY
