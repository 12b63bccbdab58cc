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
# # Lab 1: training, and what its knobs do
#
# **You will learn**
#
# - how to train and test a jet classifier from the command line, and where its files go;
# - what batch size, number of epochs and learning rate do to the result, answered by grids of runs instead of by
#   hand;
# - how to add a network of your own with about ten times the parameters, and how to tell whether it is really better.
#
# **Time**: about 35 seconds to run, 40 minutes to read. Synthetic jets, no files, no network.
#
# The text gives no figures: run the cells and read yours.

# %%
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

import chop
import chop.plotting
from chop.dataset import MaseDataModule, get_dataset_info
from chop.models import get_model
from chop.training import grid

work = Path(tempfile.mkdtemp(prefix="chop-lab1-"))
print("files of this notebook:", work)


def ch(*arguments, lines=12):
    """Run ``ch`` and print the end of what it says; in a shell you would type ``ch …``."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "chop", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    text = [line for line in done.stdout.splitlines() if "%|" not in line]  # without the progress bar
    print("\n".join(text[-lines:]))
    print(f"\n{time.perf_counter() - start:.0f} s")
    done.check_returncode()


# %% [markdown]
# ## The first network
#
# `jsc-tiny` on the synthetic jets, with the lab's command line. In a shell:
#
# ```sh
# ch train jsc-tiny jsc-synth --max-epochs 10 --batch-size 256
# ```
#
# It prints a table of all options first, which we cut off here.

# %%
ch(
    *("train", "jsc-tiny", "jsc-synth", "--max-epochs", 10, "--batch-size", 256),
    *("--project-dir", work, "--project", "tiny", "--cpu", 0),
)
checkpoints = work / "tiny" / "software" / "training_ckpts"
print(sorted(path.name for path in checkpoints.iterdir()))

# %% [markdown]
# `best.ckpt` has the weights of the epoch with the lowest validation loss, `last.ckpt` those of the last epoch and
# all that is needed to go on. TensorBoard logs lie beside them: `tensorboard --logdir …/software`. The curves are in
# a CSV file, too:

# %%
chop.plotting.learning_curves(checkpoints / "metrics.csv")

# %% [markdown]
# After ten epochs it has learnt next to nothing, and all curves still move: the *default* learning rate is very
# small. We come to that. First the test command, which takes the checkpoint, measures on rows that the training has
# never seen, and tells how many jets of each class it takes for what:

# %%
ch(
    *("test", "jsc-tiny", "jsc-synth", "--load", checkpoints / "best.ckpt", "--load-type", "pl"),
    *("--project-dir", work, "--project", "tiny", "--cpu", 0),
    lines=8,
)

# %% [markdown]
# The same training with a larger learning rate, one option more:

# %%
ch(
    *("train", "jsc-tiny", "jsc-synth", "--max-epochs", 10, "--batch-size", 256, "--learning-rate", 1e-2),
    *("--project-dir", work, "--project", "tiny-faster", "--cpu", 0),
)
chop.plotting.learning_curves(work / "tiny-faster" / "software" / "training_ckpts" / "metrics.csv")

# %% [markdown]
# Much better. Training and validation go hand in hand: nothing is learnt by heart. If your curve has a step, where
# the accuracy suddenly climbs, then an output has come to life: the ReLU behind the last layer had cut one class off
# until then. We shall meet it again.
#
# ## A tool for the questions: grids
#
# Trying values by hand tells little: two runs with the same options and different seeds differ as well, and one has
# to know by how much before one believes a difference. `chop.training.grid` trains every combination several times,
# many runs at once, and returns a table; `ch train --grid learning_rate=1e-5,1e-3 --grid batch_size=16,256 --repeats
# 10` is the same as a command.

# %%
data = MaseDataModule("jsc-synth", batch_size=256)
info = get_dataset_info("jsc-synth")
x_train, y_train = data.arrays("train")
x_val, y_val = data.arrays("val")
fewer = {"train": (x_train[:20_000], y_train[:20_000]), "val": (x_val, y_val)}
print(data.describe())


def tiny():
    return get_model("jsc-tiny", task="cls", dataset_info=info)


def runs(model, axes, rows=fewer, epochs=10, repeats=5, **options):
    """Train a grid, and return a table with a row for each run."""
    start = time.perf_counter()
    options = {"batch_size": 256, "learning_rate": 1e-3} | options
    for name in axes:
        options.pop(name, None)
    found = grid(
        model,
        rows,
        axes,
        classes=5,
        repeats=repeats,
        trainer_args={"max_epochs": epochs, "accelerator": "cpu"},
        bar=False,
        **options,
    )
    print(f"{len(found.rows)} runs by the engine {found.engine!r} in {time.perf_counter() - start:.1f} s")
    return pd.DataFrame(found.rows)


# %% [markdown]
# ### Question 1: what is the impact of the batch size, and why?
#
# The same number of epochs and the same learning rate, only the batch size differs:

# %%
batch_sizes = runs(tiny, {"batch_size": [16, 64, 256, 1024, 4096]})
chop.plotting.grid(batch_sizes, options=["batch_size"])

# %%
batch_sizes.groupby("batch_size")[["val_acc", "val_loss", "seconds_an_epoch"]].agg(["mean", "std"])

# %% [markdown]
# A larger batch makes **fewer steps** an epoch: with all else equal, sixteen times the batch is a sixteenth of the
# steps. The gradient of each step is more exact, but not by as much as there are fewer of them, so that large batches
# have not arrived after the same number of epochs. Two things speak for them all the same: up to some hundreds of rows
# a batch an epoch costs less time (the seconds above), since a matrix product has less overhead a row; and with a
# suitable, larger learning rate the distance is made up in fewer steps. Small batches have their price too: their
# noise keeps the weights moving about the minimum.
#
# The bars are standard deviations over the seeds, and they are large for this network: whether the ReLU behind its
# last layer shuts a class off for good is decided by the initial weights. A single run of each would have told
# little.
#
# ### Question 2: what is the impact of the number of epochs?

# %%
epochs = runs(tiny, {"max_epochs": [1, 2, 5, 10, 20, 50, 100]}, learning_rate=3e-3)
chop.plotting.grid(epochs, options=["max_epochs"])

# %% [markdown]
# More epochs are more steps: accuracy rises steeply, then flattens. (The schedule knows the number of epochs: the
# learning rate falls on a cosine to almost nothing at the end, so that each point is a training that was allowed to
# finish.) For a network of this size more epochs are hardly ever harmful: with so few parameters and thousands of
# jets it *cannot* learn them by heart. A large network and few jets can:

# %%
few = {"train": (x_train[:1000], y_train[:1000]), "val": (x_val, y_val)}
overfit = runs(
    lambda: get_model("jsc-mlp", task="cls", dataset_info=info),
    {"max_epochs": [1, 3, 10, 30, 100, 300]},
    rows=few,
    repeats=3,
    batch_size=100,
    learning_rate=5e-3,
)
overfit.groupby("max_epochs")[["val_acc", "val_loss", "train_acc", "train_loss"]].mean()

# %% [markdown]
# The training accuracy goes on to rise, towards all right. The *validation* loss falls at first, then rises again,
# long before the accuracy has stopped to grow: the network becomes more and more certain, also where it is wrong.
# That is overfitting. Hence `best.ckpt`, and hence early stopping.
#
# ### Question 3: large and small learning rates, and how they go with the batch size
#
# Both at once, as a map:

# %%
both = runs(
    tiny,
    {"learning_rate": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], "batch_size": [16, 256, 2048]},
    epochs=5,
)
chop.plotting.grid(both, options=["learning_rate", "batch_size"])

# %% [markdown]
# Down the map the learning rate grows, to the right the batch size.
#
# - **Too small**: the weights hardly move from where chance put them. The loss falls, but would need many more
#   epochs.
# - **Too large**: each step overshoots; the weights jump about, units die (a ReLU that is zero for every jet has no
#   gradient any more), and accuracy falls, with a large spread between the seeds.
# - **Between** lies a broad range that works, and it is not at the same place for every batch size: fewer steps
#   (large batches) want larger ones. A rule of thumb: with `k` times the batch, `k` times the learning rate for plain
#   gradient descent, about `sqrt(k)` times for Adam, which scales its steps by itself.
#
# Look at the standard deviations before you name a winner: neighbours often do not differ by more.
#
# ## Questions 4 and 5: a network of your own, ten times as large
#
# `jsc-tiny` has one linear layer. We add two hidden ones, so wide that the parameters are about ten times as many. A
# model is a class and an entry in a registry; we write both to a file, so that the command line can use it as well.

# %%
OWN = '''
from chop.models.physical import PHYSICAL_MODELS
from chop.models.utils import MaseModelInfo
from torch import nn


class JSC_Own(nn.Module):
    """16-32-16-5: batch norm on the input, ReLU between the layers, none behind the last."""

    def __init__(self, info):
        super().__init__()
        self.seq_blocks = nn.Sequential(
            nn.BatchNorm1d(info.num_features),
            nn.Linear(info.num_features, 32),
            nn.ReLU(),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, info.num_classes),
        )

    def forward(self, x):
        return self.seq_blocks(x)


PHYSICAL_MODELS["jsc-own"] = {
    "model": JSC_Own,
    "info": MaseModelInfo(
        "jsc-own",
        model_source="physical",
        task_type="physical",
        physical_data_point_classification=True,
        is_fx_traceable=True,
    ),
}
'''
(work / "own_model.py").write_text(OWN)
exec(OWN)  # in a program of your own: import it


def own():
    return get_model("jsc-own", task="cls", dataset_info=info)


sizes = {
    name: sum(p.numel() for p in get_model(name, "cls", info).parameters())
    for name in ("jsc-tiny", "jsc-own")
}
print(sizes, f"ratio {sizes['jsc-own'] / sizes['jsc-tiny']:.1f}")

# %% [markdown]
# Is it better? Both networks, on all training rows, several seeds each, each with a small choice of learning rates,
# because what suits the small network need not suit the large one:

# %%
everything = {"train": (x_train, y_train), "val": (x_val, y_val)}
axes = {"learning_rate": [1e-3, 1e-2]}
tables = [
    runs(make, axes, rows=everything, epochs=10).assign(model=name)
    for name, make in (("jsc-tiny", tiny), ("jsc-own", own))
]
table = pd.concat(tables)
table.groupby(["model", "learning_rate"])[["train_acc", "val_acc", "val_loss"]].agg(["mean", "std"])

# %% [markdown]
# The larger network is better by more than the seeds differ: this difference is real. `train_acc` is the
# mean over the last epoch, taken while the weights still changed, so it lags a little behind `val_acc`. That
# both are close says that ten times the parameters still do not overfit a hundred thousand jets.
#
# One caution: part of the gain may not come from the size. `jsc-tiny` ends in a ReLU, which cuts off every negative
# logit, and begins with another one, which cuts off half of each input; our network has neither. Change one thing at
# a time: the linear model without any ReLU, `jsc-linear`, has *fewer* parameters.

# %%
linear = runs(
    lambda: get_model("jsc-linear", task="cls", dataset_info=info), axes, rows=everything, epochs=10
)
linear.groupby("learning_rate")[["val_acc", "val_loss"]].agg(["mean", "std"])

# %% [markdown]
# Now you can say which part of the gain was due to the ReLUs, and which to the hidden layers.
#
# The final network from the command line, and its test on rows that no choice of ours has ever looked at:

# %%
ch(
    *("train", "jsc-own", "jsc-synth", "--import", work / "own_model.py"),
    *("--max-epochs", 20, "--batch-size", 256, "--learning-rate", 5e-3),
    *("--project-dir", work, "--project", "own", "--cpu", 0),
    lines=6,
)
best = work / "own" / "software" / "training_ckpts" / "best.ckpt"
ch(
    *("test", "jsc-own", "jsc-synth", "--import", work / "own_model.py"),
    *("--load", best, "--load-type", "pl", "--project-dir", work, "--project", "own", "--cpu", 0),
    lines=6,
)

# %% [markdown]
# Which jets does it take for which? The checkpoint, loaded in Python:

# %%
from chop.tools.checkpoint_load import load_model

model = load_model(load_name=best, load_type="pl", model=own())
x_test, y_test = data.arrays("test")
metrics = chop.Evaluator(model.eval(), x_test, y_test).evaluate(metrics=["accuracy", "confusion_matrix"])
chop.plotting.confusion_matrix(metrics["confusion_matrix"], classes=["g", "q", "t", "w", "z"])

# %% [markdown]
# Rows are the true classes. Top quarks (`t`) stand out; the two bosons W and Z, whose masses are close, are often
# taken for each other.
#
# ## Try yourself
#
# 1. Repeat the map of question 3 with `optimizer="sgd"`. Where is the good range now, and is the rule of thumb better
#    obeyed?
# 2. Which network with *the same* number of parameters as ours is best: deeper, or wider?
# 3. The same grid as a command, with `--repeats 10`; kill it in the middle and type it again.
