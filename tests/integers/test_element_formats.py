"""Features, weights and biases with formats of their own, in whole numbers and in files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop import Evaluator
from chop.integers import execute, integer_net, quantized_view
from chop.tools.errors import ConfigError
from tests.evaluator.element_oracle import random_operand

pytestmark = pytest.mark.usefixtures("quick_torch")


def made(seed: int, features: bool = True) -> tuple[Evaluator, dict[str, Any]]:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)).eval()
    with torch.no_grad():
        model[1].running_var.uniform_(0.5, 2.0)
        model[1].running_mean.normal_()
    x = torch.from_numpy((random.integers(-900, 900, (200, 6)) / 64).astype(np.float32))
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for node, shape in (("_0", (5, 6)), ("_3", (3, 5))):
        weight = shape if random.integers(2) else shape[:1]
        data_in = random_operand(random, "data_in", shape[1], 3, range(0, 4))
        config[node] = {
            "config": {
                "name": "integer",
                **(data_in if features else {"data_in_width": 8, "data_in_frac_width": 3}),
                **random_operand(random, "weight", weight, 2, range(0, 5)),
                **random_operand(random, "bias", shape[0], 3, range(0, 6)),
            }
        }
    relu = random_operand(random, "data_in", 5, 4, range(0, 4))
    relu["data_in_overflow"] = "saturate"  # behind a batch norm, thresholds need what never falls
    config["_2"] = {
        "config": {
            "name": "integer",
            **(relu if features else {"data_in_width": 8, "data_in_frac_width": 4}),
        }
    }
    return Evaluator(model, x), config


@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_the_integer_net_computes_what_the_evaluator_does(seed: int, features: bool) -> None:
    ev, config = made(seed, features)
    view = quantized_view(ev, config)
    for node in ("_0", "_3"):
        exact = ev.certificate(config)[node]
        sums = chop.integers.sums_of(view[node])
        assert exact.exact and sums.bound == exact.bound and 2.0**-sums.frac_width == exact.unit
    found = execute(integer_net(view), ev._x.numpy())
    assert np.array_equal(np.asarray(found, np.float32), ev.forward(config).numpy())


def test_channels_of_a_convolution_have_formats_of_their_own() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv1d(4, 6, 3, padding=1, groups=2), nn.ReLU(), nn.Conv1d(6, 2, 3)).eval()
    x = torch.from_numpy((random.integers(-900, 900, (50, 4, 7)) / 64).astype(np.float32))
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for node, layer in (("_0", model[0]), ("_2", model[2])):
        config[node] = {
            "config": {
                "name": "integer",
                **random_operand(random, "data_in", layer.in_channels, 3, range(0, 4)),
                **random_operand(random, "weight", tuple(layer.weight.shape), 2, range(0, 5)),
                **random_operand(random, "bias", layer.out_channels, 3, range(0, 6)),
            }
        }
    ev = Evaluator(model, x)
    view = quantized_view(ev, config)
    for node in ("_0", "_2"):
        assert chop.integers.sums_of(view[node]).bound == ev.certificate(config)[node].bound
    found = execute(integer_net(view), x.numpy())
    assert np.array_equal(np.asarray(found, np.float32), ev.forward(config).numpy())


@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("target", ["onnx-arithmetic", "onnx", "integers", "torch", "cpp"])
def test_targets_say_it_or_name_one_that_does(target: str, features: bool, tmp_path: Path) -> None:
    if target.startswith("onnx"):
        pytest.importorskip("onnxruntime")
    if target == "cpp" and not any(map(shutil.which, ("g++", "clang++"))):
        pytest.skip("no compiler")
    ev, config = made(1, features)
    if chop.export.TARGETS[target].takes_features or not features:
        assert chop.export(ev, config, target, tmp_path).equal
        return
    message = r"_0\.data_in: has one format for all features or channels.*onnx-arithmetic"
    with pytest.raises(ConfigError, match=message):
        chop.export(ev, config, target, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_common_grid_too_wide_for_a_format_is_refused_by_name() -> None:
    ev, config = made(0)
    config["_0"]["config"] |= {"weight_width": [20, 20, 4, 4, 4], "weight_frac_width": [18, -3, 0, 0, 0]}
    with pytest.raises(ConfigError, match="node _0: the formats of weight need 41 bits on their common grid"):
        quantized_view(ev, config)
