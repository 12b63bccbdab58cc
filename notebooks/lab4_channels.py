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
# # Lab 4: the shape of a network, searched
#
# **You will learn**
#
# - how a pass changes the *architecture* of a model: `redefine_transform_pass` doubles its channels, or gives each
#   layer another number;
# - why three linear layers in a row are one, and how to see it;
# - how to search for the best multipliers with a loop, and without one: from the command line, each trial training
#   its own model;
# - how to search shape and number formats in one space.
#
# **Time**: about 20 seconds to run, 30 minutes to read. Synthetic jets, no files, no network.

# %%
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import chop
import chop.plotting
from chop.dataset import MaseDataModule
from chop.ir import MaseGraph
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    report_graph_analysis_pass,
)
from chop.passes.graph.transforms import redefine_transform_pass
from chop.tools.logger import set_logging_verbosity

set_logging_verbosity("info")

data_module = MaseDataModule(name="jsc-synth", batch_size=256, num_workers=0)
data_module.prepare_data()
data_module.setup()
x_train, y_train = data_module.arrays("train")
x_val, y_val = data_module.arrays("val")
dummy_in = {"x": x_train[:8]}

# %% [markdown]
# ## A handwritten network
#
# The network that the lab starts from:


# %%
class JSC_Three_Linear_Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq_blocks = nn.Sequential(
            nn.BatchNorm1d(16),  # 0
            nn.ReLU(16),  # 1
            nn.Linear(16, 16),  # 2
            nn.Linear(16, 16),  # 3
            nn.Linear(16, 5),  # 4
            nn.ReLU(5),  # 5
        )

    def forward(self, x):
        return self.seq_blocks(x)


model = JSC_Three_Linear_Layers()
mg = MaseGraph(model=model)
mg, _ = init_metadata_analysis_pass(mg, None)
mg, _ = add_common_metadata_analysis_pass(mg, {"dummy_in": dummy_in})
_ = report_graph_analysis_pass(mg)

# %% [markdown]
# `nn.ReLU(16)` does not mean a ReLU of 16 channels: its only argument is `inplace`, and 16 counts as true. A ReLU has
# no width.
#
# ### Why is it unusual to stack three linear layers?
#
# A linear map of a linear map is a linear map. The three layers can be multiplied out to one, which gives the same
# outputs with a fraction of the parameters:

# %%
first, second, third = (model.seq_blocks[i] for i in (2, 3, 4))
with torch.no_grad():
    weight = third.weight @ second.weight @ first.weight
    bias = third.weight @ (second.weight @ first.bias + second.bias) + third.bias
    h = torch.randn(1000, 16)
    print("largest difference", (third(second(first(h))) - (h @ weight.T + bias)).abs().max().item())
print(
    "parameters",
    sum(p.numel() for layer in (first, second, third) for p in layer.parameters()),
    "against",
    weight.numel() + bias.numel(),
)

# %% [markdown]
# The difference is rounding. So the lab goes on with ReLUs in between:


# %%
class JSC_Three_Linear_ReLU(nn.Module):
    def __init__(self, last_relu=True):
        super().__init__()
        self.seq_blocks = nn.Sequential(
            nn.BatchNorm1d(16),  # 0
            nn.ReLU(),  # 1
            nn.Linear(16, 16),  # 2
            nn.ReLU(),  # 3
            nn.Linear(16, 16),  # 4
            nn.ReLU(),  # 5
            nn.Linear(16, 5),  # 6
        )
        if last_relu:
            self.seq_blocks.append(nn.ReLU())  # 7

    def forward(self, x):
        return self.seq_blocks(x)


def fresh_graph(last_relu=True):
    torch.manual_seed(0)
    return MaseGraph(model=JSC_Three_Linear_ReLU(last_relu))


def widths(graph):
    layers = [layer for layer in graph.model.modules() if isinstance(layer, nn.Linear)]
    return "-".join(map(str, [layers[0].in_features, *(layer.out_features for layer in layers)]))


# %% [markdown]
# ## Question 1: expand the layers to double their size
#
# Each rule says which side of a layer is multiplied. The first layer keeps its input (16 features), the last keeps
# its output (5 classes), the one between has both sides doubled. The ReLUs need no rule: they have no width; a batch
# norm would follow the layer before it.

# %%
double = {
    "by": "name",
    "default": {"config": {"name": None}},
    "seq_blocks_2": {"config": {"name": "output_only", "channel_multiplier": 2}},
    "seq_blocks_4": {"config": {"name": "both", "channel_multiplier": 2}},
    "seq_blocks_6": {"config": {"name": "input_only", "channel_multiplier": 2}},
}
mg = fresh_graph()
mg, info = redefine_transform_pass(mg, pass_args={"config": double})
print(widths(fresh_graph()), "->", widths(mg))
print(info)
mg.model(x_val[:3]).shape

# %% [markdown]
# What if a rule is forgotten? In the lab's own pass the sizes no longer meet, which PyTorch notices when the model
# runs. Here the pass checks before it changes anything:

# %%
forgotten = {key: rule for key, rule in double.items() if key != "seq_blocks_6"}
try:
    redefine_transform_pass(fresh_graph(), pass_args={"config": forgotten})
except ValueError as error:
    print(error)

# %% [markdown]
# ## Question 2: search for the best multiplier
#
# A wider network must be trained before it can be judged, and that is the difference to Lab 3: **each trial trains**.
# A short training will do to compare. The grid search is a loop:


# %%
def fit(model, rows=40_000, seed=0):
    """Train on ``rows`` jets, once; return the metrics on the validation split."""
    model.train()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    batches = torch.randperm(len(x_train), generator=generator)[:rows].split(256)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for batch in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    return chop.Evaluator(model, x_val, y_val).evaluate(metrics=["accuracy", "per_class_recall"])


def uniform(multiplier):
    rules = {key: {"config": dict(rule["config"])} for key, rule in double.items() if key != "by"}
    for key in ("seq_blocks_2", "seq_blocks_4", "seq_blocks_6"):
        rules[key]["config"]["channel_multiplier"] = multiplier
    return {"by": "name", **rules}


def grid_search(multipliers, last_relu):
    results = []
    for multiplier in multipliers:
        mg, _ = redefine_transform_pass(
            fresh_graph(last_relu), pass_args={"config": uniform(multiplier), "seed": 0}
        )
        found = fit(mg.model)
        results.append(
            {
                "multiplier": multiplier,
                "widths": widths(mg),
                "parameters": sum(p.numel() for p in mg.model.parameters()),
                "accuracy": found["accuracy"],
                "recall": [round(value, 2) for value in found["per_class_recall"].tolist()],
            }
        )
        print(results[-1])
    return results


results = grid_search((1, 2, 4, 6), last_relu=True)

# %% [markdown]
# Did accuracy grow with the network? Before you conclude anything from such a table, look at the *recall* of each
# class: the share of its jets that are recognised. Where it is zero the network never predicts that class, however
# large it is. The culprit is the ReLU **behind the last layer**. It cuts negative logits off, and once an output is
# negative for every jet no gradient comes back through it: the class is lost for the rest of the training. Which
# classes are lost is chance, and chance is what the table shows.
#
# Cross-entropy needs no ReLU in front of it, negative logits are welcome. Without that layer (a network can still
# miss a class if it is too small):

# %%
results = grid_search((0.25, 0.5, 1, 2, 3, 4, 6), last_relu=False)

# %%
ax = chop.plotting.pareto_front(results, x="parameters", y="accuracy", directions={"parameters": "minimize"})
for k, point in enumerate(sorted(results, key=lambda point: point["parameters"])):
    place = (0, 8 if k % 2 else -16)  # above and below in turn, so that neighbours keep apart
    where = point["parameters"], point["accuracy"]
    ax.annotate(f"x{point['multiplier']}", where, place, textcoords="offset points", ha="center")
ax.set_xscale("log")
ax

# %% [markdown]
# Is there a *best* multiplier? Accuracy grows fast at first and then flattens, while parameters grow with the square
# of the multiplier. "Best" needs a second objective: what lies on the line is best *for its size*, grey points are
# beaten by smaller networks. Mind that two trainings of one network with different seeds differ too (try `fit(…,
# seed=1)`): small differences mean nothing.
#
# ## Question 3: another multiplier for each layer
#
# 16-16-16-5 becomes 16-32-64-5: the first layer is multiplied by 2, the second by 4. The input of a layer then has to
# take the multiplier of the layer *before* it, which the rule names as its parent:

# %%
pyramid = {
    "by": "name",
    "default": {"config": {"name": None}},
    "seq_blocks_2": {"config": {"name": "output_only", "channel_multiplier": 2}},
    "seq_blocks_4": {
        "config": {"name": "both", "channel_multiplier": 4, "parent_block_name": "seq_blocks_2"}
    },
    "seq_blocks_6": {"config": {"name": "input_only", "parent_block_name": "seq_blocks_4"}},
}
mg, info = redefine_transform_pass(fresh_graph(), pass_args={"config": pyramid})
print(widths(mg))
print(info["widths"])

# %% [markdown]
# A parent that is not named is found: the pass walks back through ReLUs, batch norms, pools, sums. The same result,
# with less to type:

# %%
for rule in ("seq_blocks_4", "seq_blocks_6"):
    pyramid[rule]["config"].pop("parent_block_name")
mg, _ = redefine_transform_pass(fresh_graph(last_relu=False), pass_args={"config": pyramid})
print(widths(mg))
fit(mg.model)

# %% [markdown]
# ## Question 4: the search, from the command line
#
# Our network without the last ReLU becomes a model with a name, in a file of ours that `import` in the TOML runs
# first: nothing in the package is touched. (The lab's network itself is there under the name
# `jsc-three-linear-relu`.)
#
# The search space is `graph/quantize/channel_size_modifier`: in place of each value stands a list of choices.
# `eval_mode = false` says that trials train, and `basic_train` says how. `sampler = "grid"` takes every combination;
# `tpe`, `random` and others are one word away. Writing the file from Python keeps this notebook in one piece; you
# would write it with an editor.

# %%
MODEL = """
from chop.models.physical import PHYSICAL_MODELS
from chop.models.utils import MaseModelInfo
from torch import nn


class ThreeLinearOpen(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq_blocks = nn.Sequential(
            nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5)
        )

    def forward(self, x):
        return self.seq_blocks(x)


PHYSICAL_MODELS["three-linear-open"] = {
    "model": lambda info: ThreeLinearOpen(),
    "info": MaseModelInfo(
        "three-linear-open",
        model_source="physical",
        task_type="physical",
        physical_data_point_classification=True,
        is_fx_traceable=True,
    ),
}
"""

CONFIG = """
import = ["MODEL_FILE"]
model = "three-linear-open"
dataset = "jsc-synth"
task = "cls"
batch_size = 256
num_workers = 0
accelerator = "cpu"
seed = 0

[search.search_space]
name = "graph/quantize/channel_size_modifier"

[search.search_space.seed.default.config]
name = ["NA"]

[search.search_space.seed.seq_blocks_2.config]
name = ["output_only"]
channel_multiplier = [0.5, 1, 2, 4]

[search.search_space.seed.seq_blocks_4.config]
name = ["both"]
channel_multiplier = [0.5, 1, 2, 4]
parent_block_name = ["seq_blocks_2"]
QUANTIZE
[search.search_space.seed.seq_blocks_6.config]
name = ["input_only"]
parent_block_name = ["seq_blocks_4"]

[search.strategy]
name = "optuna"
eval_mode = false # trials train

[search.strategy.sw_runner.basic_train]
num_samples = 20000
max_epochs = 2
optimizer = "adam"
learning_rate = 5e-3

[search.strategy.sw_runner.basic_evaluation]
data_loader = "val_dataloader"
num_samples = 10000

[search.strategy.hw_runner.average_bitwidth]
compare_to = 32

[search.strategy.setup]
n_trials = TRIALS
timeout = 600
sampler = "SAMPLER"

[search.strategy.metrics]
accuracy.scale = 1.0
accuracy.direction = "maximize"
METRICS
"""


def ch(*arguments):
    """Run ``ch`` and print the end of what it says; in a shell you would type ``ch …``."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "chop", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    text = [line for line in done.stdout.splitlines() if "%|" not in line]  # without the progress bar
    print("\n".join(text[-12:]))
    print(f"\n{time.perf_counter() - start:.0f} s")
    done.check_returncode()


work = Path(tempfile.mkdtemp(prefix="chop-lab4-"))
(work / "open_model.py").write_text(MODEL)
CONFIG = CONFIG.replace("MODEL_FILE", str(work / "open_model.py"))
config = work / "channels.toml"
config.write_text(
    CONFIG.replace("QUANTIZE", "").replace("METRICS", "").replace("TRIALS", "16").replace("SAMPLER", "grid")
)
ch("search", "--config", config, "--project-dir", work, "--project", "channels")

# %% [markdown]
# Every trial is in `log.json`, the best in `best.json`. There is one objective here, accuracy; how large each network
# was we can tell from the sampled multipliers:


# %%
def trials_of(project):
    """The trials of a study, with the size of each network."""
    log = json.loads((work / project / "software" / "search_ckpts" / "log.json").read_text())
    rows = []
    for trial in log.values():
        if trial["state"] != "COMPLETE":
            continue
        config = trial["user_attrs_sampled_config"]
        first, second = (
            round(16 * config[node]["config"]["channel_multiplier"])
            for node in ("seq_blocks_2", "seq_blocks_4")
        )
        rows.append(
            {
                "shape": f"16-{first}-{second}-5",
                "parameters": 32 + 17 * first + (first + 1) * second + (second + 1) * 5,
                **trial["user_attrs_software_metrics"],
                **trial["user_attrs_hardware_metrics"],
            }
        )
    return rows


rows = trials_of("channels")
for row in sorted(rows, key=lambda row: -row["accuracy"])[:5]:
    print(row)
ax = chop.plotting.pareto_front(rows, x="parameters", y="accuracy", directions={"parameters": "minimize"})
for row in rows:
    if row["parameters"] > 1500:
        ax.annotate(
            row["shape"],
            (row["parameters"], row["accuracy"]),
            textcoords="offset points",
            xytext=(4, -12),
            fontsize=8,
        )
ax

# %% [markdown]
# Among the networks on the line are non-uniform ones: for the same number of parameters it matters *where* they are.
#
# `best.json` holds the best trial as passes that `ch transform` takes as they are:

# %%
best = json.loads((work / "channels" / "software" / "search_ckpts" / "best.json").read_text())["0"]
best["passes"]

# %% [markdown]
# ### Shape and formats in one space
#
# Beside `config` a layer may have `quantize`, with the choices of Lab 3. Each trial then redefines, quantizes, trains
# *with* the quantized layers (quantization-aware: gradients go straight through the rounding) and is measured in
# accuracy and in bits. With two objectives there is no best trial but a front.

# %%
QUANTIZE = """
[search.search_space.seed.seq_blocks_4.quantize]
name = ["integer"]
data_in_width = [8]
data_in_frac_width = [4]
weight_width = [2, 3, 4, 8]
weight_frac_width = [3]
"""
METRICS = """
average_bitwidth.scale = 1.0
average_bitwidth.direction = "minimize"
"""
combined = work / "combined.toml"
combined.write_text(
    CONFIG.replace("QUANTIZE", QUANTIZE)
    .replace("METRICS", METRICS)
    .replace("TRIALS", "24")
    .replace("SAMPLER", "tpe")
)
ch("search", "--config", combined, "--project-dir", work, "--project", "combined")

# %%
rows = trials_of("combined")
chop.plotting.pareto_front(rows, x="average_bitwidth", y="accuracy")

# %% [markdown]
# `average_bitwidth` averages over the weights of the *quantized* layer only, so here it takes a few values, one for
# each choice. How far the points of one width lie apart is the effect of the shape.
#
# Narrow weights can do surprisingly well here, because the training *knows* of the rounding and works around it; try
# the same widths on a trained model without training (Lab 3) to see the difference. A format can also be too coarse
# to start from: with `weight_frac_width = [1]` all initial weights of this layer round to zero, and no training wakes
# it up. A search reports such trials as they are.
#
# ## Try yourself
#
# 1. Let new layers start from the weights that they share with the trained model: `[search.search_space.setup]`,
#    `weights = "inherit"`. Which shapes profit most from it?
# 2. Run the first search with `sampler = "tpe"` and half the trials. Does it find the same best shape?
# 3. The same command again continues a study instead of starting anew. Raise `n_trials` and try.
