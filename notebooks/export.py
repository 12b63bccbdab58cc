# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Out of the lab: the best trial as C++ and as ONNX
#
# **You will learn**
#
# - how to take the best trial of a search out of chop: as one C++ header of whole numbers, and as an ONNX file;
# - how both are *proven*: run by g++ and by onnxruntime, and compared with the evaluator bit for bit;
# - how to use the files in a program of your own;
# - what a format cannot say, and how you are told.
#
# **Time**: about 10 seconds to run, 15 minutes to read. Synthetic jets, no files, no network. It needs g++ or clang++,
# and the packages of `pip install '.[export]'`.

# %%
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import optuna
from torch import nn

import chop
from chop.cost import Costs
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.tools.errors import ConfigError

optuna.logging.set_verbosity(optuna.logging.WARNING)

data = MaseDataModule("jsc-synth", batch_size=512)
model = get_model("jsc-toy", pretrained=True).eval()
ev = chop.Evaluator(model, *data.arrays("val"))
print(f"{ev.rows} jets, accuracy of the float model {ev.evaluate().accuracy:.4f}")

# %% [markdown]
# ## A search
#
# Each linear layer gets a width for its weights and one for its data. We look for the smallest model that loses at
# most one point of accuracy (the notebook `own_optuna_study` explains such a search step by step).

# %%
layers = [node.name for node in ev.graph.nodes if isinstance(ev.graph.modules.get(node.target), nn.Linear)]
costs = Costs(ev.graph, models=("model_size",))
WORST = ev.evaluate().accuracy - 0.01


def config_of(trial):
    config = {"by": "name", "default": {"config": {"name": None}}}
    for layer in layers:
        weight = trial.suggest_int(f"{layer}.weight_width", 2, 8)
        data_in = trial.suggest_int(f"{layer}.data_in_width", 4, 8)
        config[layer] = {
            "config": {
                "name": "integer",
                "data_in_width": data_in,
                "data_in_frac_width": data_in - 3,
                "weight_width": weight,
                "weight_frac_width": weight - 2,
            }
        }
    return config


def smallest(trial):
    config = config_of(trial)
    trial.set_user_attr("config", config)
    trial.set_constraint("accuracy", WORST - ev.evaluate(config, loss=False).accuracy)
    return costs.evaluate(config)["model_size"]


study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(smallest, n_trials=120)
best = study.best_trial.user_attrs["config"]
print(
    f"trial {study.best_trial.number}: {study.best_value:.0f} bytes, accuracy {ev.evaluate(best).accuracy:.4f}"
)
{layer: (best[layer]["config"]["weight_width"], best[layer]["config"]["data_in_width"]) for layer in layers}

# %% [markdown]
# ## As C++
#
# `chop.export` takes a model or an evaluator, a config, the name of a format and a folder. We give it the *test*
# jets to compare on, which the search has not seen.

# %%
x, y = data.arrays("test")
tests = chop.Evaluator(model, x, y)
folder = Path(tempfile.mkdtemp(prefix="chop-export-"))

cpp = chop.export(tests, best, "cpp", folder / "for_cpp")
print(cpp)

# %% [markdown]
# Each line of the answer is a compiler that was found on this machine: it compiled the header, ran all the rows,
# and every output has the same 32 bits as the evaluator's. Had one differed, the folder would be called
# `cpp.unequal`.
#
# The header needs nothing but a C++17 compiler. It holds the weights as whole numbers, and one function:

# %%
header = (cpp.path / "net.h").read_text()
print(f"{len(header)} bytes")
print(header[header.index("// One row") :])

# %% [markdown]
# Between the first `quantize` and the last sum there are only whole numbers. Batch norm and ReLU with the next
# quantizer have become one line for each channel: `(factor * sum + offset) >> shift`. How can that be the *same* as
# batch norm in floats? There are only so many sums, and the line was chosen to give the right code for each of
# them.
#
# Let us use it in a program of our own: which class does the network choose for a jet?

# %%
PROGRAM = """
#include "net.h"
#include <algorithm>
#include <iostream>

int main() {
  float x[chop_net::inputs], y[chop_net::outputs];
  while (true) {
    for (float& feature : x)
      if (!(std::cin >> feature)) return 0;
    chop_net::predict(x, y);
    std::cout << std::max_element(y, y + chop_net::outputs) - y << "\\n";
  }
}
"""
compiler = shutil.which("g++") or shutil.which("clang++")
if compiler is None:
    print("No compiler here: this part is skipped.")
else:
    (folder / "classify.cpp").write_text(PROGRAM)
    subprocess.run(
        [compiler, "-std=c++17", "-O2", f"-I{cpp.path}", "classify.cpp", "-o", "classify"],
        check=True,
        cwd=folder,
    )
    rows = "\n".join(" ".join(f"{v:.9g}" for v in row) for row in x[:2000].tolist())
    done = subprocess.run([folder / "classify"], input=rows, capture_output=True, text=True, check=True)
    chosen = np.array(done.stdout.split(), int)
    same = chosen == tests.forward(best)[:2000].argmax(1).numpy()
    print(
        f"{same.sum()} of {len(same)} jets in the same class; {(chosen == y[:2000].numpy()).mean():.4f} right"
    )

# %% [markdown]
# ## As ONNX
#
# ONNX is what other runtimes read. In the format `onnx` each quantizer is a pair of nodes, `QuantizeLinear` and
# `DequantizeLinear`, in which a runtime finds its integer kernels.

# %%
onnx_file = chop.export(tests, best, "onnx", folder / "for_onnx")
print(onnx_file)

# %% [markdown]
# onnxruntime rewrites a graph before it runs it, more at each optimization level. chop tries all four: a file that
# is right without optimizations only is not right. In a program of yours:

# %%
import onnxruntime

session = onnxruntime.InferenceSession(str(onnx_file.path), providers=["CPUExecutionProvider"])
(outputs,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
wanted = tests.forward(best).numpy()
print(f"{(outputs == wanted).all(1).sum()} of {len(wanted)} rows equal")

# %% [markdown]
# Beside each file lies `export.json`. It says how the file was proven, with which versions, and for which config:
# keep it with the file, and you can tell later where it came from.

# %%
record = json.loads(onnx_file.record.read_text())
print(record["proofs"][0])
print(record["versions"])
print(record["sha256"])

# %% [markdown]
# ## What a format cannot say
#
# `QuantizeLinear` rounds half to even. If a layer rounds down, which is cheaper in hardware, the file could only be
# wrong; so it is not written, and you are told which format can:

# %%
rounds_down = json.loads(json.dumps(best))
rounds_down[layers[0]]["config"]["data_in_rounding"] = "floor"
try:
    chop.export(tests, rounds_down, "onnx", folder / "refused")
except ConfigError as error:
    print(error)

print(chop.export(tests, rounds_down, "onnx-arithmetic", folder / "arithmetic"))

# %% [markdown]
# The other formats: `integers` (the same whole numbers for a reader in any language), `torch` (a program for plain
# torch), `qonnx`, and `hls4ml` (a project for FPGAs). `chop.export.TARGETS` names them; `docs/how-to/export.md`
# says what each can.
#
# ## Without a program
#
# After `ch search` the same is one line; `best.json#4` would take trial 4 instead of the best one:
#
# ```sh
# ch export jsc-toy jsc-synth --pretrained --quantize best.json --to cpp,onnx --out out
# ```
#
# ## Try yourself
#
# 1. Export the model with 16 bits everywhere (`width=16`). Which format refuses it, and why?
# 2. Time the C++ function over all rows, and `tests.forward(best)`. Which is faster for one row, which for 10,000?
# 3. Change one weight in `net.h` and compile `main.cpp`, which lies beside it: does it notice?
