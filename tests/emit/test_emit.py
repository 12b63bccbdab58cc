"""Random configs of four networks as Verilog, combinational and in stages: simulated, number for number."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.emit import design, simulators
from chop.emit.cells import Cell, Circuit
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.emit.random_configs import random_config
from tests.export.models import Convolutions, Sequences, config, rows, trained

WAYS = ["plain", *(["alkaid"] if find_spec("alkaid") else [])]
needs_simulator = pytest.mark.skipif(simulators.simulator() is None, reason="no Icarus, no Verilator")


def _trained(name: str) -> chop.Evaluator:
    return chop.Evaluator(get_model(name, pretrained=True).eval(), rows(1000, 16))


NETS: dict[str, Callable[[], chop.Evaluator]] = {
    "jsc-tiny": lambda: _trained("jsc-tiny"),
    "jsc-toy": lambda: _trained("jsc-toy"),
    "conv1d": lambda: chop.Evaluator(trained(Sequences(), rows(1000, 16)), rows(1000, 16)),
    "jsc-mlp": lambda: _trained("jsc-mlp"),
}


@cache
def evaluator(name: str) -> chop.Evaluator:
    torch.manual_seed(0)
    return NETS[name]()


def simulate(name: str, seed: int, folder: Path) -> None:
    ev = evaluator(name)
    way, latency = WAYS[seed % len(WAYS)], (0, 0, 1, 3, 8)[seed % 5]
    data = "fixed:12,8" if name in ("jsc-tiny", "jsc-toy") and seed % 3 == 0 else "codes"
    most = 5 if name == "jsc-mlp" else 8
    made = chop.emit(ev, random_config(ev, seed, most), folder, sums=way, latency=latency, data=data)
    assert made.equal, made
    assert [proof.rows for proof in made.proofs] == [1000] * 3


@needs_simulator
@pytest.mark.parametrize(
    ("name", "seed"),
    [("jsc-tiny", 0), ("jsc-tiny", 1), ("jsc-tiny", 7), ("jsc-toy", 3), ("jsc-toy", 8), ("conv1d", 2)],
)
def test_random_configs_are_equal(name: str, seed: int, tmp_path: Path) -> None:
    simulate(name, seed, tmp_path)


@needs_simulator
@pytest.mark.soak
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", range(100, 150))
def test_two_hundred_random_configs_are_equal(name: str, seed: int, tmp_path: Path) -> None:
    simulate(name, seed, tmp_path)


@needs_simulator
def test_convolutions_pools_adds_and_concatenations(tmp_path: Path) -> None:
    images = rows(1000, 2, 8, 8)
    ev = chop.Evaluator(trained(Convolutions(), images), images)
    made = chop.emit(
        ev, config((3, 1), (3, 2), ("linear", "conv2d", "add", "relu")), tmp_path, sums="plain", rows=20
    )
    assert made.equal, made


@needs_simulator
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="both simulators are needed")
def test_verilator_says_what_icarus_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = simulators.simulator("verilator")
    if other is None:
        pytest.skip("no Verilator")
    monkeypatch.setattr("chop.emit.run.simulator", lambda: other)
    made = chop.emit(evaluator("jsc-tiny"), config((4, 2), (4, 2)), tmp_path, sums="plain", latency=2)
    assert made.equal and "Verilator" in made.proofs[-1].executor


@needs_simulator
def test_the_record_and_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made = chop.emit(
            evaluator("jsc-tiny"), config((4, 2), (4, 2)), tmp_path / name, sums="plain", latency=1
        )
    a, b = (tmp_path / name / "verilog" for name in ("a", "b"))
    assert {p.name for p in a.iterdir()} == {"net.v", "testbench.v", "x.hex", "y.hex"}
    assert all((a / p.name).read_bytes() == p.read_bytes() for p in b.iterdir())
    record = json.loads(made.record.read_text())
    assert record["equal"] and record["latency"] == 1 and record["sums"] == "plain"
    assert [port["width"] for port in record["ports"]["x"]] == [4]
    assert "iverilog" in record["versions"] or "verilator" in record["versions"]


@needs_simulator
def test_a_wrong_circuit_leaves_a_record_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chop.emit(evaluator("jsc-tiny"), config((4, 2), (4, 2)), tmp_path, sums="plain")
    assert (tmp_path / "verilog").is_dir()
    right = design.module

    def wrong(circuit: Circuit, *rest: object) -> str:
        return right(circuit, *rest).replace(" + ", " - ", 1)  # type: ignore[arg-type]

    monkeypatch.setattr(design, "module", wrong)
    made = chop.emit(evaluator("jsc-tiny"), config((4, 2), (4, 2)), tmp_path, sums="plain")
    assert not made.equal and made.path is None
    assert [p.name for p in tmp_path.iterdir()] == ["emit.json"]
    assert not json.loads(made.record.read_text())["equal"]


def test_without_a_simulator_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chop.emit.run.simulator", lambda: None)
    made = chop.emit(evaluator("jsc-tiny"), config((4, 2), (4, 2)), tmp_path, sums="plain")
    assert not made.equal and made.path is not None and "iverilog or verilator" in made.unproven
    assert json.loads(made.record.read_text())["unproven"] == made.unproven


def test_rows_with_nan_are_left_out_and_counted(tmp_path: Path) -> None:
    x = rows(50, 16)
    x[3, 2], x[7, 0] = float("nan"), float("inf")
    ev = chop.Evaluator(get_model("jsc-tiny", pretrained=True).eval(), x)
    made = chop.emit(ev, config((4, 2), (4, 2)), tmp_path, sums="plain")
    assert made.left_out == 2 and made.proofs[0].rows == 48


def _damaged(value: float) -> chop.Evaluator:
    model = get_model("jsc-tiny", pretrained=True).eval()
    with torch.no_grad():
        next(m for m in model.modules() if isinstance(m, nn.Linear)).weight[1, 2] = value
    return chop.Evaluator(model, rows(20, 16))


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (lambda: _damaged(float("nan")), config(), "node seq_blocks_2: weight has NaN or infinity"),
        (lambda: evaluator("jsc-toy"), config((16, 8), (16, 14)), "not exact|4,096 thresholds"),
        (
            lambda: evaluator("jsc-toy"),
            {"by": "name", "default": {"config": {"name": None}}, "seq_blocks_5": config()["linear"]},
            "float layer",
        ),
        (lambda: evaluator("jsc-tiny"), config(ops=()), "nothing of it is quantized|it is a float layer"),
    ],
)
def test_refused_in_a_sentence(
    make: Callable[[], chop.Evaluator], settings: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        chop.emit(make(), settings, tmp_path, sums="plain")
    assert not list(tmp_path.iterdir())


def test_too_large_is_refused_with_the_size(tmp_path: Path) -> None:
    ev = chop.Evaluator(nn.Sequential(nn.Conv2d(3, 32, 3, padding=1)).eval(), rows(2, 3, 32, 32))
    with pytest.raises(ConfigError, match=r"emit: [\d,]{6,} products in one circuit; at most 65,536"):
        chop.emit(ev, config((4, 2), (6, 4)), tmp_path, sums="plain")


@pytest.mark.parametrize("value", [-8, -1, 0, 1, 7])
def test_constants_are_what_they_say_in_wider_arithmetic(value: int) -> None:
    from chop.emit.verilog_operands import fitting

    text = fitting(value)
    width, digits = text.lstrip("-").split("'sd")
    assert int(digits) < 1 << (int(width) - 1)  # the magnitude is no negative number of that width
    assert (-int(digits) if text[0] == "-" else int(digits)) == value


def test_intervals_hold_what_cells_compute() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        c = Circuit()
        ends = [sorted(random.integers(-20, 21, 2).tolist()) for _ in range(3)]
        made = [c.input(a, b) for a, b in ends]
        for _ in range(12):
            x, y = (made[i] for i in random.integers(0, len(made), 2))
            a, b = random.integers(0, 4, 2).tolist()
            made.append(c.sum(x, a, y, b, bool(random.integers(2))))
            made.append(c.round(made[-1], a, ("half_even", "floor", "half_up")[int(random.integers(3))]))
            made.append(c.larger(x, c.clamp(y, -5, 9)))
            made.append(c.wrap(made[-1], 0, 3))
        c.outputs = made
        x = np.stack([random.integers(a, b + 1, 200) for a, b in ends], 1)
        chop.emit.cells.run(c, x)  # raises where a number leaves its interval
        assert all(isinstance(cell, Cell) for cell in c.cells)
