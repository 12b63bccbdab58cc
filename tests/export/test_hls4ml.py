"""hls4ml projects: every number equal after plain g++, also behind batch norms; what fixed point cannot say refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import chop
from chop.dataset import MaseDataModule
from chop.export import TARGETS, Sample, export
from chop.integers import quantized_view
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.export.models import Dense, config, fixed, rows, trained

pytest.importorskip("hls4ml")
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def hard_rows(features: int) -> torch.Tensor:
    """Numbers that the default input type would wrap or cut before they are rounded, among others."""
    x = rows(400, features)
    x[:4] = torch.tensor([40.0, 0.50001, -0.06251, 1e6])[:, None]
    return x


def test_batch_norms_are_lines_and_the_input_is_rounded_once(tmp_path: Path) -> None:
    x = hard_rows(6)
    made = export(chop.Evaluator(trained(Dense(), x), x), config((6, 3), (6, 4)), "hls4ml", tmp_path)
    assert made.equal, str(made)
    text = (made.path / "firmware" / "defines.h").read_text()
    assert "typedef ap_fixed<6,3,AP_RND_CONV,AP_SAT,0> input_t" in text


def folders(ev: chop.Evaluator, settings: dict[str, Any], folder: Path) -> dict[str, bytes]:
    """What the target writes, without compiling it."""
    view, target = quantized_view(ev, settings), TARGETS["hls4ml"]
    target.check(view)
    target.write(view, folder, Sample(ev._x.numpy(), ev.forward(settings).numpy()))
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_bytes_whatever_the_folder(tmp_path: Path) -> None:
    ev = chop.Evaluator(trained(Dense(), rows(50, 6)), rows(50, 6))
    first, second = (folders(ev, config((6, 3), (6, 4)), tmp_path / name) for name in "ab")
    assert first == second
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_each_mode_has_its_type_and_weights_are_exact(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    modes = {"half_even": "AP_RND_CONV", "floor": "AP_TRN", "half_up": "AP_RND"}
    overflows = {"saturate": "AP_SAT", "wrap": "AP_WRAP"}
    for rounding, word in modes.items():
        for overflow, other in overflows.items():
            settings = config((5, 2), (7, 5), data_in_rounding=rounding, data_in_overflow=overflow)
            ev = chop.Evaluator(model, rows(10, 4))
            files = folders(ev, settings, tmp_path / f"{rounding}_{overflow}")
            text = files["firmware/defines.h"].decode()
            usual = (word, other) == ("AP_TRN", "AP_WRAP")
            assert f"ap_fixed<5,3{'' if usual else f',{word},{other},0'}> input_t" in text
            view = quantized_view(ev, settings)
            written = [float(v) for v in files["firmware/weights/w2.txt"].decode().split(",")]
            assert written == view["_0"].on_grid("weight").T.reshape(-1).tolist()


class Shifted(nn.Module):
    """The sum of neighbours."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 1:] + x[:, :-1]


@pytest.mark.parametrize(
    ("model", "settings", "reason"),
    [
        (
            get_model("jsc-toy", pretrained=True),
            config((6, 3), (6, 4)),
            "batch norm of floats is fixed point",
        ),
        (nn.Sequential(nn.Linear(16, 4), nn.BatchNorm1d(4)), config(), "batch norm of floats is fixed point"),
        (
            nn.Sequential(nn.Linear(16, 4), nn.Hardtanh(), nn.Linear(4, 2)),
            config((8, 3), (6, 4)),
            "no clamp to",
        ),
        (
            nn.Sequential(nn.Linear(16, 4), Shifted()),
            config((8, 4), (8, 6), ("linear", "add")),
            "cuts, pads or permutes",
        ),
        (
            nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 2)),
            config((16, 10), (16, 12)),
            r"sums of _0 pass 2\^24",
        ),
    ],
)
def test_what_its_layers_cannot_say(model: nn.Module, settings: dict, reason: str, tmp_path: Path) -> None:
    x = rows(20, 16)
    with pytest.raises(ConfigError, match=rf"export to hls4ml: .*{reason}.*--to cpp can"):
        export(model.eval(), settings, "hls4ml", tmp_path, x=x)
    assert not list(tmp_path.iterdir())


def modes(rounding: str, overflow: str) -> dict[str, Any]:
    return {
        f"{operand}_{key}": value
        for operand in ("data_in", "weight", "bias")
        for key, value in (("rounding", rounding), ("overflow", overflow))
    }


SOAK: dict[str, tuple[str, dict[str, Any]]] = {
    "six": ("jsc-mlp", config((6, 3), (6, 4))),
    "eight": ("jsc-mlp", config((8, 4), (8, 6))),
    "floor": ("jsc-mlp", config((6, 3), (6, 4), **modes("floor", "saturate"))),
    "half_up": ("jsc-mlp", config((6, 3), (6, 4), **modes("half_up", "saturate"))),
    "floor wrap": ("jsc-mlp", config((6, 3), (6, 4), **modes("floor", "wrap"))),
    "unsigned relus": ("jsc-mlp", config((6, 3), (6, 4), ("linear", "relu"), **modes("half_up", "wrap"))),
    "one bit": ("jsc-mlp", config((8, 4), (1, 0), bias_width=8, bias_frac_width=4)),
    "twelve": ("jsc-mlp", config((12, 8), (8, 6))),
    "wide sums": ("linear", config((16, 10), (16, 12))),
    "24 by 16": ("linear", config((24, 16), (16, 12))),
    "32 by 8": ("linear", {**config(), "linear": {"config": fixed((32, 16), (8, 6))}}),
}


@pytest.mark.soak
@pytest.mark.parametrize("case", SOAK)
def test_equal_soak(case: str, tmp_path: Path) -> None:
    name, settings = SOAK[case]
    x = MaseDataModule("jsc-synth", batch_size=512).arrays("test")[0][:10_000]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 5)) if name == "linear" else get_model(name, pretrained=True)
    made = export(chop.Evaluator(model.eval(), x), settings, "hls4ml", tmp_path)
    assert made.equal, str(made)
    assert made.proofs[0].rows == 10_000
