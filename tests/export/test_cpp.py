"""The C++17 header: equal, no warning, no undefined behaviour, and a test of its own that can fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

import chop
from chop.export import export
from chop.export.cpp_source import header
from chop.integers import integer_net, quantized_view
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.export.models import Chain, Convolutions, Grouped, Sequences, config, rows, trained

COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror"]
ALL = ("linear", "conv1d", "conv2d", "add", "relu")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Networks with batch norms, convolutions and pools, and with far grids, rounding and wrapping."""
    folder, jets, images = tmp_path_factory.mktemp("cpp"), rows(400, 16), rows(60, 2, 8, 8)
    made = {}
    modes = {"data_in_rounding": "half_up", "data_in_overflow": "wrap"}
    for name, model, x, settings in (
        ("norms", get_model("jsc-toy", pretrained=True).eval(), jets / 2, config((6, 3), (6, 4))),
        ("images", trained(Convolutions(), images), images, config((6, 3), (6, 4), ALL)),
        ("groups", trained(Grouped(), rows(60, 4, 9)), rows(60, 4, 9), config((6, 3), (6, 4), ALL)),
        ("modes", trained(Sequences(), jets), jets, config((5, 2), (5, 3), (*ALL[:2], "relu"), **modes)),
        (
            "far",
            trained(Sequences(), jets),
            jets,
            config((20, 14), (4, 12), data_in_rounding="floor", bias_width=9, bias_frac_width=-1),
        ),
        (
            "floor",
            get_model("jsc-tiny", pretrained=True).eval(),
            jets,
            config((9, 5), (1, 0), data_in_rounding="floor"),
        ),
    ):
        done = export(chop.Evaluator(model, x), settings, "cpp", folder / name)
        assert done.equal, str(done)
        assert [proof.executor for proof in done.proofs] == COMPILERS
        made[name] = done.path
    return made


@pytest.mark.parametrize("name", ["norms", "images", "groups", "modes", "far"])
def test_no_warning_and_no_undefined_behaviour(written: dict[str, Path], name: str, tmp_path: Path) -> None:
    program = str(tmp_path / "main")
    words = [COMPILERS[0], "-std=c++17", "-O1", *STRICT, "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run([*words, str(written[name] / "main.cpp"), "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{60 if name in ('images', 'groups') else 100} rows, 0 outputs differ\n"


def test_its_own_test_can_fail(written: dict[str, Path], tmp_path: Path) -> None:
    for file in written["modes"].iterdir():
        text = file.read_text()
        if file.name == "net.h":
            place = text.index("int8_t k0[") + len("int8_t k0[")
            place = text.index("{", place) + 2
            digits = text[place : text.index(",", place)]
            text = text[:place] + str(-int(digits) - 1) + text[place + len(digits) :]
        (tmp_path / file.name).write_text(text)
    program = str(tmp_path / "main")
    subprocess.run([COMPILERS[0], "-std=c++17", str(tmp_path / "main.cpp"), "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "0 outputs" not in done.stdout


def test_integers_only_between_the_door_and_the_last_sum(written: dict[str, Path]) -> None:
    body = (written["images"] / "net.h").read_text().split("inline void predict", 1)[1]
    floats = [line for line in body.splitlines() if "float" in line]
    assert all("quantize<" in line or "output[i] = float(c" in line for line in floats[1:])


def test_the_same_bytes_twice(written: dict[str, Path], tmp_path: Path) -> None:
    jets = rows(400, 16)
    ev = chop.Evaluator(get_model("jsc-toy", pretrained=True).eval(), jets / 2)
    again = export(ev, config((6, 3), (6, 4)), "cpp", tmp_path).path
    for file in again.iterdir():
        assert file.read_bytes() == (written["norms"] / file.name).read_bytes()


@pytest.mark.parametrize(
    ("name", "formats", "most"),
    [
        ("jsc-mlp", ((6, 3), (6, 4), (6, 4)), 18_335),
        ("jsc-mlp", ((12, 8), (8, 6), (8, 6)), 20_847),
        ("jsc-mlp", ((2, 0), (2, 1), (2, 1)), 16_551),
        ("conv", ((8, 4), (8, 6), (8, 4)), 3_705),
        ("jsc-toy", ((6, 3), (6, 4), (6, 4)), 15_854),
        ("jsc-toy", ((8, 4), (8, 6), (8, 4)), 51_470),
        ("jsc-tiny", ((8, 4), (8, 6), (8, 4)), 49_193),
    ],
)
def test_the_header_is_short(name: str, formats: tuple[tuple[int, int], ...], most: int) -> None:
    data, weight, bias = formats
    settings = config(data, weight, bias_width=bias[0], bias_frac_width=bias[1])
    torch.manual_seed(0)
    model = Chain() if name == "conv" else get_model(name, pretrained=True)
    ev = chop.Evaluator(model.eval(), rows(4, 16))
    text = header(integer_net(quantized_view(ev, settings)), "chop_net")
    assert len(text) <= most
    assert ("convolve" in text) == (
        name == "conv"
    ) and "pool" not in text  # of the runtime only what is called


def test_a_clamp_before_a_quantizer_is_part_of_it(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU6(), nn.Linear(5, 4), nn.Hardtanh(-0.75, 0.5), nn.Linear(4, 3)
    )
    for rounding in ("half_even", "floor", "half_up"):
        ev = chop.Evaluator(trained(model, rows(200, 6)), rows(200, 6))
        settings = config((6, 0), (5, 2), data_in_rounding=rounding)
        kinds = [op.kind for op in integer_net(quantized_view(ev, settings)).operations]
        assert "clamp" not in kinds and kinds.count("requantize") == 2
        made = export(ev, settings, "cpp", tmp_path)
        assert made.equal, str(made)
        wraps = {
            **settings,
            "linear": {"config": {**settings["linear"]["config"], "data_in_overflow": "wrap"}},
        }
        kinds = [op.kind for op in integer_net(quantized_view(ev, wraps)).operations]
        assert kinds.count("clamp") == 2  # what wraps does not keep the order
        assert export(ev, wraps, "cpp", tmp_path).equal


@pytest.mark.parametrize("dim", [1, 2, -1, -2])
def test_branches_are_joined_where_torch_joins_them(dim: int, tmp_path: Path) -> None:
    class Joins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 4), nn.Linear(24, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.first(x)
            return self.head(torch.cat([h, x], dim).flatten(1))

    torch.manual_seed(0)
    ev = chop.Evaluator(chop.MaseGraph(Joins()), rows(40, 3, 4))
    settings = config((6, 3), (6, 4))
    assert export(ev, settings, "cpp", tmp_path).equal
    (joined,) = (op for op in integer_net(quantized_view(ev, settings)).operations if op.kind == "cat")
    assert joined.settings["axis"] == dim % 3 - 1


def test_what_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    images = rows(4, 2, 8, 8)
    ev = chop.Evaluator(trained(Convolutions(), images), images)
    with pytest.raises(ConfigError, match=r"export to cpp: add_1: add of floats.*--to onnx-arithmetic can"):
        export(ev, config(), "cpp", tmp_path)
    assert list(tmp_path.iterdir()) == []
