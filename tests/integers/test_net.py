"""The integer net against the evaluator and the certificate: three programs that share no kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.integers import NotIntegerError, execute, integer_net, quantized_view, sums_of
from chop.models import get_model
from tests.export.models import Convolutions, Sequences, config, rows, trained

ALL = ("linear", "conv1d", "conv2d", "add", "relu")
LAYERS = ("linear", "conv1d", "conv2d")


@pytest.fixture(scope="module")
def evaluators() -> dict[str, chop.Evaluator]:
    jets, images = rows(300, 16), rows(40, 2, 8, 8)
    made = {
        name: chop.Evaluator(get_model(name, pretrained=True).eval(), jets / 2)
        for name in ("jsc-tiny", "jsc-toy")
    }
    made["conv1d"] = chop.Evaluator(trained(Sequences(), jets), jets)
    made["conv2d"] = chop.Evaluator(trained(Convolutions(), images), images)
    return made


def equal(ev: chop.Evaluator, settings: dict[str, Any]) -> None:
    net = integer_net(quantized_view(ev, settings))
    assert np.array_equal(execute(net, ev._x.numpy()), ev.forward(settings).numpy())


@pytest.mark.parametrize("width", [2, 3, 4, 6, 8, 12])
def test_equals_the_evaluator(evaluators: dict[str, chop.Evaluator], width: int) -> None:
    for name, ev in evaluators.items():
        equal(ev, config((width, width // 2), (width, width - 2), ALL))
        if name != "conv2d":
            equal(ev, config((width, width // 2), (width, width - 2), LAYERS))


@pytest.mark.parametrize("rounding", ["half_even", "floor", "half_up"])
def test_every_rounding(evaluators: dict[str, chop.Evaluator], rounding: str) -> None:
    modes = {f"{operand}_rounding": rounding for operand in ("data_in", "weight", "bias")}
    for ev in evaluators.values():
        equal(ev, config((5, 2), (5, 3), ALL, **modes))


def test_wrapping_between_sums(evaluators: dict[str, chop.Evaluator]) -> None:
    equal(evaluators["conv1d"], config((5, 3), (5, 3), (*LAYERS, "relu"), data_in_overflow="wrap"))
    with pytest.raises(NotIntegerError, match="wrapping is none"):
        integer_net(quantized_view(evaluators["jsc-toy"], config((5, 3), (5, 3), data_in_overflow="wrap")))


def test_sums_that_float32_rounds_are_rounded_here_too(evaluators: dict[str, chop.Evaluator]) -> None:
    settings = config((16, 8), (16, 14))
    assert not evaluators["conv1d"].certificate(settings).quantized_part_is_exact
    equal(evaluators["conv1d"], settings)


def test_grids_of_every_distance(evaluators: dict[str, chop.Evaluator]) -> None:
    for data_frac in (-3, 0, 9, 40):
        for weight_frac in (-2, 3, 12):
            equal(
                evaluators["conv1d"],
                config((6, data_frac), (5, weight_frac), bias_width=7, bias_frac_width=5),
            )


def test_bounds_are_those_of_the_certificate(evaluators: dict[str, chop.Evaluator]) -> None:
    for ev in evaluators.values():
        for settings in (
            config((8, 4), (6, 4), ALL),
            config((4, 2), (4, 6), bias_width=9, bias_frac_width=8),
        ):
            view = quantized_view(ev, settings)
            for layer in ev.certificate(settings).layers:
                if layer.op in LAYERS:
                    found = sums_of(view[layer.node])
                    assert (found.bound, 2.0**-found.frac_width) == (layer.bound, layer.unit)


def test_falling_and_constant_batch_norms(evaluators: dict[str, chop.Evaluator]) -> None:
    model = nn.Sequential(nn.Linear(16, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    model = trained(model, rows(50, 16))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([-2.0, 0.0, 1e-6, 30.0, -1e-3, 1.0]))
    for width in (2, 5, 8):
        equal(chop.Evaluator(model, rows(200, 16)), config((width, width - 2), (6, 4)))


def test_floats_inside_are_refused_by_name() -> None:
    x = rows(4, 4)
    bare = chop.Evaluator(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), x)
    half = {"by": "name", "default": {"config": {"name": None}}, "_1": config()["linear"]}
    with pytest.raises(NotIntegerError, match=r"^_0: it is a float layer"):
        integer_net(quantized_view(bare, half))
    smooth = chop.Evaluator(nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)), x)
    with pytest.raises(NotIntegerError, match=r"^_1: sigmoid has no form in whole numbers"):
        integer_net(quantized_view(smooth, config()))


def test_batch_norms_in_a_row_are_steps_and_only_behind_sums(
    evaluators: dict[str, chop.Evaluator],
) -> None:
    x = rows(300, 16)
    for parts in (
        [nn.BatchNorm1d(6), nn.BatchNorm1d(6)],
        [nn.BatchNorm1d(6), nn.ReLU(), nn.BatchNorm1d(6), nn.ReLU6()],
        [nn.Hardtanh(-0.3, 0.9), nn.BatchNorm1d(6), nn.BatchNorm1d(6)],
    ):
        model = trained(nn.Sequential(nn.Linear(16, 6), *parts, nn.Linear(6, 3)), x)
        for settings in (config((5, 3), (5, 3)), config((8, 5), (6, 4), data_in_rounding="floor")):
            equal(chop.Evaluator(model, x), settings)
    images = rows(20, 2, 6, 6)
    for parts, name in (
        ([nn.BatchNorm2d(3), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)], "_3"),
        ([nn.BatchNorm2d(3), nn.Flatten(), nn.ReLU(), nn.BatchNorm1d(48), nn.Linear(48, 2)], "_4"),
    ):
        model = trained(nn.Sequential(nn.Conv2d(2, 3, 3), *parts), images)
        with pytest.raises(NotIntegerError, match=rf"^{name}: a batch norm of floats that are no sums"):
            integer_net(quantized_view(chop.Evaluator(model, images), config()))
