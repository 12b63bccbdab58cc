"""Convolutions, pools and branches in hls4ml: channels last there, channels first here, every number equal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.export import TARGETS, Sample, export
from chop.export.hls4ml_layers import hls4ml_layers
from chop.export.hls4ml_project import leave_windows_unoptimized
from chop.integers import integer_net, quantized_view
from chop.tools.errors import ConfigError
from tests.export.models import Sequences, config, rows, trained

pytest.importorskip("hls4ml")
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
ALL = ("linear", "conv1d", "conv2d", "add", "relu")


class Windows(nn.Module):
    """Groups, dilation, strides, padded pools, an upper end, a branch and channels behind channels, on 2 x 6 x 6."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.grouped = nn.Conv2d(4, 4, (3, 2), padding=(2, 1), dilation=(2, 2), groups=2)
        self.down, self.six = nn.Conv2d(4, 4, 1, stride=2, bias=False), nn.ReLU6()
        self.pool, self.average = nn.MaxPool2d(3, 2, padding=1), nn.AvgPool2d(2)
        self.head = nn.Linear(8 * 3 * 3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.norm(self.first(x)))
        g = self.six(self.grouped(h) + h)
        h = torch.cat([self.pool(h), self.average(g)], 1) + torch.cat([self.down(g), self.down(h)], 1)
        return self.head(h.flatten(1))


def images(count: int) -> torch.Tensor:
    return rows(count, 2, 6, 6)


def test_windows_and_branches(tmp_path: Path) -> None:
    x = images(200)
    made = export(chop.Evaluator(trained(Windows(), x), x), config((6, 3), (6, 4), ALL), "hls4ml", tmp_path)
    assert made.equal, str(made)
    source = (made.path / "firmware" / "chop_net.cpp").read_text()
    assert "input_t n0[2*6*6]" in source  # rows as chop has them: the project moves channels itself
    for name in ("conv_2d_cl", "pooling2d_cl", "relu6", "nnet::add", "concatenate3d", "transpose"):
        assert name in source, name


def test_the_proof_alone_leaves_windows_unoptimized(tmp_path: Path) -> None:
    """Optimized, those of a convolution on 32 x 32 pixels take minutes."""
    view = quantized_view(
        chop.Evaluator(trained(Windows(), images(5)), images(5)), config((6, 3), (6, 4), ALL)
    )
    TARGETS["hls4ml"].write(view, tmp_path / "project", Sample(np.zeros(0), np.zeros(0)))
    source = tmp_path / "project" / "firmware" / "nnet_utils" / "nnet_code_gen.h"
    written = source.read_text()
    assert "optimize" not in written  # the project is hls4ml's own
    leave_windows_unoptimized(tmp_path / "project")
    marks = source.read_text().count('__attribute__((optimize("O0"))) static void fill_buffer(')
    assert marks == written.count("class fill_buffer_") == 4


def layers(model: nn.Module, x: torch.Tensor, settings: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Kind -> the layers of the project, unwritten."""
    net = integer_net(quantized_view(chop.Evaluator(model.eval(), x), settings))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in hls4ml_layers(net).rows:
        found.setdefault(row["class_name"], []).append(row)
    return found


def test_kernels_lie_channels_last_without_groups_and_dilation() -> None:
    model = nn.Sequential(nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2), nn.Flatten(), nn.Linear(48, 2))
    x = rows(5, 4, 8)
    found = layers(model, x, config((6, 3), (8, 5)))
    (conv,), (dense,) = found["Conv1D"], found["Dense"]
    whole = quantized_view(chop.Evaluator(model, x), config((6, 3), (8, 5)))["_0"].on_grid("weight")
    kernel = conv["weight_data"]
    assert kernel.shape == (5, 4, 6) and not kernel[1::2].any()
    assert not kernel[:, 2:, :3].any() and not kernel[:, :2, 3:].any()
    assert np.array_equal(kernel[::2, :2, :3].transpose(2, 1, 0), whole[:3])
    assert np.array_equal(kernel[::2, 2:, 3:].transpose(2, 1, 0), whole[3:])
    # The numbers of the convolution are read as they lie: position, then channel.
    given = quantized_view(chop.Evaluator(model, x), config((6, 3), (8, 5)))["_2"].on_grid("weight")
    places = given.reshape(2, 6, 8).transpose(0, 2, 1).reshape(2, 48)
    assert np.array_equal(dense["weight_data"], places.T)


def test_a_padded_pool_of_unsigned_numbers_gets_a_sign() -> None:
    def pooled(padding: int) -> list[str]:
        model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.MaxPool1d(2, 2, padding), nn.Flatten())
        net = integer_net(
            quantized_view(chop.Evaluator(model.eval(), rows(5, 1, 9)), config(ops=("conv1d", "relu")))
        )
        made = hls4ml_layers(net)
        (pool,) = (row for row in made.rows if row["class_name"] == "MaxPooling1D")
        return [made.types[name]["result"] for name in pool["inputs"]]

    assert pooled(0)[0].startswith("ufixed<8,") and pooled(1)[0].startswith("fixed<9,")


class TwoFormats(nn.Module):
    """A layer and a sum that read the input."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x) + x


@pytest.mark.parametrize(
    ("model", "x", "settings", "reason"),
    [
        (
            TwoFormats(),
            rows(5, 4),
            {**config(), "add": {"config": config((6, 3))["linear"]["config"]}},
            "two formats",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2, dilation=2)),
            rows(2, 1, 9, 9),
            config(),
            "no dilation",
        ),
        (nn.Conv2d(8, 8, 3, padding=1), rows(1, 8, 90, 90), config(), "583,200 statements"),
        (
            nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))),
            rows(1, 8, 50, 50),
            config(),
            "_0_2: up to here the windows are 540,000 statements",
        ),
        (nn.Sequential(nn.Conv1d(1, 1, 3), nn.ReplicationPad1d(1)), rows(2, 1, 9), config(), ""),
    ],
)
def test_what_its_windows_cannot_say(
    model: nn.Module, x: torch.Tensor, settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"export to hls4ml: .*{reason}"):
        export(chop.Evaluator(nn.Sequential(model).eval(), x), settings, "hls4ml", tmp_path)
    assert not list(tmp_path.iterdir())


def wide(width: int, ops: tuple[str, ...] = ALL, **more: Any) -> dict[str, Any]:
    return config((width, width // 2), (width, width - 2), ops, **more)


def modes(rounding: str, overflow: str = "saturate") -> dict[str, Any]:
    operands = ("data_in", "weight", "bias")
    return {f"{o}_rounding": rounding for o in operands} | {f"{o}_overflow": overflow for o in operands}


class Image(nn.Module):
    """A convolution alone: the output is an image, too."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(2, 3, 3, padding=(1, 0), stride=(1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.c(x))


SOAK: dict[str, tuple[type[nn.Module], tuple[int, ...], dict[str, Any]]] = {
    **{f"windows {w}": (Windows, (2, 6, 6), wide(w)) for w in (3, 7, 8)},
    **{f"sequences {w}": (Sequences, (16,), wide(w)) for w in (4, 6, 8, 12)},
    "sequences floor wrap": (Sequences, (16,), wide(6, ALL[:2], **modes("floor", "wrap"))),
    "sequences half up": (Sequences, (16,), wide(6, ALL, **modes("half_up"))),
    "image": (Image, (2, 6, 7), wide(6, ALL)),
    "sum of the input": (TwoFormats, (4,), wide(8)),
}


@pytest.mark.soak
@pytest.mark.parametrize("case", SOAK)
def test_equal_soak(case: str, tmp_path: Path) -> None:
    model, shape, settings = SOAK[case]
    x = rows(10_000, *shape)
    made = export(chop.Evaluator(trained(model(), x), x), settings, "hls4ml", tmp_path)
    assert made.equal, str(made)
    assert made.proofs[0].rows == 10_000
