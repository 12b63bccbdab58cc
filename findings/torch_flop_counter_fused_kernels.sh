#!/usr/bin/env bash
# torch 2.13.0's FlopCounterMode on the CPU counts 0 for what a fused kernel computes: nn.LSTM always, and in eval mode under
# inference_mode nn.MultiheadAttention too. On meta tensors, or with the fast path off, the same modules have their FLOPs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def flops(module, *inputs):
    counter = FlopCounterMode(display=False)
    with counter:
        module(*inputs)
    return counter.get_total_flops()


def show(what, seen, expected):
    print(f"{what:48} {seen}")
    assert seen == expected, (what, seen)


print("torch", torch.__version__)
x = torch.randn(2, 5, 8)
lstm = nn.LSTM(8, 16, batch_first=True)
show("LSTM(8, 16) on [2, 5, 8], cpu", flops(lstm, x), 0)
show("the same on meta", flops(lstm.to("meta"), x.to("meta")), 30720)
show("GRU(8, 16) on [2, 5, 8], cpu", flops(nn.GRU(8, 16, batch_first=True), x), 23040)
attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
show("MultiheadAttention(8, 2), gradients on", flops(attention, x, x, x), 6720)
with torch.inference_mode():
    show("the same under inference_mode", flops(attention, x, x, x), 0)
    torch.backends.mha.set_fastpath_enabled(False)
    show("the same, fast path off", flops(attention, x, x, x), 6720)
matrix, vector = torch.randn(64, 64), torch.randn(64)
show("64x64 @ 64x1", flops(lambda: matrix @ vector[:, None]), 8192)
show("64x64 @ 64", flops(lambda: matrix @ vector), 0)
PY
