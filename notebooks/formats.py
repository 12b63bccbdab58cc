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
# # Which number format, at how many bits?
#
# **You will learn**
#
# - how small floats, powers of two, blocks with a shared exponent and scaled integers compare with fixed point;
# - how to let `best_formats` choose their parameters;
# - how to mix formats layer by layer and get the exact front of all mixtures.
#
# **Time**: about 15 seconds to run, 10 minutes to read. Real data that come with scikit-learn; no network.

# %%
import itertools

import matplotlib.pyplot as plt

import chop
from chop.cost import Costs
from chop.dataset import MaseDataModule
from chop.models import get_model

x, y = MaseDataModule("digits", batch_size=256).arrays("val")
ev = chop.Evaluator(get_model("digits-cnn", pretrained=True).eval(), x, y)
layers = ("conv1", "conv2", "fc")
costs = Costs(ev.graph, 1, models=["model_size"])
rest = {"by": "name", "default": {"config": {"name": None}}}
print(f"float accuracy {ev.evaluate().accuracy:.4f}, {costs.evaluate(rest)['model_size'] / 1000:.2f} kB")

# %% [markdown]
# ## One tensor
#
# How much of the second convolution's weights is left, in decibels? Each format with the parameters that lose least.
# For fixed point that is the place of the point; for a small float the width of its exponent, and its bias.

# %%
for name, width, entries in (
    ("integer", 4, {}),
    ("minifloat_ieee", 4, {}),
    ("log", 4, {}),
    ("block_fp", 4, {"block_size": [1, 4]}),
    ("scale_integer", 4, {}),
    ("mxfp4", None, {}),
):
    found = chop.best_formats(ev, width, name=name, **({"entries": entries} if entries else {}))
    row = next(row for row in found.rows if row.node == "conv2" and row.operand == "weight")
    print(f"{name:15} {row.sqnr_db:5.1f} dB of {len(row.errors)} tried: {row.format}")

# %% [markdown]
# `best_formats` tries every exponent width and every bias that can be the best, so no other small float of 4 bits has a
# smaller error. Powers of two are good for numbers over many sizes, and poor for those of one size.
#
# ## All layers in one format

# %%
choices = {}
for name, widths, entries in (
    ("integer", (3, 4, 6), {}),
    ("minifloat_ieee", (4, 6), {}),
    ("log", (4, 5), {}),
    ("block_fp", (3, 4, 5), {"block_size": [1, 4]}),
    ("scale_integer", (3, 4, 5), {}),
    ("mxfp4", (None,), {}),
    ("ternary", (2,), {}),
):
    for width in widths:
        found = chop.best_formats(ev, width, name=name, **({"entries": entries} if entries else {}))
        tables = {layer: found.config()[layer] for layer in layers}
        config = {**rest, **tables}
        label = f"{name} {width or 4}"
        choices[label] = tables, ev.evaluate(config).accuracy, costs.evaluate(config)["model_size"] / 1000
        print(f"{label:18} accuracy {choices[label][1]:.4f}, {choices[label][2]:.2f} kB")

# %% [markdown]
# ## All mixtures
#
# Every layer for itself. `sweep` takes a list of configurations, leaves out those that cannot be on the front, and
# evaluates the rest.

# %%
mixed = [
    {**rest, **{layer: choices[label][0][layer] for layer, label in zip(layers, labels, strict=True)}}
    for labels in itertools.product(choices, repeat=len(layers))
]
report = chop.search.sweep(ev, mixed, {"accuracy": "maximize", "model_size": "minimize"})
print(f"{report.configurations} mixtures, {report.evaluated} evaluated, {len(report.front)} on the front")
front = sorted(report.front, key=lambda entry: entry["model_size"])
for entry in front:
    names = [entry["config"][layer]["config"] for layer in layers]
    text = ", ".join(f"{table['name']} {table.get('weight_width', 4)}" for table in names)
    print(f"{entry['model_size'] / 1000:5.2f} kB  {entry['accuracy']:.4f}  {text}")

# %%
figure, ax = plt.subplots(figsize=(6, 3.4))
for name, marker in zip(dict.fromkeys(label.split()[0] for label in choices), "os^vDPX", strict=True):
    rows = [value for label, value in choices.items() if label.split()[0] == name]
    ax.plot([size for *_, size in rows], [accuracy for _, accuracy, _ in rows], marker, label=name)
ax.step(
    [e["model_size"] / 1000 for e in front], [e["accuracy"] for e in front], where="post", color="black", lw=1
)
ax.axhline(ev.evaluate().accuracy, color="gray", linestyle=":")
ax.set_xlabel("weights and biases [kB]")
ax.set_ylabel("validation accuracy")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# **Ask yourself**
#
# 1. Which formats are on the front, and which never? Why is `integer` there only at its wide end?
# 2. The front mixes formats. Which layer gets the fewest bits?
# 3. 359 images tell accuracies apart by a percent at best. Evaluate three neighbours of the front on
#    `arrays("test")`: does their order hold?
