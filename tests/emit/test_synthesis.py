"""Written circuits on a part: what yosys counts, and what is said without one."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from chop.cli.app import main
from chop.emit import synthesis
from chop.tools.errors import ConfigError

ADDER = """module net (input wire [7:0] x, output wire [4:0] y);
  assign y = x[3:0] + x[7:4];
endmodule
"""
no_yosys = find_spec("pyosys") is None and shutil.which("yosys") is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "verilog").mkdir()
    (tmp_path / "verilog" / "net.v").write_text(ADDER)
    return tmp_path


@pytest.mark.skipif(no_yosys, reason="no yosys")
def test_an_adder_takes_a_lut_a_bit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", str(folder)]) == 0
    record = json.loads((folder / "synth.json").read_text())
    assert 4 <= record["luts"] <= 8 and record["flip_flops"] == 0
    assert record["yosys"].startswith("Yosys 0.") and record["yosys"] in capsys.readouterr().out
    (folder / "verilog" / "net.v").write_text("module net (;")
    with pytest.raises(RuntimeError, match="yosys fails"):
        synthesis.synthesize(folder)


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", str(tmp_path)]) == 2
    assert "no net.v in" in capsys.readouterr().err
    assert main(["synth"]) == 2
    assert "ch synth FOLDER" in capsys.readouterr().err


def test_without_yosys_it_names_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="pip install pyosys"):
        synthesis.synthesize(folder)
