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
# # A study of your own, with Optuna
#
# **You will learn**
#
# - how to write the objective of a search yourself: `chop.Evaluator` is a function from a config to numbers, nothing
#   more;
# - how to search a format for each layer, with two objectives, with a constraint, and from a good starting point;
# - how many trials that gives you in a second, and where the rest of the time goes;
# - how to keep a study in a file or on a PostgreSQL server, so that it survives and several machines can join.
#
# **Time**: about 10 seconds to run, 20 minutes to read. Synthetic jets, no files, no network.
#
# Use this when `ch search` and its TOML do not say what you want to say. Everything that Optuna can do is at your
# disposal; the model and the data stay in C++.

# %%
import time
import warnings

import optuna
from torch import nn

import chop
import chop.plotting
from chop.cost import Costs
from chop.dataset import MaseDataModule
from chop.models import get_model

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="PedAnova")

x, y = MaseDataModule("jsc-synth", batch_size=512).arrays("val")
ev = chop.Evaluator(get_model("jsc-toy", pretrained=True), x, y)
float_accuracy = ev.evaluate().accuracy
print(f"{ev.rows} jets, accuracy of the float model {float_accuracy:.4f}")

# %% [markdown]
# ## The smallest study
#
# A config is a plain dict, the one that `quantize_transform_pass` takes. An objective makes one from a trial and
# returns what is to be optimised. Here: one width for all weights.


# %%
def fixed(weight_width, weight_frac_width, data_in_width=8, data_in_frac_width=4):
    return {
        "config": {
            "name": "integer",
            "data_in_width": data_in_width,
            "data_in_frac_width": data_in_frac_width,
            "weight_width": weight_width,
            "weight_frac_width": weight_frac_width,
        }
    }


def objective(trial):
    bits = trial.suggest_int("weight_width", 2, 8)
    frac = trial.suggest_int("weight_frac_width", 0, 7)
    config = {"by": "type", "default": {"config": {"name": None}}, "linear": fixed(bits, frac)}
    return ev.evaluate(config).accuracy


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=60)
study.best_params, study.best_value

# %% [markdown]
# With accuracy as its only objective the study wants many bits: nothing tells it that bits cost anything.
#
# ## A format for each layer, and two objectives
#
# Let each linear layer have widths of its own, and let the second objective be the average bits of a weight. Names of
# layers are those of the graph; `chop.cost` computes the bits from the config, without running anything.
#
# How the parameters are chosen decides how hard the search is. Width and fraction width *together* decide the range,
# so most pairs of them are useless: eight bits with seven behind the point hold nothing above one. Here the sampler
# chooses the width and the number of bits **before** the point; a good number of those is good for every width.

# %%
layers = [node.name for node in ev.graph.nodes if isinstance(ev.graph.modules.get(node.target), nn.Linear)]
costs = Costs(ev.graph, models=("average_bitwidth", "model_size", "bitops"))
print(layers)


def config_of(trial):
    config = {"by": "name", "default": {"config": {"name": None}}}
    for layer in layers:
        width = trial.suggest_int(f"{layer}.weight_width", 2, 8)
        before = trial.suggest_int(f"{layer}.bits_before_point", 0, 3)  # beside the sign
        data_width = trial.suggest_int(f"{layer}.data_in_width", 4, 8)
        config[layer] = fixed(width, width - 1 - before, data_width, data_width - 4)
    return config


def two_objectives(trial):
    config = config_of(trial)
    figures = costs.evaluate(config)
    trial.set_user_attr("model_size", figures["model_size"])
    trial.set_user_attr("config", config)
    return ev.evaluate(config).accuracy, figures["average_bitwidth"]


def run(sampler, n_trials=600, **options):
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.set_metric_names(["accuracy", "average_bitwidth"])
    start = time.perf_counter()
    study.optimize(two_objectives, n_trials=n_trials, **options)
    seconds = time.perf_counter() - start
    print(
        f"{type(sampler).__name__}: {n_trials} trials in {seconds:.1f} s, {n_trials / seconds:.0f} a second"
    )
    return study


genetic = run(optuna.samplers.NSGAIISampler(population_size=30, seed=0))
by_chance = run(optuna.samplers.RandomSampler(seed=0))

# %%
chop.plotting.pareto_front(genetic, x="average_bitwidth", y="accuracy")

# %% [markdown]
# The coloured points are the *front*: nothing that was tried is better in one objective without being worse in the
# other. Which of them to take is your decision, not the sampler's. Was the genetic sampler worth more than chance?
# The same number of trials at random, with the genetic sampler's front for comparison:

# %%
ax = chop.plotting.pareto_front(by_chance, x="average_bitwidth", y="accuracy")
front = sorted((t.values[1], t.values[0]) for t in genetic.best_trials)
ax.plot(*zip(*front, strict=True), "s--", color="#0072B2", label="front of the genetic sampler")
ax.legend(loc="lower right")
ax

# %% [markdown]
# Where the blue squares lie above the orange line, the sampler has found what chance has not. How far *both* are from
# the best possible cannot be seen here; `lab3_search` computes the true front and measures that distance.

# %% [markdown]
# ## Where does the time go?
#
# One evaluation of a configuration that was never seen, and one whole trial of the study above, in milliseconds:

# %%
configs = [trial.user_attrs["config"] for trial in genetic.trials]
start = time.perf_counter()
for config in configs:
    ev.evaluate(config)
evaluation = (time.perf_counter() - start) / len(configs)
start = time.perf_counter()
ev.evaluate_many(configs)
together = (time.perf_counter() - start) / len(configs)
trial = sum((t.datetime_complete - t.datetime_start).total_seconds() for t in genetic.trials) / len(
    genetic.trials
)
print(
    f"evaluate {1e3 * evaluation:.2f} ms, evaluate_many {1e3 * together:.2f} ms a config, a trial {1e3 * trial:.2f} ms"
)

# %% [markdown]
# The evaluation is the smaller part of a trial: the rest is Optuna's own bookkeeping. That is why `evaluate_many`,
# which takes a list of configs, is worth a thought: propose a batch with `study.ask()`, evaluate it in one call, and
# `study.tell()` the results.

# %%
batched = optuna.create_study(
    directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=0)
)
for _ in range(12):
    trials = [batched.ask() for _ in range(50)]
    configs = [config_of(trial) for trial in trials]
    for trial, config, found in zip(trials, configs, ev.evaluate_many(configs), strict=True):
        batched.tell(trial, (found.accuracy, costs.evaluate(config)["average_bitwidth"]))
print(len(batched.trials), "trials,", len(batched.best_trials), "on the front")

# %% [markdown]
# If even that is too slow, or a sample is not enough: `chop.search.sweep` walks **every** configuration in C++
# (notebook `lab3_search`).
#
# ## A constraint, and a good start
#
# *The smallest model that loses at most one point of accuracy*: one objective and one constraint. Optuna's TPE takes
# constraints as numbers that must not be positive. And instead of starting from nothing, hand it a guess:
# `chop.best_formats` computes, for a given width, the position of the point with the least squared error for each
# tensor.

# %%
WORST = float_accuracy - 0.01


def smallest(trial):
    config = config_of(trial)
    accuracy = ev.evaluate(config, loss=False).accuracy
    trial.set_user_attr("accuracy", accuracy)
    trial.set_constraint("accuracy", WORST - accuracy)
    return costs.evaluate(config)["model_size"]


study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=0))

guess = chop.best_formats(ev, 6)
start = {}
for layer in layers:
    start[f"{layer}.weight_width"] = 6
    start[f"{layer}.bits_before_point"] = min(3, max(0, 5 - guess[layer]["weight"].frac_width))
    start[f"{layer}.data_in_width"] = 8
study.enqueue_trial(start)
study.optimize(smallest, n_trials=150)

allowed = [t for t in study.trials if t.user_attrs["accuracy"] >= WORST]
best = min(allowed, key=lambda t: t.value)
print(f"{len(allowed)} of {len(study.trials)} trials keep the constraint")
print(f"the guess: {study.trials[0].value:.0f} bytes, accuracy {study.trials[0].user_attrs['accuracy']:.4f}")
print(
    f"the best:  {best.value:.0f} bytes, accuracy {best.user_attrs['accuracy']:.4f} (float {float_accuracy:.4f})"
)
best.params

# %% [markdown]
# Optuna's other tools work as on any study. Which choices mattered most for accuracy?

# %%
importances = optuna.importance.get_param_importances(
    genetic,
    evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
    target=lambda trial: -trial.values[0],  # it asks what makes a target low
)
for name, share in importances.items():
    print(f"{name:28} {share:.2f}")

# %% [markdown]
# ## More than accuracy
#
# `evaluate` takes any metrics by name. The confusion matrix tells which jets the quantized model confuses, the
# signal-to-noise ratio how far its logits are from the float model's:

# %%
config = min(genetic.best_trials, key=lambda t: abs(t.values[1] - 4)).user_attrs["config"]
metrics = ev.evaluate(config, metrics=["accuracy", "output_sqnr", "confusion_matrix"])
print(f"accuracy {metrics['accuracy']:.4f}, signal to noise {metrics['output_sqnr']:.1f} dB")
chop.plotting.confusion_matrix(metrics["confusion_matrix"], classes=["g", "q", "t", "w", "z"])

# %% [markdown]
# ## Keeping a study
#
# In memory a study ends with the notebook. In a journal file it survives: the same two lines again go on where it
# stopped, and `optuna-dashboard study.log` shows it in a browser.

# %%
import tempfile
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

path = Path(tempfile.mkdtemp(prefix="chop-study-")) / "study.log"
for _ in range(2):  # as if the program were started twice
    study = optuna.create_study(
        study_name="jets",
        storage=JournalStorage(JournalFileBackend(str(path))),
        load_if_exists=True,
        directions=["maximize", "minimize"],
    )
    study.optimize(two_objectives, n_trials=20)
    print(len(study.trials), "trials in", path.name)

# %% [markdown]
# ### An aside: PostgreSQL
#
# A database server lets several machines work on one study. Name one in the environment variable `CHOP_STUDY_URL`,
# for example `postgresql+psycopg://me@db.example.org/studies` (the driver comes with `pip install '.[dist]'`), and
# run this cell on each machine. Without one it says so and does nothing. `ch search --storage postgresql://…
# --workers 4` is the same without a program, and retries the trials of workers that died; see
# `docs/how-to/several-machines.md`.

# %%
import os

url = os.environ.get("CHOP_STUDY_URL")
if url is None:
    print("CHOP_STUDY_URL is not set: no server, this part is skipped.")
else:
    study = optuna.create_study(
        study_name="jets",
        storage=url,
        load_if_exists=True,
        directions=["maximize", "minimize"],
    )
    study.optimize(two_objectives, n_trials=20)
    print(len(study.trials), "trials on the server")

# %% [markdown]
# ## Try yourself
#
# 1. Add the rounding of the weights to the space: the config key `weight_rounding` takes `half_even`, `floor` and
#    `half_up`. Does it matter?
# 2. Replace the average bit width by `bitops`. Which layers become narrow now, and why?
# 3. Search on the validation split and look at the front's configurations on the test split. Do they keep their
#    order?
