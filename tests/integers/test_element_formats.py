"""Weights and biases whose elements have formats of their own, in whole numbers and in files; features are refused."""

from __future__ import annotations

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


def made(seed: int) -> tuple[Evaluator, dict[str, Any]]:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    x = torch.from_numpy((random.integers(-900, 900, (200, 6)) / 64).astype(np.float32))
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for node, shape in (("_0", (5, 6)), ("_2", (3, 5))):
        weight = shape if random.integers(2) else shape[:1]
        config[node] = {
            "config": {
                "name": "integer",
                "data_in_width": 8,
                "data_in_frac_width": 3,
                **random_operand(random, "weight", weight, 2, range(0, 5)),
                **random_operand(random, "bias", shape[0], 3, range(0, 6)),
            }
        }
    config["_1"] = {"config": {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}}
    return Evaluator(model, x), config


@pytest.mark.parametrize("seed", range(5))
def test_the_integer_net_computes_what_the_evaluator_does(seed: int) -> None:
    ev, config = made(seed)
    view = quantized_view(ev, config)
    for node in ("_0", "_2"):
        exact = ev.certificate(config)[node]
        sums = chop.integers.sums_of(view[node])
        assert exact.exact and sums.bound == exact.bound and 2.0**-sums.frac_width == exact.unit
    found = execute(integer_net(view), ev._x.numpy())
    assert np.array_equal(np.asarray(found, np.float32), ev.forward(config).numpy())


@pytest.mark.parametrize("target", ["onnx-arithmetic", "onnx", "integers", "torch"])
def test_targets_say_it(target: str, tmp_path: Path) -> None:
    if target.startswith("onnx"):
        pytest.importorskip("onnxruntime")
    ev, config = made(1)
    assert chop.export(ev, config, target, tmp_path).equal


def test_formats_of_features_are_refused_by_name() -> None:
    ev, config = made(0)
    config["_2"]["config"] |= {"data_in_width": np.array([8, 4, 0, 3, 2]), "data_in_frac_width": 2}
    with pytest.raises(
        ConfigError, match="node _2: data_in has a format for each feature or channel, which no export"
    ):
        quantized_view(ev, config)


def test_a_common_grid_too_wide_for_a_format_is_refused_by_name() -> None:
    ev, config = made(0)
    config["_0"]["config"] |= {"weight_width": [20, 20, 4, 4, 4], "weight_frac_width": [18, -3, 0, 0, 0]}
    with pytest.raises(ConfigError, match="node _0: the formats of weight need 41 bits on their common grid"):
        quantized_view(ev, config)
