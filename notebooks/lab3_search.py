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
# # Lab 3: searching number formats
#
# **You will learn**
#
# - how to build a search space and a grid search by hand, as in the lab, and why its first result should not be
#   trusted;
# - what else can be measured beside accuracy (loss, latency, model size, FLOPs, BitOPs), and how to combine two
#   objectives;
# - how to evaluate *every* configuration of a space, and so know the true optimum and the true front;
# - how samplers compare with brute force once the optimum is known: sample efficiency, measured;
# - how to watch a search while it runs, and how to run it from the command line.
#
# **Time**: about 40 seconds to run, 45 minutes to read. Synthetic jets, no files, no network.

# %%
import copy
import time
import warnings

import optuna
import pandas as pd
import torch

import chop
import chop.plotting
from chop.dataset import MaseDataModule
from chop.ir import MaseGraph
from chop.models import get_model, get_model_info
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)
from chop.passes.graph.utils import deepcopy_mase_graph
from chop.tools.get_input import InputGenerator

batch_size = 8
model_name = "jsc-toy"

data_module = MaseDataModule(name="jsc-synth", batch_size=batch_size, model_name=model_name, num_workers=0)
data_module.prepare_data()
data_module.setup()

model_info = get_model_info(model_name)
model = get_model(model_name, task="cls", dataset_info=data_module.dataset_info, pretrained=True)

input_generator = InputGenerator(
    data_module=data_module, model_info=model_info, task="cls", which_dataloader="train"
)
dummy_in = next(iter(input_generator))

mg = MaseGraph(model=model.eval())
mg, _ = init_metadata_analysis_pass(mg, None)
mg, _ = add_common_metadata_analysis_pass(mg, {"dummy_in": dummy_in})
mg, _ = add_software_metadata_analysis_pass(mg, None)

# %% [markdown]
# ## A search space by hand
#
# Every combination of four formats for the data and four for the weights. A pair is `(width, fraction width)`.

# %%
pass_args = {
    "by": "type",
    "default": {"config": {"name": None}},
    "linear": {
        "config": {
            "name": "integer",
            # data
            "data_in_width": 8,
            "data_in_frac_width": 4,
            # weight
            "weight_width": 8,
            "weight_frac_width": 4,
            # bias
            "bias_width": 8,
            "bias_frac_width": 4,
        }
    },
}

data_in_frac_widths = [(16, 8), (8, 6), (8, 4), (4, 2)]
w_in_frac_widths = [(16, 8), (8, 6), (8, 4), (4, 2)]
search_spaces = []
for d_config in data_in_frac_widths:
    for w_config in w_in_frac_widths:
        pass_args["linear"]["config"]["data_in_width"] = d_config[0]
        pass_args["linear"]["config"]["data_in_frac_width"] = d_config[1]
        pass_args["linear"]["config"]["weight_width"] = w_config[0]
        pass_args["linear"]["config"]["weight_frac_width"] = w_config[1]
        # a deep copy: the inner dicts would otherwise be shared, and all entries the same
        search_spaces.append(copy.deepcopy(pass_args))
len(search_spaces)

# %% [markdown]
# ## A grid search by hand
#
# The lab's loop: quantize the graph, run a few batches, average accuracy and loss.

# %%
from torchmetrics.classification import MulticlassAccuracy

metric = MulticlassAccuracy(num_classes=5)
num_batchs = 5
ori_mg = deepcopy_mase_graph(mg)


def labs_loop():
    recorded_accs = []
    for config in search_spaces:
        mg, _ = quantize_transform_pass(ori_mg, config)
        accs, losses = [], []
        with torch.no_grad():
            for j, (xs, ys) in enumerate(data_module.train_dataloader()):
                preds = mg.model(xs)
                losses.append(torch.nn.functional.cross_entropy(preds, ys))
                accs.append(metric(preds, ys))
                if j > num_batchs:
                    break
        recorded_accs.append(float(sum(accs) / len(accs)))
    return recorded_accs


start = time.perf_counter()
first, second = labs_loop(), labs_loop()
loop_seconds = (time.perf_counter() - start) / (2 * len(search_spaces))
pd.DataFrame({"first run": first, "second run": second}).describe().loc[["min", "max"]]

# %% [markdown]
# The same search twice: do both runs agree on the winner?

# %%
largest = max(abs(a - b) for a, b in zip(first, second, strict=True))
print("best in the first run:", first.index(max(first)), " in the second:", second.index(max(second)))
print(f"the same configuration differs by up to {largest:.2f} between the runs")

# %% [markdown]
# A few batches of eight jets, drawn anew each time: the luck of the draw is larger than the differences that we look
# for. Two things mend it: *the same* rows for every configuration, and *many* of them. With a loop in Python that
# becomes slow, which is why `chop` has the `Evaluator`: the rows stay in C++, and the config, the same dict as above,
# is all that changes.

# %%
x, y = data_module.arrays("val")
ev = chop.Evaluator(mg, x, y)
start = time.perf_counter()
found = ev.evaluate_many(search_spaces)
evaluator_seconds = (time.perf_counter() - start) / len(search_spaces)
print(f"the loop: {1e3 * loop_seconds:.1f} ms a configuration, on {(num_batchs + 2) * batch_size} jets")
print(f"the evaluator: {1e3 * evaluator_seconds:.2f} ms a configuration, on {ev.rows} jets")


# %%
def name_of(config):
    entry = config["linear"]["config"]
    return "data {data_in_width}/{data_in_frac_width}, weight {weight_width}/{weight_frac_width}".format(
        **entry
    )


table = pd.DataFrame(
    {
        "config": map(name_of, search_spaces),
        "accuracy": [m.accuracy for m in found],
        "loss": [m.loss for m in found],
    }
)
table.sort_values("accuracy", ascending=False).reset_index(drop=True)

# %% [markdown]
# ## Questions 1 and 2: more metrics, and combining them
#
# What else could one want of a quantized model? It should be small (**model size**), do little and cheap work
# (**FLOPs**, **BitOPs**), and be fast (**latency**). Sizes and operations follow from shapes and widths, `chop.cost`
# computes them without running anything. Latency has to be measured, with a warm-up, several times, and reported as a
# median.

# %%
from chop.cost import Costs

costs = Costs(mg, batch=1, models=("average_bitwidth", "memory_density", "model_size", "flops", "bitops"))


def latency(config, repeats=15):
    """Median milliseconds of the quantized PyTorch model for a batch of 512."""
    quantized, _ = quantize_transform_pass(MaseGraph(mg.model), config)
    batch = x[:512]
    times = []
    with torch.no_grad():
        for _ in range(repeats + 3):
            start = time.perf_counter()
            quantized.model(batch)
            times.append(1e3 * (time.perf_counter() - start))
    return sorted(times[3:])[repeats // 2]


for column in costs.evaluate():
    table[column] = [costs.evaluate(config)[column] for config in search_spaces]
table["latency"] = [latency(config) for config in search_spaces]
table.sort_values("model_size")

# %% [markdown]
# Look at the latency column: the narrow formats are *not* faster. This is a simulation in floats: numbers are rounded
# to the grid of the format and then multiplied as floats, whatever the width. Only hardware, or kernels, for narrow
# integers turn bits into time; BitOPs and model size are the better guess of what such hardware would gain. (FLOPs
# are the same everywhere: by this definition they count the work that is left on floats.)
#
# ### Why do accuracy and loss serve as the same quality metric here?

# %%
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(5, 3.4))
ax.scatter(table["loss"], table["accuracy"], color="#0072B2")
ax.set_xlabel("loss")
ax.set_ylabel("accuracy")
print("rank correlation", table["loss"].rank().corr(table["accuracy"].rank()))

# %% [markdown]
# Ordered by loss and ordered by accuracy, the configurations come out almost the same (a rank correlation near -1).
# Both look at the same logits of the same model: the loss asks how much probability the right class got, the accuracy
# whether it got the most. As *two* objectives they would waste the search: there is next to nothing to trade.
# Accuracy against size is a real trade:

# %%
chop.plotting.pareto_front(
    table, x="model_size", y="accuracy", directions={"model_size": "minimize", "accuracy": "maximize"}
)

# %% [markdown]
# The points on the line are the ones worth having. To get *one* winner, one has to say what an accuracy point is
# worth in bits: a weighted sum, say `accuracy - 0.01 * average_bitwidth`. That is a decision, not a measurement.
# Whatever the weight, the winner lies on the front, but which point of it wins depends on the weight:

# %%
for weight in (0.0, 0.001, 0.01, 0.1):
    score = table["accuracy"] - weight * table["average_bitwidth"]
    print(f"weight {weight:<5}: {table['config'][score.idxmax()]}")

# %% [markdown]
# ## The whole space
#
# One rule for all layers is a small space. With a format of its own for each layer it grows exponentially: here 32
# choices for each of three layers. The same space that a TOML file would describe:

# %%
widths = {
    "name": ["integer"],
    "data_in_width": [4, 5, 6, 8],
    "data_in_frac_width": [3],
    "weight_width": [3, 4, 5, 6],
    "weight_frac_width": [3, 5],
    "bias_width": [8],
    "bias_frac_width": [4],
}
layers = [node.name for node in mg.nodes if isinstance(mg.modules.get(node.target), torch.nn.Linear)]
space = {
    "name": "graph/quantize/mixed_precision_ptq",
    "setup": {"by": "name"},
    "seed": {"default": {"config": {"name": ["NA"]}}, **{layer: {"config": widths} for layer in layers}},
}
report = chop.search.sweep(ev, space, {"accuracy": "maximize", "average_bitwidth": "minimize"}, prune=False)
report

# %% [markdown]
# **Every** configuration was evaluated, in C++, with neighbours sharing the layers that they have in common. The
# report says how many there were and that none was left out: `configurations = evaluated + pruned + duplicates`.
# (With `prune=True`, the default, it may drop those that provably cannot reach the front; we want all the numbers.)
# The front is therefore *the* front, not the best that somebody has found:

# %%
chop.plotting.pareto_front(report)

# %% [markdown]
# ## Questions 3 and 4: brute force against TPE
#
# Now a race. One objective, so that there is one optimum: the weighted sum from above. Because the sweep has it for
# all configurations, we know the best value there is, and how far each sampler still is from it after each trial: its
# *regret*.

# %%
WEIGHT = 0.01
scores = report.results["accuracy"] - WEIGHT * report.results["average_bitwidth"]
optimum = scores.max()
share = (scores > optimum - 0.005).mean()
print(f"the optimum is {optimum:.5f}; {100 * share:.2f} % of the space come within 0.005 of it")


def config_of(trial):
    config = {"by": "name", "default": {"config": {"name": None}}}
    for layer in layers:
        entry = {}
        for key, choices in widths.items():
            several = len(choices) > 1
            entry[key] = trial.suggest_categorical(f"{layer}.{key}", choices) if several else choices[0]
        config[layer] = {"config": entry}
    return config


def objective(trial):
    config = config_of(trial)
    return ev.evaluate(config, loss=False).accuracy - WEIGHT * costs.evaluate(config)["average_bitwidth"]


optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
N_TRIALS, SEEDS = 200, 6
samplers = {
    "brute force": lambda seed: optuna.samplers.BruteForceSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=20),
}
rows = []
for name, sampler in samplers.items():
    start = time.perf_counter()
    for seed in range(SEEDS):
        study = optuna.create_study(direction="maximize", sampler=sampler(seed))
        study.optimize(objective, n_trials=N_TRIALS)
        trials, best = study.trials, float("-inf")
        for trial in trials:
            best = max(best, trial.value)
            seconds = (trial.datetime_complete - trials[0].datetime_start).total_seconds()
            row = {"sampler": name, "seed": seed, "trial": trial.number + 1, "seconds": seconds}
            rows.append(row | {"gap": optimum - best})
    print(f"{name}: {1e3 * (time.perf_counter() - start) / (N_TRIALS * SEEDS):.1f} ms a trial")
regrets = pd.DataFrame(rows)

# %%
ax = chop.plotting.regret(regrets, value="gap")
ax.set_ylabel("optimum - best so far")
ax

# %% [markdown]
# The lines are medians over the seeds, the bands hold half of them; both axes are logarithmic. Brute force here goes
# through the space in a random order without repeating itself: for its first two hundred of many thousands of
# configurations that is as good, or as bad, as random choice. TPE starts out at random too, and then learns which
# choices were good: from there on its line should fall below the others. It is *more sample-efficient*:
#
# | | brute force | TPE |
# |---|---|---|
# | finds the optimum | certainly, at the end | probably, early |
# | knows that it has | yes | no |
# | cost of proposing a trial | nothing in a loop of your own; in Optuna it grows | grows with the number of trials |
#
# Optuna's brute-force sampler looks through all earlier trials before each new one, which is why its milliseconds above
# are nearer to those of TPE than to those of random choice. The last row matters when trials are cheap. The sweep above
# went through the *whole* space; compare its seconds with those of the few trials of TPE:

# %%
tpe = regrets[regrets["sampler"] == "TPE"].groupby("seed").last()
print(f"sweep: {report.evaluated} configurations in {report.seconds:.2f} s, regret 0 for certain")
print(f"TPE:   {N_TRIALS} trials in {tpe['seconds'].median():.2f} s, median regret {tpe['gap'].median():.5f}")

# %% [markdown]
# So: where a trial costs seconds (training!) or the space is astronomic, use a sampler that learns. Where the core
# can walk the space, walk it.
#
# ## Watching a search
#
# A search with two objectives has no single best value to print. In a notebook the front itself can grow while the
# study runs. Run this cell and look:


# %%
def two_objectives(trial):
    config = config_of(trial)
    return ev.evaluate(config, loss=False).accuracy, costs.evaluate(config)["average_bitwidth"]


study = optuna.create_study(
    directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=0)
)
study.set_metric_names(["accuracy", "average_bitwidth"])
live = chop.plotting.live_front(x="average_bitwidth", y="accuracy", every=0.5)
study.optimize(two_objectives, n_trials=1000, callbacks=[live])
live.draw(study)  # the last state

# %% [markdown]
# ## From the command line
#
# The same with `ch search` and a TOML file. `sampler` takes `tpe`, `random`, `nsgaii`, `brute-force` and others;
# `name = "exhaustive"` in place of `"optuna"` is the sweep. Give it your own checkpoint with `--load …/best.ckpt
# --load-type pl`.

# %%
import json
import subprocess
import sys
import tempfile
from pathlib import Path

work = Path(tempfile.mkdtemp(prefix="chop-lab3-"))
(work / "search.toml").write_text(
    """
model = "jsc-toy"
dataset = "jsc-synth"
task = "cls"
is_pretrained = true
batch_size = 512
accelerator = "cpu"
project = "lab3"

[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"

[search.search_space.seed.default.config]
name = ["NA"]

[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [4, 5, 6, 8]
data_in_frac_width = [3]
weight_width = [3, 4, 5, 6]
weight_frac_width = [4]
bias_width = [8]
bias_frac_width = [4]

[search.strategy]
name = "optuna"
eval_mode = true
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 10000 }
hw_runner.average_bitwidth = { compare_to = 32 }

[search.strategy.setup]
n_jobs = 1
n_trials = 100
timeout = 600
sampler = "tpe"
sum_scaled_metrics = false

[search.strategy.metrics]
accuracy = { scale = 1.0, direction = "maximize" }
average_bitwidth = { scale = 0.2, direction = "minimize" }
"""
)
done = subprocess.run(
    [
        sys.executable,
        "-m",
        "chop",
        "search",
        "--config",
        str(work / "search.toml"),
        "--project-dir",
        str(work),
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
print("\n".join([line for line in done.stdout.splitlines() if "%|" not in line][-16:]))
done.check_returncode()

# %% [markdown]
# The results lie in two files: `log.json` has every trial, `best.json` the front, with configs that
# `quantize_transform_pass` takes as they are. Although the file says `by = "type"`, the search chooses for every
# linear layer by itself:

# %%
folder = work / "lab3" / "software" / "search_ckpts"
log = json.loads((folder / "log.json").read_text())
best = json.loads((folder / "best.json").read_text())
print(len(log), "trials;", len(best), "on the front; the first of them:")
for layer in layers:
    print(layer, best["0"]["sampled_config"][layer])

# %%
points = [
    trial["user_attrs_software_metrics"] | trial["user_attrs_hardware_metrics"] for trial in log.values()
]
chop.plotting.pareto_front(points, x="average_bitwidth", y="accuracy")

# %% [markdown]
# `ch report` makes a page of it, to open in a browser: the front, what each choice does, all trials, and the configs
# to copy.

# %%
done = subprocess.run(
    [sys.executable, "-m", "chop", "report", str(folder)], capture_output=True, text=True, check=True
)
print(done.stdout.strip())

# %% [markdown]
# The race of question 4 is an option of this command: it sweeps the space for the true front, runs each sampler with
# several seeds, and measures what share of the *hypervolume* (the area under the front) is still missing after each
# trial.

# %%
done = subprocess.run(
    [
        *(sys.executable, "-m", "chop", "search", "--config", str(work / "search.toml")),
        *("--project-dir", str(work), "--compare", "random,tpe,nsgaii,brute-force", "--seeds", "5"),
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
print("\n".join([line for line in done.stdout.splitlines() if "%|" not in line][-9:]))
done.check_returncode()

# %%
chop.plotting.regret(work / "lab3" / "software" / "compare" / "regret.csv")

# %% [markdown]
# Does a sampler do no better than chance here, or worse? Mind what it needs before it can learn: TPE its start-up
# trials, NSGA-II whole generations, of which a hundred trials hold only two at its default population of fifty. Which
# sampler is best depends on how many trials you can pay for.
#
# ## Try yourself
#
# 1. Add a choice to `weight_frac_width` as well. How large is the space now, and how long does the sweep say that it
#    will take (`dry_run=True`)?
# 2. Give the race to `optuna.samplers.NSGAIISampler` or `GPSampler`. Which one would you use for 30 trials?
# 3. Replace `average_bitwidth` by `bitops`: does the front contain the same configurations?
# 4. Give TPE its defaults (`n_startup_trials` 10) or 50 random trials first. What changes?
