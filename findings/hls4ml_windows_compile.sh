#!/usr/bin/env bash
# hls4ml 1.3.0, io_parallel: nearly all that g++ does for a convolution on images is to optimize the functions that copy windows,
# one statement a number. With these functions alone at -O0, the rest at -O3, it takes a fraction of the time. Needs g++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check hls4ml==1.3.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
from hls4ml.model.graph import ModelGraph
from hls4ml.utils.config import create_config

SIDE, CHANNELS, FILTERS = 24, 3, 16
HEAD = "static void fill_buffer("
conv = {"class_name": "Conv2D", "name": "c", "inputs": ["x"], "data_format": "channels_last", "use_bias": True}
conv |= {"weight_data": np.ones((3, 3, CHANNELS, FILTERS)), "bias_data": np.zeros(FILTERS)}
conv |= {"n_chan": CHANNELS, "n_filt": FILTERS}
for axis in ("height", "width"):
    conv |= {f"in_{axis}": SIDE, f"out_{axis}": SIDE, f"filt_{axis}": 3, f"stride_{axis}": 1}
conv |= {f"pad_{side}": 1 for side in ("top", "bottom", "left", "right")}
image = {"class_name": "InputLayer", "name": "x", "input_shape": [SIDE, SIDE, CHANNELS], "inputs": ["input"]}
config = create_config(output_dir="project", project_name="p", backend="Vitis")
config["HLSConfig"] = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"}}
with contextlib.redirect_stdout(io.StringIO()):
    ModelGraph.from_layer_list(config, [image, conv], ["x"], ["c"]).write()


def seconds():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    words = ["g++", "-O3", "-fPIC", "-std=c++14", "-Ifirmware/ap_types/", '-DWEIGHTS_DIR="weights"']
    subprocess.run([*words, "-c", "firmware/p.cpp", "-o", "p.o"], cwd="project", check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


source = Path("project/firmware/nnet_utils/nnet_code_gen.h")
as_written = seconds()
text = source.read_text()
assert text.count(HEAD) == 1
source.write_text(text.replace(HEAD, f'__attribute__((optimize("O0"))) {HEAD}'))
told = seconds()
print("hls4ml", version("hls4ml"), f"{SIDE * SIDE * 9 * CHANNELS:,} statements")
print(f"g++ -O3, as written: {as_written:.1f} s; windows at -O0: {told:.1f} s")
assert told < as_written / 2
PY
