#!/usr/bin/env bash
# HGQ2 0.2.0 (Keras 3.15.1, JAX 0.10.2): for the same k, i, f the count of bits that enters EBOPs depends on the name of the
# overflow mode. SAT counts the sign bit; SAT_SYM and WRAP do not. One step more in the range (-4 beside -3.875) makes a
# dense layer 44 % dearer, and WRAP, which has the same codes as SAT, is charged like SAT_SYM.
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
from hgq.layers import QDense
from hgq.quantizer import Quantizer, QuantizerConfig

ROWS = np.linspace(-4, 3.875, 505, dtype=np.float32)[None, :]


def config(place, mode, **options):
    return QuantizerConfig("kif", place, k0=1, i0=2, f0=3, overflow_mode=mode, **options)


def codes(mode):
    quantizer = Quantizer(config("datalane", mode, homogeneous_axis=(0, 1)))
    quantizer.build(ROWS.shape)
    return len(np.unique(np.asarray(quantizer(ROWS)))), float(np.asarray(quantizer.bits_(ROWS.shape)).mean())


def ebops(mode):
    layer = QDense(
        4, use_bias=False, enable_ebops=True,
        iq_conf=config("datalane", mode, homogeneous_axis=(0, 1)), kq_conf=config("weight", mode),
    )
    keras.Sequential([keras.layers.Input((8,)), layer])(np.ones((1, 8), np.float32), training=False)
    return float(layer._compute_ebops((1, 8)))


print("hgq2", version("HGQ2"), "keras", keras.__version__)
for mode, count, bits in ("SAT", 64, 6), ("SAT_SYM", 63, 5), ("WRAP", 64, 5):
    seen = *codes(mode), ebops(mode)
    print(f"{mode:8} codes {seen[0]}, bits counted {seen[1]:g}, EBOPs of 8 x 4 weights {seen[2]:g}")
    assert seen == (count, bits, 32 * bits * bits), mode
PY
