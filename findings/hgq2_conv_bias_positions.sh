#!/usr/bin/env bash
# HGQ2 0.2.0 (Keras 3.15.1, JAX 0.10.2), EBOPs of QConv1D: the bias is charged once for every position of the input, not
# of the output, so with stride 4 and no padding it costs as much for 2 outputs a channel as for 8. The kernel follows the
# output. Two such layers cannot be compared by `_compute_ebops` where their strides or paddings differ.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check HGQ2==0.2.0 keras==3.15.1 jax==0.10.2
cd "$work"
KERAS_BACKEND=jax "$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import keras
import numpy as np
from hgq.layers import QConv1D
from hgq.quantizer import QuantizerConfig

POSITIONS, CHANNELS, FILTERS, BITS = 8, 2, 3, 5  # bits of every number, without the sign


def config(place, **options):
    return QuantizerConfig("kif", place, k0=1, i0=2, f0=3, overflow_mode="SAT_SYM", **options)


def ebops(bias, stride, padding):
    layer = QConv1D(
        FILTERS, 4, strides=stride, padding=padding, use_bias=bias, enable_ebops=True,
        iq_conf=config("datalane", homogeneous_axis=(0, 1, 2)), kq_conf=config("weight"), bq_conf=config("bias"),
    )
    model = keras.Sequential([keras.layers.Input((POSITIONS, CHANNELS)), layer])
    outputs = model(np.ones((1, POSITIONS, CHANNELS), np.float32), training=False).shape[1]
    return outputs, float(layer._compute_ebops((1, POSITIONS, CHANNELS)))


print("hgq2", version("HGQ2"), "keras", keras.__version__)
for stride, padding, outputs in (1, "valid", 5), (2, "valid", 3), (4, "valid", 2):
    (length, without), (_, with_bias) = ebops(False, stride, padding), ebops(True, stride, padding)
    print(f"stride {stride}, {padding:5}: {length} outputs a channel, kernel {without:.0f}, bias {with_bias - without:.0f}")
    assert length == outputs
    assert without == outputs * FILTERS * 4 * CHANNELS * BITS * BITS
    assert with_bias - without == POSITIONS * FILTERS * BITS  # not outputs * FILTERS * BITS
PY
