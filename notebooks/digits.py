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
# # Real images: every format of a small CNN
#
# **You will learn**
#
# - what the data set `digits` holds, and why six bits carry its pixels without an error;
# - how to find out which layer needs its bits;
# - how to measure *every* combination of formats of a convolutional network, and what the front looks like;
# - how to prove that the winner computes the same in whole numbers, on images that the search has not seen.
#
# **Time**: about 10 seconds to run, 10 minutes to read. Real data that come with scikit-learn; no network.

# %%
import matplotlib.pyplot as plt

import chop
import chop.plotting
from chop.dataset import MaseDataModule
from chop.models import get_model

data = MaseDataModule("digits", batch_size=256)
x, y = data.arrays("val")
print(data.describe())
print("shape", tuple(x.shape), "- values", sorted({round(v * 16) for v in x.unique().tolist()}), "/ 16")

figure, places = plt.subplots(1, 10, figsize=(9, 1.2))
for place, image, digit in zip(places, x, y, strict=False):
    place.imshow(image[0], cmap="gray_r")
    place.set_title(int(digit), fontsize=9)
    place.axis("off")

# %% [markdown]
# Pixels are multiples of 1/16 between 0 and 1. A sign, one bit before the point and four behind it hold all of them:
# the first layer's input costs no accuracy at 6 bits, and at 5 only the brightest pixels are clipped.
#
# ## The network and its sensitive places
#
# `digits-cnn` has two convolutions and a linear layer; weights trained on the 1,078 training images ship with `chop`.
# The evaluator runs all of it in C++: no node is left to torch.

# %%
model = get_model("digits-cnn", pretrained=True).eval()
ev = chop.Evaluator(model, x, y)
print(f"float accuracy {ev.evaluate().accuracy:.4f}; nodes left to torch: {list(ev.torch_nodes)}")

# %% [markdown]
# `best_formats` looks at the values of each operand and places the point so that the error is smallest:

# %%
for width in (8, 6, 5, 4, 3):
    formats = chop.best_formats(ev, width)
    print(f"{width} bits everywhere: accuracy {ev.evaluate(formats.config()).accuracy:.4f}")

# %% [markdown]
# ## Every configuration
#
# Now each layer for itself. The lists below make a space of some thousand configurations; `sweep` measures all of
# them on all 359 validation images, against EBOPs, the products of bit widths summed over the multiplications.


# %%
def layer(data_widths, weight_widths, data_frac, weight_frac):
    return {
        "config": {
            "name": ["integer"],
            "data_in_width": data_widths,
            "data_in_frac_width": data_frac,
            "weight_width": weight_widths,
            "weight_frac_width": weight_frac,
            "bias_width": [8],
            "bias_frac_width": [5],
        }
    }


space = {
    "name": "graph/quantize/mixed_precision_ptq",
    "setup": {"by": "name"},
    "seed": {
        "default": {"config": {"name": ["NA"]}},
        "conv1": layer([6], [2, 3, 4, 6], [4], [1, 2, 3]),
        "conv2": layer([4, 6], [2, 3, 4, 6], [2, 3], [2, 3]),
        "fc": layer([4, 6], [2, 3, 4], [1, 2], [1, 2, 3]),
    },
}
report = chop.search.sweep(ev, space, {"accuracy": "maximize", "ebops": "minimize"})
print(f"{report.configurations} configurations, {len(report.front)} on the front (equal ones counted)")

# %%
best = {}
for point in report.front:  # of equal points one
    best.setdefault((point["ebops"], point["accuracy"]), point)
front = [best[key] for key in sorted(best)]
plt.figure(figsize=(5.5, 3.2))
plt.axhline(ev.evaluate().accuracy, color="0.6", linestyle="--", label="float")
plt.plot([p["ebops"] for p in front], [p["accuracy"] for p in front], ".-", label="front")
plt.xlabel("EBOPs (products of bits)")
plt.ylabel("validation accuracy")
plt.title("digits-cnn on digits, 359 validation images")
plt.legend(loc="lower right")
plt.show()

# %% [markdown]
# The front rises steeply and then hardly at all. We take the cheapest configuration that is within one point of the
# float model.

# %%
floor = ev.evaluate().accuracy - 0.01
chosen = next(point for point in front if point["accuracy"] >= floor)
print(f"EBOPs {chosen['ebops']:.0f}, validation accuracy {chosen['accuracy']:.4f}")
for name in ("conv1", "conv2", "fc"):
    table = chosen["config"][name]["config"]
    weight = f"{table['weight_width']}.{table['weight_frac_width']}"
    print(f"  {name}: weights {weight}, data {table['data_in_width']}.{table['data_in_frac_width']}")

# %% [markdown]
# ## On images that the search has not seen
#
# The search has chosen among thousands by 359 images, so its accuracy flatters it. The test images tell what is left,
# and the certificate whether an integer machine would compute the same bits.

# %%
test = chop.Evaluator(model, *data.arrays("test"))
print(f"test: float {test.evaluate().accuracy:.4f}, chosen {test.evaluate(chosen['config']).accuracy:.4f}")
certificate = test.certificate(chosen["config"])
print(certificate)
assert certificate.exact

# %% [markdown]
# **Ask yourself**
#
# 1. The same accuracy comes with several EBOPs. Which layer pays for the difference? (Compare two neighbours of the
#    front.)
# 2. Give `conv1` five bits of data. Does any image change its class? Why so few?
# 3. Train `digits-mlp` with `ch train digits-mlp digits` and compare its front with this one at equal EBOPs.
