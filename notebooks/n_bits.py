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
# # How good can N bits be?
#
# **You will learn**
#
# - that the best *rounding* of a float model is not the best model for its bits, and how far the two are apart;
# - three ways to a front: round after training, train through the quantizers, learn the widths themselves;
# - how to count bits so that fronts of different tools can be compared, and how chop's stand beside HGQ2's;
# - what to take when: seconds for all of it, and the price of each point.
#
# **Time**: about 40 seconds to run, 30 minutes to read. Synthetic jets, no files, no network. The trainings here are
# far shorter than those of the benchmark (`docs/benchmarks/trained_fronts.md`), whose figures are drawn beside them.

# %%
import json
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch

import chop
from chop.actions import search
from chop.dataset import MaseDataModule
from chop.models import get_model, get_model_info
from chop.tools.best_file import SavedWeights
from chop.training import learn_front

data = MaseDataModule("jsc-synth", batch_size=512)
data.prepare_data()
data.setup()
model = get_model("jsc-mlp", pretrained=True).eval()  # 16-64-32-32-5, trained in float
rows = {split: data.arrays(split) for split in ("train", "val", "test")}
print(data.describe())
print("float:", chop.Evaluator(model, *rows["test"]).evaluate())

# %% [markdown]
# ## What a bit costs
#
# A multiplication of an input of $a$ bits by a constant of $b$ bits costs about $a \cdot b$ bit operations in a chip.
# *Effective* bit operations (EBOPs) take of a constant only the bits from its highest to its lowest set one: a 4 is a
# shift, a 0 is nothing. The cost model `ebops_hgq` counts as the paper of HGQ does
# ([arXiv:2405.00645](https://arxiv.org/abs/2405.00645)): input bits without the sign, no biases.
#
# All ways below are judged by this one function: EBOPs, and the share of right rows. A point is *chosen* by its
# accuracy on the validation rows, and *told* by that on the test rows.


# %%
def judge(trained, config):
    """EBOPs and the shares of right rows of a model under a config."""
    costs = chop.cost.report(trained, 1, config, ("ebops_hgq",))
    shares = {
        split: float(
            chop.Evaluator(trained, *rows[split]).evaluate(config, metrics=["accuracy_micro"])[
                "accuracy_micro"
            ]
        )
        for split in ("val", "test")
    }
    return {"EBOPs": float(costs["ebops_hgq"].total), **shares}


def by_bits(weight, data_in):
    """The same widths in all layers, half of each behind the point."""
    table = {
        "name": "integer",
        "data_in_width": data_in,
        "data_in_frac_width": data_in // 2,
        "weight_width": weight,
        "weight_frac_width": weight // 2,
        "bias_width": 8,
        "bias_frac_width": 4,
    }
    return {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": table}}


pd.DataFrame(
    [
        {"weights": w, "inputs": i, **judge(model, by_bits(w, i))}
        for w, i in ((8, 8), (6, 6), (4, 6), (4, 4), (2, 4))
    ]
)

# %% [markdown]
# Six bits cost a point, four cost twenty. What can be done about it?
#
# ## Way 1: round after training
#
# Give each layer its own widths, and take the best of *all* combinations. This is the exact front of the space: no
# search finds a better one in it.

# %%
choices = {
    "name": ["integer"],
    "data_in_width": [2, 3, 4, 6],
    "data_in_frac_width": ["NA"],  # half the width
    "weight_width": [2, 3, 4, 6],
    "weight_frac_width": ["NA"],
    "bias_width": [8],
    "bias_frac_width": [4],
}
space = {
    "name": "graph/quantize/mixed_precision_ptq",
    "setup": {"by": "type"},
    "seed": {"default": {"config": {"name": ["NA"]}}, "linear": {"config": choices}},
}
evaluator = chop.Evaluator(model, *rows["val"])
began = time.process_time()
report = chop.search.sweep(evaluator, space, {"accuracy": "maximize", "ebops_hgq": "minimize"})
seconds = {"rounded": time.process_time() - began}
rounded = pd.DataFrame([judge(model, entry["config"]) for entry in report.front]).sort_values("EBOPs")
print(f"{report.configurations:,} configurations, {seconds['rounded']:.1f} s of CPU time")
rounded.iloc[:: max(1, len(rounded) // 8)].round(3)

# %% [markdown]
# ## Way 2: train through the quantizers
#
# The forward pass rounds, the gradient passes the rounding as if it were not there, and the weights move to where
# their rounded values are good. With `train_front = true` the search trains what the sweep proposes and what lies
# near; here few configurations for few epochs.

# %%
strategy = {
    "name": "exhaustive",
    "sw_runner": {
        "basic_evaluation": {"num_samples": 10_000},
        "basic_train": {"max_epochs": 8, "batch_size": 512, "learning_rate": 3e-3},
    },
    "hw_runner": {"cost": {}},
    "setup": {"n_jobs": 1, "train_front": True, "most_trained": 24},
    "metrics": {"accuracy": {}, "ebops_hgq": {}},
}
folder = Path(tempfile.mkdtemp())
began = time.process_time()
result = search(
    model, get_model_info("jsc-mlp"), "cls", data.dataset_info, data,
    {"search": {"search_space": space, "strategy": strategy}}, folder,
)  # fmt: skip
seconds["trained"] = time.process_time() - began

found = []
for entry in result.best:
    trained = get_model("jsc-mlp")
    SavedWeights(folder / entry["weights"]["file"], entry["weights"]["sha256"]).load_into(trained)
    found.append(judge(trained.eval(), entry["sampled_config"]))
trained_front = pd.DataFrame(found).sort_values("EBOPs")
trained_front.round(3)

# %% [markdown]
# ## Way 3: learn the widths
#
# One width for a whole layer cannot go below some thousand EBOPs. But the number of bits behind the point can be a
# *parameter*, one for each weight and each feature: the finer the grid, the smaller the error of rounding, and the
# gradient tells how much the loss would gain. Against that stands a price for each bit in the loss. What is not worth
# its bits loses them, and a weight without bits is pruned.
#
# `learn_front` walks from a wide target to a narrow one, and keeps every checkpoint that no other dominates:

# %%
began = time.process_time()
walk = learn_front(
    model, {s: rows[s] for s in ("train", "val")}, [17_500, 6_000, 2_500, 1_200], recipe={"epochs": 10}
)
seconds["learned"] = time.process_time() - began
learned = pd.DataFrame([judge(each.model(model), each.config) for each in walk]).sort_values("EBOPs")
print(f"{len(walk)} points, {seconds['learned']:.1f} s of CPU time")
learned.iloc[:: max(1, len(learned) // 12)].round(3)

# %% [markdown]
# What does such a network look like? Most weights are gone, and those that stay are short:

# %%
best = walk.at(2_500)
widths = torch.cat(
    [
        torch.as_tensor(rule["config"]["weight_width"]).ravel()
        for node, rule in best.config.items()
        if node.startswith("seq")
    ]
)
print(best)
print(f"{(widths == 0).float().mean():.0%} of {len(widths):,} weights are pruned")
print("bits of the others, with the sign:", widths[widths > 0].bincount()[1:].tolist())
certificate = chop.Evaluator(best.model(model), *rows["test"]).certificate(best.config)
print(
    "every layer sums exactly:",
    all(certificate[node].exact for node in best.config if node.startswith("seq")),
)

# %% [markdown]
# ## Beside HGQ2
#
# HGQ2 is the library of the paper, on Keras; it trains widths too, from random weights. Its figures are those that
# `python -m tests.benchmarks.trained_fronts` recorded, by the same count on the same rows; where HGQ2 is installed
# (extra `bench`), that command measures them anew.

# %%
print(
    "HGQ2 is",
    "installed: the benchmark can run it" if find_spec("hgq") else "not installed: recorded figures",
)
file = Path("../docs/benchmarks/trained_fronts.json")
recorded = {}
if file.is_file():
    for run in json.loads(file.read_text())["runs"]:
        if run["case"] == "16-64-32-32-5" and run["seed"] == 0:
            recorded.setdefault(run["way"], []).extend(run["points"])
else:
    print("the benchmark's figures lie beside the notebooks in the sources only: without them below")


def at(points, target):
    """Test accuracy of the point within so many EBOPs that is best on the validation rows."""
    fitting = points[points["EBOPs"] <= target]
    return float("nan") if fitting.empty else 100 * fitting.loc[fitting["val"].idxmax(), "test"]


fronts = {"rounded": rounded, "trained": trained_front, "learned": learned}
for way, points in recorded.items():
    fronts[f"{way}, benchmark"] = pd.DataFrame(points).rename(columns={"ebops": "EBOPs"})
targets = (1_200, 1_500, 3_000, 6_000, 10_000, 17_500, 30_000)
pd.DataFrame({way: [at(front, t) for t in targets] for way, front in fronts.items()}, index=targets).round(1)

# %%
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for way, front in fronts.items():
    if way.endswith("benchmark") and not way.startswith("HGQ2"):
        continue
    front = front.sort_values("EBOPs")
    front = front[front["val"] > front["val"].cummax().shift(fill_value=0)]  # what no cheaper one beats
    ax.step(front["EBOPs"], 100 * front["test"], where="post", marker=".", label=way)
ax.axhline(100 * judge(model, by_bits(16, 16))["test"], color="0.5", lw=1, ls="--", label="16 bits, rounded")
ax.set(xscale="log", xlabel="EBOPs", ylabel="test accuracy (%)", xlim=(600, 60_000), ylim=(40, 82))
ax.grid(alpha=0.3)
ax.legend()
pd.Series(seconds, name="CPU seconds").round(1)

# %% [markdown]
# ## What to take when
#
# - **Above 25,000 EBOPs** (six bits) rounding is enough: seconds, no training, the weights stay as they are.
# - **Between** train what the sweep proposes. Formats stay one a layer, which every back end can use.
# - **Below 10,000** learn the widths: nothing else comes near, and most weights disappear. The price is formats of
#   single weights, so a chip or a compiler that takes constants one by one.
#
# The trainings here are short. The benchmark (`docs/benchmarks/trained_fronts.md`) has longer ones, three seeds, a
# smaller network and real jets.
#
# ## Try yourself
#
# 1. Give `learn_front` 20 epochs, as it has by default, and 40. Where does it help most?
# 2. `recipe={"weight": "channel"}`: one width for each output channel. What does it cost in accuracy, and what is it
#    easier for?
# 3. The distance between two seeds is the size of what you may call a difference: run the walk with `"seed": 1`.
