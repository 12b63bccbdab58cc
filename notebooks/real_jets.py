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
# # The real jets
#
# **You will learn**
#
# - where the real data come from, why two different tables go by one name, and how to hand one to `chop`;
# - what changes with them: class order, splits, scaling, duplicates, and how to see each of these go wrong;
# - why accuracies on the synthetic jets must never be quoted, and what *does* carry over from them.
#
# **Time**: about 10 seconds to run, 20 minutes to read. Without a data file (and without a network) the notebook says
# so and goes on with `jsc-synth`, so that every cell runs all the same.

# %%
import os
import socket
from pathlib import Path

import pandas as pd
import torch

import chop
import chop.plotting
from chop.dataset import MaseDataModule
from chop.models import get_model

# %% [markdown]
# ## Getting the data
#
# | | CERNBox | OpenML 42468 |
# |---|---|---|
# | used by | MASE, LogicNets, PolyLUT | the hls4ml tutorial, HGQ |
# | rows | nearly a million | 830,000 |
# | order of the classes | g q w z t | g q t w z |
#
# They are *different* jets, and results on the one are not comparable with results on the other. The files:
#
# - CERNBox: `processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth.z`
# - OpenML: `hls4ml_lhc_jets_hlf.parquet`, or `.csv`, `.npz`, `.arff`
#
# Put one of them under its name into a folder, and name the folder in the environment variable `CHOP_DATA_DIR` (or
# pass `data_dir=…`, on the command line `--data-dir`).
#
# Where there is a network, `chop` can fetch the OpenML table itself. It is large, so this cell only does it if you
# write `True`:

# %%
DOWNLOAD = False


def online(host="data.openml.org", seconds=3):
    """Whether a connection can be made at all."""
    try:
        socket.create_connection((host, 443), timeout=seconds).close()
    except OSError:
        return False
    return True


if not DOWNLOAD:
    print("DOWNLOAD is False: nothing is fetched.")
elif not online():
    print("No network: nothing is fetched.")
else:
    folder = Path(os.environ.setdefault("CHOP_DATA_DIR", str(Path.home() / "jets")))
    folder.mkdir(exist_ok=True)
    MaseDataModule("jsc", batch_size=512, data_dir=folder).prepare_data()
    print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# Now either the real table is there or it is not. `describe()` tells which one, by its number of rows, and the order
# of its classes. Read that line before you compare anything with anything:

# %%
synth = MaseDataModule("jsc-synth", batch_size=512)
folder = os.environ.get("CHOP_DATA_DIR")
real = None
if folder is None:
    print("CHOP_DATA_DIR is not set: no real jets, the cells below use the synthetic ones.")
else:
    try:
        real = MaseDataModule("jsc", batch_size=512, data_dir=folder)
        real.setup()
    except FileNotFoundError as error:
        print(error)
        real = None
data = synth if real is None else real
print(data.describe())

# %% [markdown]
# ## What is in it
#
# Sixteen *high-level features* of a jet: its mass, how many particles it has, and how their energy is spread. After
# scaling each has about mean 0 and standard deviation 1:

# %%
x_train, y_train = data.arrays("train")
x_test, y_test = data.arrays("test")
names = "zlogz c1_b0 c1_b1 c1_b2 c2_b1 c2_b2 d2_b1 d2_b2 d2_a1_b1 d2_a1_b2 m2_b1 m2_b2 n2_b1 n2_b2 mass multiplicity"
table = pd.DataFrame(x_train.numpy(), columns=names.split())
table.describe().T[["mean", "std", "min", "max"]].round(2)

# %% [markdown]
# Two things to see, in real and in synthetic jets alike:
#
# - two columns are **the same**: `d2_a1_b1` is `d2_b1`, by its definition;
# - the largest values are many standard deviations out. A quantizer of inputs has to choose: a range that holds them,
#   or fine steps for the bulk. In the picture the range of an 8-bit format with 4 bits behind the point; what lies
#   outside is clamped.

# %%
print("the same column twice:", bool((table["d2_a1_b1"] == table["d2_b1"]).all()))
chop.plotting.histogram(x_train, fixed_point=(8, 4))

# %%
for frac_width in (2, 3, 4, 5, 6):
    limit = 2 ** (7 - frac_width)
    outside = ((x_train < -limit) | (x_train > limit - 2.0**-frac_width)).float().mean().item()
    print(
        f"8 bits, {frac_width} behind the point: range +-{limit}, {100 * outside:.4f} % of the values are clamped"
    )

# %% [markdown]
# ## Trap 1: the order of the classes
#
# A label is a number, and what number `t` has depends on the table: `g q t w z` in one, `g q w z t` in the other.
# Weights trained with the one order and tested with the other look *bad*, not broken. That is the danger: nothing
# fails.

# %%
model = get_model("jsc-mlp", pretrained=True)  # trained on synthetic jets, order g q t w z
x_s, y_s = synth.arrays("test")
order = {letter: place for place, letter in enumerate("gqwzt")}
swapped = torch.tensor([order[letter] for letter in "gqtwz"])[y_s]
print("right order ", chop.Evaluator(model, x_s, y_s).evaluate())
print("wrong order ", chop.Evaluator(model, x_s, swapped).evaluate())

# %% [markdown]
# The confusion matrix gives it away: two classes are right, and three have moved as a whole.

# %%
wrong = chop.Evaluator(model, x_s, swapped).evaluate(metrics=["confusion_matrix"])
chop.plotting.confusion_matrix(wrong["confusion_matrix"], classes=list("gqwzt"))

# %% [markdown]
# `--class-order gqtwz` (or `class_order=`) sets the order of the labels that a data set hands out; the default of
# each table is that of its own community.
#
# ## Trap 2: the split
#
# MASE validates on the *training* rows. That is comparable with its published numbers, and says nothing about jets
# that the network has not seen. `chop` has three splits:

# %%
for split in ("three-way", "mase"):
    name = "jsc-synth" if real is None else "jsc"
    options = {} if real is None else {"data_dir": folder}
    module = MaseDataModule(name, batch_size=512, split=split, **options)
    x, y = module.arrays("val")
    same = x.shape == module.arrays("train")[0].shape and torch.equal(x, module.arrays("train")[0])
    print(f"{split:10} validation is training: {same!s:5} {module.describe()}")

# %% [markdown]
# With `three-way`, the default, training, validation and test rows are apart: choose on validation, look at the test
# rows once.
#
# ## Trap 3: scaling with the wrong numbers
#
# The scaler is fitted on the training rows. Weights expect *that* scaling; a part of a table, scaled by its own mean
# and deviation, is another input. Where weights come with their scaler, hand it over: `--scaler FILE.npz` with the
# arrays `mean` and `scale`. How much a wrong scale matters:

# %%
for factor in (1.0, 1.1, 1.5, 2.0):
    found = chop.Evaluator(model, x_s * factor, y_s).evaluate()
    print(f"inputs times {factor}: accuracy {found.accuracy:.4f}")

# %% [markdown]
# ## Synthetic and real
#
# The generator was fitted to real jets, and has their ranges, correlations and class means, but not their fine
# structure. The networks that ship with the package were trained on synthetic jets. With real ones at hand, this
# cell shows what that is worth:

# %%
rows = []
for name in ("jsc-linear", "jsc-toy", "jsc-mlp"):
    trained = get_model(name, pretrained=True)
    row = {"model": name, "synthetic test": chop.Evaluator(trained, x_s, y_s).evaluate().accuracy}
    if real is not None:
        # the shipped weights number the classes g q t w z, whatever the table's own order is
        real_x, real_y = MaseDataModule("jsc", batch_size=512, data_dir=folder, class_order="gqtwz").arrays(
            "test"
        )
        row["real test"] = chop.Evaluator(trained, real_x, real_y).evaluate().accuracy
    rows.append(row)
if real is None:
    print("no real jets: only the first column")
pd.DataFrame(rows)

# %% [markdown]
# A network trained on synthetic jets is not a network for real ones, and an accuracy on synthetic jets is **not a
# result**: train again on real ones. What carries over is everything about the *method*: programs, configs, which
# layers are sensitive, how a search behaves, and how long things take.
#
# ## Train and quantize on what is there
#
# The same lines for both data sets. A short training in PyTorch, then every combination of eight weight formats for
# each of four layers:

# %%
torch.manual_seed(0)
net = get_model("jsc-mlp", dataset_info=data.dataset_info)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
steps = 600
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
for _ in range(steps):
    batch = torch.randint(len(x_train), (256,))
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(x_train[batch]), y_train[batch]).backward()
    optimizer.step()
    schedule.step()
net.eval()

x_val, y_val = data.arrays("val")
ev = chop.Evaluator(net, x_val, y_val)
formats = {
    "name": ["integer"],
    "data_in_width": [8],
    "data_in_frac_width": [4],
    "weight_width": [2, 3, 4, 5],
    "weight_frac_width": [2, 3],
    "bias_width": [8],
    "bias_frac_width": [4],
}
layers = [
    node.name for node in ev.graph.nodes if isinstance(ev.graph.modules.get(node.target), torch.nn.Linear)
]
seed = {"default": {"config": {"name": ["NA"]}}}
for layer in layers:
    seed[layer] = {"config": formats}
space = {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "name"}, "seed": seed}
report = chop.search.sweep(ev, space)
print("float:", ev.evaluate())
chop.plotting.pareto_front(report)

# %% [markdown]
# The front was chosen on the validation rows. Its honest numbers are those on the test rows, looked at once, at the
# end:

# %%
test = chop.Evaluator(net, x_test, y_test)
final = [
    {
        "average bits": entry["average_bitwidth"],
        "validation": entry["accuracy"],
        "test": test.evaluate(entry["config"], loss=False).accuracy,
    }
    for entry in report.front[::-1]
]
print(f"float model on the test rows: {test.evaluate().accuracy:.4f}")
pd.DataFrame(final).drop_duplicates("average bits").round(4)

# %% [markdown]
# Validation and test differ a little, and the more so the fewer rows there are: with `n` rows an accuracy `p` has a
# standard error of `sqrt(p (1 - p) / n)`, about half a point for ten thousand rows and more than a point for a
# thousand. Differences below that are no differences.
#
# ## Try yourself
#
# 1. Fetch one of the tables and run the notebook again. Which cells change, and which do not?
# 2. `MaseDataModule("jsc", …, split="mase")`: how much better does the validation accuracy look than the test
#    accuracy?
# 3. Weights and scaler belong together: save the mean and scale of your training rows with `numpy.savez("scaler.npz",
#    mean=…, scale=…)` and test a checkpoint with `ch test … --scaler scaler.npz`.
