"""``ch emit``: from a best trial to Verilog, and what it says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chop.cli.app import main
from chop.emit.simulators import simulator
from tests.export.models import config


@pytest.fixture
def best(tmp_path: Path) -> Path:
    found = {
        str(i): {"number": number, "sampled_config": config((width, 2), (width, 2))}
        for i, (number, width) in enumerate(((4, 3), (9, 4)))
    }
    path = tmp_path / "best.json"
    path.write_text(json.dumps(found))
    return path


def run(*words: str) -> int:
    return main(["emit", "jsc-tiny", "jsc-synth", "--pretrained", *words])


@pytest.mark.skipif(simulator() is None, reason="no simulator")
def test_a_trial_as_verilog(best: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ("--quantize", f"{best}#1", "--to", "verilog", "--sums", "plain", "--latency", "2")
    assert run(*words, "--out", str(out)) == 0
    assert "1,000 of 1,000 rows equal bit for bit" in capsys.readouterr().out
    record = json.loads((out / "emit.json").read_text())
    assert record["equal"] and record["latency"] == 2
    assert record["config"]["linear"]["config"]["data_in_width"] == 4
    assert "clk" in (out / "verilog" / "net.v").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "vhdl"], "to must be one of verilog, got 'vhdl'"),
        (["--latency", "x"], "--latency must be a whole number of 0 or more, got 'x'"),
        (["--latency", "5000"], "latency must be 0..1000 clock edges, got 5000"),
        (["--sums", "plian"], "did you mean 'plain'"),
        (["--data", "fixed:1"], "fixed:WIDTH,FRACTION"),
        (["--rows", "0"], "--rows must be a whole number of 1 or more"),
    ],
)
def test_mistakes(
    best: Path, words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("--quantize", str(best), "--out", str(out), *words) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()
