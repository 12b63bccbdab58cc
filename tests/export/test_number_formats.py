"""Number formats: exported where a target can say them, equal bit for bit, else refused with node, format and a way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import chop
from chop.emit import emit
from chop.export import TARGETS, export
from chop.tools.errors import ConfigError
from tests.evaluator.number_formats import FORMATS, by_type, fields
from tests.export.models import Convolutions, rows, trained

pytestmark = pytest.mark.usefixtures("quick_torch")
TAKING = ("onnx-arithmetic", "torch")
# Data that stand for themselves, on a grid.
TAKEN = ("minifloat_ieee", "minifloat_ieee_wide", "minifloat_denorm", "log", "scale_integer_given")
ALL = ("linear", "conv1d", "conv2d", "add", "mul", "relu")


def spread(*shape: int) -> torch.Tensor:
    """Numbers of many sizes, zeros of both signs among them."""
    x = rows(*shape)
    x = x * torch.exp2(torch.randint(-12, 4, x.shape, generator=torch.Generator().manual_seed(0)))
    x.view(-1)[:4] = torch.tensor([0.0, -0.0, 1e30, -1e-30])
    return x


@pytest.fixture(scope="module")
def evaluator() -> chop.Evaluator:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    return chop.Evaluator(model, spread(300, 8))


@pytest.fixture(scope="module")
def images() -> chop.Evaluator:
    x = spread(60, 2, 8, 8)
    return chop.Evaluator(trained(Convolutions(), x), x)


def refused(evaluator: chop.Evaluator, config: dict[str, Any], target: str, path: Path) -> str:
    with pytest.raises(ConfigError) as found:
        export(evaluator, config, target, path)
    assert f"export to {target}" in str(found.value) and not list(path.glob("*"))
    return str(found.value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_equal_or_refused(evaluator: chop.Evaluator, target: str, name: str, tmp_path: Path) -> None:
    config = by_type("linear", config=FORMATS[name])
    if target in TAKING and name in TAKEN:
        made = export(evaluator, config, target, tmp_path)
        assert made.equal, str(made)
        return
    said = refused(evaluator, config, target, tmp_path)
    assert "_0" in said and (FORMATS[name]["name"] in said or "no grid" in said or "on grids" in said)
    nearest = re.search(r"--to (\S+) can", said)
    assert (nearest.group(1) if nearest else None) == ("torch" if name in TAKEN else None)


@pytest.mark.parametrize("name", ["minifloat_denorm", "log", "scale_integer_given"])
@pytest.mark.parametrize("target", TAKING)
def test_images_and_functions(images: chop.Evaluator, target: str, name: str, tmp_path: Path) -> None:
    config = by_type(*ALL, config=FORMATS[name])
    made = export(images, config, target, tmp_path)
    assert made.equal, str(made)


class Signs(nn.Module):
    """Functions of two and three values, and a layer whose three operands have two values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) * torch.relu(x[:, :1]) + 0.3


@pytest.mark.parametrize("name", ["binary", "ternary"])
@pytest.mark.parametrize("target", TAKING)
def test_two_and_three_values(target: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ev = chop.Evaluator(Signs().eval(), spread(200, 3, 10))
    table = fields("binary", width=1, stochastic=False, bipolar=True)
    other = fields("ternary", width=2, scaling_factor=False, threshold=0.25) if name == "ternary" else table
    config = by_type("conv1d", config=table) | {"mul": {"config": other}, "add": {"config": other}}
    made = export(ev, config, target, tmp_path)
    assert made.equal, str(made)


@pytest.mark.parametrize("target", TAKING)
def test_products_of_data(target: str, tmp_path: Path) -> None:
    class Products(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.matmul(x, x.transpose(1, 2))

    ev = chop.Evaluator(Products(), rows(100, 3, 5))
    made = export(ev, by_type("matmul", config=fields("log", width=3, exponent_bias=2)), target, tmp_path)
    assert made.equal, str(made)
    wide = by_type("matmul", config=fields("log", width=6, exponent_bias=None))
    assert "float32 sums would depend on their order; bound 2^" in refused(
        ev, wide, target, tmp_path / "wide"
    )


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (fields("log", width=8, exponent_bias=None), r"its sums reach 2\^"),
        (fields("scale_integer", width=8, scale=0.3), "do not all lie on grids"),
        (fields("binary", width=1, stochastic=False, bipolar=True), "do not all lie on grids"),
        ({"name": "mxfp4"}, "the numbers of mxfp4 .* depend on their block"),
    ],
)
@pytest.mark.parametrize("target", TAKING)
def test_why_not(
    evaluator: chop.Evaluator, target: str, config: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    assert re.search(reason, refused(evaluator, by_type("linear", config=config), target, tmp_path))


@pytest.mark.parametrize("name", FORMATS)
def test_no_circuit_of_it_either(evaluator: chop.Evaluator, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"emit: node _0: .* {FORMATS[name]['name']}"):
        emit(evaluator, by_type("linear", config=FORMATS[name]), tmp_path / "net.v")
    assert not list(tmp_path.iterdir())
