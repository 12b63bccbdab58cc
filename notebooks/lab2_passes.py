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
# # Lab 2: a network as a graph, and passes over it
#
# **You will learn**
#
# - how a PyTorch model becomes a `MaseGraph`, and what `placeholder`, `call_module`, … in its report mean;
# - what metadata and statistics the analysis passes attach to a graph;
# - how `quantize_transform_pass` changes a model, how to compare the two, and how to *prove* that weights are
#   quantized;
# - the same for a network of your own with a `Conv1d`, and from the command line;
# - what a model costs in FLOPs and BitOPs.
#
# **Time**: about 15 seconds to run, 30 to 45 minutes to read. No files and no network: the data are `jsc-synth`,
# synthetic jets that are generated on the spot (16 features, 5 classes), and the trained weights ship with the
# package. Accuracies on synthetic jets say nothing about physics.
#
# Numbers are deliberately absent from the text: run the cells and read yours.

# %%
from pprint import pprint

import torch

from chop.dataset import MaseDataModule, get_dataset_info
from chop.ir import MaseGraph
from chop.models import get_model, get_model_info
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    profile_statistics_analysis_pass,
    quantize_transform_pass,
    report_graph_analysis_pass,
    report_node_meta_param_analysis_pass,
    summarize_quantization_analysis_pass,
)
from chop.tools.get_input import InputGenerator
from chop.tools.logger import set_logging_verbosity

set_logging_verbosity("info")

# %% [markdown]
# ## Data, model, and one input
#
# The same lines as in the lab. Only two things differ: the data set is called `jsc-synth` (write `jsc` once you have
# the real file, see the notebook `real_jets`), and the weights come with `pretrained=True` instead of from your
# checkpoint of Lab 1. To take your own, use `load_model(load_name="…/best.ckpt", load_type="pl", model=model)` from
# `chop.tools.checkpoint_load`.

# %%
batch_size = 8
model_name = "jsc-tiny"
dataset_name = "jsc-synth"

data_module = MaseDataModule(name=dataset_name, batch_size=batch_size, model_name=model_name, num_workers=0)
data_module.prepare_data()
data_module.setup()

model_info = get_model_info(model_name)
model = get_model(model_name, task="cls", dataset_info=data_module.dataset_info, pretrained=True)

print(data_module.describe())
print(
    get_dataset_info(dataset_name).num_features,
    "features,",
    get_dataset_info(dataset_name).num_classes,
    "classes",
)
model

# %%
input_generator = InputGenerator(
    data_module=data_module, model_info=model_info, task="cls", which_dataloader="train"
)
dummy_in = next(iter(input_generator))
{name: tuple(value.shape) for name, value in dummy_in.items()}

# %% [markdown]
# ## The graph
#
# `MaseGraph` runs the model once on stand-ins for tensors (`torch.fx` calls that *symbolic tracing*) and records what
# happens to them. The metadata passes then run it once on a real batch and note shapes, types and precisions.

# %%
mg = MaseGraph(model=model)
mg, _ = init_metadata_analysis_pass(mg, None)
mg, _ = add_common_metadata_analysis_pass(mg, {"dummy_in": dummy_in})
mg, _ = add_software_metadata_analysis_pass(mg, None)

# %%
_ = report_graph_analysis_pass(mg)

# %%
import chop
import chop.plotting

chop.plotting.graph(mg)

# %% [markdown]
# ### Question 1: what do the words in this report mean?
#
# Each line of the graph is a *node*. Its kind tells where its value comes from:
#
# | kind | the value is |
# |---|---|
# | `placeholder` | an input of the model |
# | `get_attr` | a parameter or buffer that `forward` reads by itself (none here: our layers hold their own) |
# | `call_module` | the result of a layer, `self.seq_blocks[2](x)` |
# | `call_function` | the result of a free function, `torch.relu(x)` or `x + y` |
# | `call_method` | the result of a tensor's method, `x.view(-1)` |
# | `output` | what the model returns |
#
# Those words are `torch.fx`'s. On top of them `chop` gives each node a *type* (`module_related_func`, `builtin_func`,
# …) and an *operation* (`linear`, `relu`, …), whether it was written as a layer, as a function or as a method:

# %%
from chop.passes.graph.utils import get_mase_op, get_mase_type

for node in mg.fx_graph.nodes:
    print(f"{node.name:14} {node.op:12} {get_mase_type(node):20} {get_mase_op(node)}")

# %% [markdown]
# Metadata are plain dicts on the node, yours to read and to edit. Here is what is known of the linear layer's input
# and weight (`value` is left out of the print, it is the tensor itself):

# %%
linear = next(node for node in mg.fx_graph.nodes if get_mase_op(node) == "linear")
for name, argument in linear.meta["mase"].parameters["common"]["args"].items():
    print(name, {key: argument[key] for key in ("type", "precision", "shape")})

# %% [markdown]
# ## Statistics
#
# ### Question 2: what do `profile_statistics_analysis_pass` and `report_node_meta_param_analysis_pass` do?
#
# The first feeds batches through the graph and collects statistics of weights and of activations, which land in the
# *software* part of the metadata. The second prints metadata as a table. Before one chooses a number format one wants
# to know the range of what it will hold: that is what these statistics are for.

# %%
pass_args = {
    "by": "type",
    "target_weight_nodes": ["linear"],
    "target_activation_nodes": ["relu"],
    "weight_statistics": {"variance_precise": {"device": "cpu", "dims": "all"}},
    "activation_statistics": {"range_quantile": {"device": "cpu", "dims": "all", "quantile": 0.97}},
    "input_generator": InputGenerator(
        data_module=data_module, model_info=model_info, task="cls", which_dataloader="train"
    ),
    "num_samples": 512,
}
mg, _ = profile_statistics_analysis_pass(mg, pass_args)
_, _ = report_node_meta_param_analysis_pass(mg, {"which": ("software",)})

# %% [markdown]
# Variance of the linear layer's weights, and the range that holds the middle of what each ReLU receives. More
# statistics, all of them one pass over the data in C++:

# %%
from chop.passes.graph.analysis.statistical_profiler.stat import STAT_NAME_TO_CLS

print(", ".join(STAT_NAME_TO_CLS))

# %% [markdown]
# A *histogram* says more than a range. Which fixed-point format would you give these weights? The picture draws what
# a format can hold into the distribution: 4 bits, once with two and once with three of them behind the point.

# %%
weight = model.seq_blocks[2].weight
chop.plotting.histogram(weight, fixed_point=(4, 2), bins=40)

# %%
chop.plotting.histogram(weight, fixed_point=(4, 3), bins=40)

# %% [markdown]
# More fraction bits give finer steps and a smaller range: what lies outside is clamped to its end.
# `chop.best_formats` weighs the one against the other by trying every position of the point. We come back to it
# below.
#
# ## Quantization

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

ori_mg = MaseGraph(model=model)
ori_mg, _ = init_metadata_analysis_pass(ori_mg, None)
ori_mg, _ = add_common_metadata_analysis_pass(ori_mg, {"dummy_in": dummy_in})

mg, info = quantize_transform_pass(mg, pass_args)
_ = summarize_quantization_analysis_pass(ori_mg, mg)
info

# %% [markdown]
# ### Question 3: why has only one operation changed?
#
# `by = "type"` looks rules up by operation. There is a rule for `linear`; every other node falls under `default`,
# whose name `None` means *leave it alone*. The network has a single linear layer. `info` says which rule hit which
# node. Had we misspelt `linear`, the pass would have refused:

# %%
try:
    quantize_transform_pass(
        mg, {"by": "type", "default": {"config": {"name": None}}, "liner": pass_args["linear"]}
    )
except ValueError as error:
    print(error)

# %% [markdown]
# ### Question 4: walk both graphs and compare the nodes
#
# The graphs have the same nodes; what a node *calls* differs where it was quantized. The precision in the metadata
# follows.

# %%
from chop.passes.graph.utils import get_node_actual_target

for ori_node, node in zip(ori_mg.fx_graph.nodes, mg.fx_graph.nodes, strict=True):
    before, after = get_node_actual_target(ori_node), get_node_actual_target(node)
    if type(before) is not type(after):
        print(
            f"difference at {node.name} ({get_mase_op(node)}): {type(before).__name__} -> {type(after).__name__}"
        )
        print(
            "  input precision ",
            ori_node.meta["mase"].parameters["common"]["args"]["data_in_0"]["precision"],
            "->",
            node.meta["mase"].parameters["common"]["args"]["data_in_0"]["precision"],
        )
        print(
            "  weight precision",
            ori_node.meta["mase"].parameters["common"]["args"]["weight"]["precision"],
            "->",
            node.meta["mase"].parameters["common"]["args"]["weight"]["precision"],
        )

# %% [markdown]
# A list of two numbers is `[width, fraction width]`. That tells what changed in the *structure*. `chop.compare` runs
# both graphs on data and tells what changed in the *numbers*: for each node the largest difference and the
# signal-to-noise ratio, and the first node that differs at all, with the place.

# %%
x, y = data_module.arrays("test")
comparison = chop.compare(ori_mg, mg, x[:2000])
comparison

# %%
print(comparison.first)

# %% [markdown]
# Up to the linear layer nothing differs: the error enters there, and the ReLU behind it passes on what it lets
# through. The largest difference may surprise: it belongs to a jet with an input beyond the range of the format,
# which is clamped to its end. The signal-to-noise ratio tells what happens to all the others.
#
# ### Question 5: the same for a larger network
#
# A transform is a function, so a larger network needs no new code, only another name:


# %%
def graph_of(name):
    """A trained model as a graph with metadata."""
    graph = MaseGraph(get_model(name, task="cls", dataset_info=data_module.dataset_info, pretrained=True))
    graph, _ = init_metadata_analysis_pass(graph, None)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": dummy_in})
    return graph


ori_toy, toy = graph_of("jsc-toy"), graph_of("jsc-toy")
toy, info = quantize_transform_pass(toy, pass_args)  # the same dict again: passes never change it
_ = summarize_quantization_analysis_pass(ori_toy, toy)
pprint(info["rules"])

# %% [markdown]
# What did it cost in accuracy? `chop.Evaluator` holds data and weights in C++ and takes the very dict that the pass
# takes, so nothing is rebuilt to try a second one:

# %%
ev = chop.Evaluator(ori_toy, x, y)
narrow = {
    **pass_args,
    "linear": {"config": {**pass_args["linear"]["config"], "weight_width": 3, "weight_frac_width": 2}},
}
print("float        ", ev.evaluate())
print("8-bit weights", ev.evaluate(pass_args))
print("3-bit weights", ev.evaluate(narrow))

# %% [markdown]
# Eight bits cost little, three bits a great deal.
#
# ### Question 6: prove that the weights are quantized
#
# *A quantized weight is an integer times a power of two, and there are at most `2**width` of them.* Check both, layer
# by layer, against the float weights. `get_quantized_weight()` gives what the layer multiplies with, `int_weight` the
# integers themselves, which is what a hardware memory would hold.

# %%
from chop.passes.graph.transforms.quantize.quantized_modules import LinearInteger

for name, layer in toy.model.named_modules():
    if not isinstance(layer, LinearInteger):
        continue
    width, frac_width = (layer.config[key] for key in ("weight_width", "weight_frac_width"))
    quantized = layer.get_quantized_weight().detach()
    codes = quantized * 2**frac_width
    assert torch.equal(codes, codes.round()), "not on the grid"
    assert codes.min() >= -(2 ** (width - 1)) and codes.max() <= 2 ** (width - 1) - 1, "outside the range"
    assert torch.equal(layer.int_weight.double(), codes.double())
    # the same rule once more, in a line of our own
    expected = (
        (layer.weight.detach() * 2**frac_width).round().clamp(-(2 ** (width - 1)), 2 ** (width - 1) - 1)
    )
    assert torch.equal(codes, expected)
    print(
        f"{name}: {layer.weight.unique().numel()} distinct float weights -> {codes.unique().numel()} integers"
    )
    print("   first row as float   ", [round(w, 4) for w in layer.weight[0, :6].tolist()])
    print("   first row as integers", layer.int_weight[0, :6].tolist(), f"x 2^-{frac_width}")

# %% [markdown]
# The float weights are all different; the quantized ones share a few integers. And the evaluator does compute with
# those integers: its logits equal those of the quantized PyTorch model **bit for bit**, and `certificate` says why
# that had to be so.

# %%
with torch.no_grad():
    print("bit for bit the same:", torch.equal(toy.model.eval()(x), ev.forward(pass_args)))
ev.certificate(pass_args)

# %% [markdown]
# ### Where should the point be?
#
# The lab gives every tensor the same number of fraction bits. `chop.best_formats` looks at what each tensor holds,
# tries every position of the point and keeps the one with the smallest squared error:

# %%
best = chop.best_formats(ev, 6)
best

# %% [markdown]
# ## A network of your own, with a convolution
#
# 16 features are also a signal with one channel. This model is traced, measured and quantized like any other: nothing
# has to be registered for that.

# %%
from torch import nn


class JetConv(nn.Module):
    """Two convolutions with a residual sum, and a linear head."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 8, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm1d(8)
        self.conv2 = nn.Conv1d(8, 8, kernel_size=3, padding=1)
        self.fc = nn.Linear(8 * 16, 5)

    def forward(self, x):
        x = x.view(-1, 1, 16)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(x + self.conv2(x))
        return self.fc(torch.flatten(x, 1))


torch.manual_seed(0)
conv = JetConv()
optimizer = torch.optim.Adam(conv.parameters(), lr=3e-3)
x_train, y_train = data_module.arrays("train")
for rows in torch.randperm(len(x_train))[:40_000].split(256):
    optimizer.zero_grad()
    nn.functional.cross_entropy(conv(x_train[rows]), y_train[rows]).backward()
    optimizer.step()
conv.eval()

conv_mg = MaseGraph(conv)
conv_mg, _ = init_metadata_analysis_pass(conv_mg, None)
conv_mg, _ = add_common_metadata_analysis_pass(conv_mg, {"dummy_in": dummy_in})
_ = report_graph_analysis_pass(conv_mg)

# %% [markdown]
# Now the report has functions (`relu`, `add`, `flatten`) and a method (`view`) beside the layers. Rules by *name*
# give each layer its own format; rules by `regex_name` do it for groups.

# %%
fixed = pass_args["linear"]["config"]
by_name = {
    "by": "regex_name",
    "default": {"config": {"name": None}},
    r"conv\d": {"config": {**fixed, "weight_width": 6, "weight_frac_width": 4}},
    "fc": {"config": fixed},
}
conv_ev = chop.Evaluator(conv_mg, x, y)
print("float    ", conv_ev.evaluate())
print("quantized", conv_ev.evaluate(by_name))

ori_conv = MaseGraph(conv)
conv_mg, info = quantize_transform_pass(conv_mg, by_name)
print(info)
comparison = chop.compare(ori_conv, conv_mg, x[:2000])
chop.plotting.error_waterfall(comparison)

# %% [markdown]
# From the input down to the output: where noise enters, and where it is passed on. Which layer is to blame? Change
# one operand of one layer at a time and look at the loss, which is what `chop.sensitivity` does in one pass over the
# data:

# %%
formats = [(4, 2), (6, 4), (8, 6)]
chop.plotting.sensitivity_map(chop.sensitivity(conv_ev, formats))

# %% [markdown]
# ### Question 7: from the command line
#
# The same pass, from a TOML file. `ch transform` prints the options in effect, runs the passes in the order of the
# file, and saves the quantized model and the tables of what changed.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

work = Path(tempfile.mkdtemp(prefix="chop-lab2-"))
config = work / "quantize.toml"
config.write_text(
    """
model = "jsc-toy"
dataset = "jsc-synth"
task = "cls"
is_pretrained = true
batch_size = 8
project = "lab2"

[passes.quantize]
by = "type"

[passes.quantize.default.config]
name = "NA"

[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 8
weight_frac_width = 4
bias_width = 8
bias_frac_width = 4
"""
)


def ch(*arguments):
    """Run ``ch`` and print the end of what it says; in a shell you would type ``ch …``."""
    done = subprocess.run(
        [sys.executable, "-m", "chop", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print("\n".join(done.stdout.splitlines()[-25:]))
    done.check_returncode()


ch("transform", "--config", config, "--project-dir", work)
for path in sorted(work.rglob("*")):
    if path.is_file():
        print(path.relative_to(work), path.stat().st_size, "bytes")

# %% [markdown]
# ## What a model costs: FLOPs and BitOPs
#
# The optional part of the lab: a pass that counts operations. A **FLOP** is a multiplication, addition or comparison
# on numbers; a **BitOP** weighs each by the width of the numbers, so that a quantized layer becomes cheaper although
# it does the same sums. There is no single definition, so each figure comes with its own; `chop` has several, and
# says which it used.

# %%
from chop.passes.graph.analysis import add_flops_bitops_analysis_pass

# the quantized graph and the float one, at the batch size of the metadata
for label, graph in (("float", ori_mg), ("quantized", mg)):
    graph, flops, bitops, breakdown = add_flops_bitops_analysis_pass(graph, {"definition": "mase"})
    print(f"{label:10} FLOPs {flops:8,.0f}   BitOPs {bitops:9,.0f}")
breakdown

# %%
for label, config in (("float", None), ("quantized", pass_args)):
    print(label)
    print(
        chop.cost.report(ori_toy, config=config, models=("flops", "bitops", "model_size", "memory_density"))
    )

# %% [markdown]
# The quantized layers have a quarter of their BitOPs and of their bytes, since 8 bits stand where 32 stood; the float
# layers around them have what they had, and in a network as small as this they are soon the larger part.
# `memory_density` says how much denser the weights of linear layers lie. By this definition FLOPs count only the work
# on *float* inputs, so they fall too: those operations have become integer ones.
#
# ## Try yourself
#
# 1. Give `relu` a rule too. Its input is quantized *unsigned*: why is one bit more precision free there?
# 2. Find the narrowest `weight_width` for which `jsc-toy` loses less than one point. (Lab 3 does it for all layers at
#    once.)
# 3. Give `JetConv` the formats that the sensitivity map suggests, and compare with the ones used here.
