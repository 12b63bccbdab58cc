"""Written circuits on a part: what yosys counts, and what is said without one."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from chop.cli.app import main
from chop.emit import ice40, synthesis
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


@pytest.mark.skipif(no_yosys or not ice40.is_installed(), reason="no nextpnr-ice40")
def test_the_longest_path_on_an_ice40(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", str(folder)]) == 0
    record = json.loads((folder / "synth.json").read_text())["ice40"]
    assert 4 <= record["luts"] <= record["logic_cells"] <= 12 and 1 < record["longest_path"] < 15
    assert record["nextpnr"].startswith("nextpnr ") and record["nextpnr"] in capsys.readouterr().out
    wide = "module net (input wire [299:0] x, output wire [299:0] y); assign y = ~x; endmodule"
    (folder / "verilog" / "net.v").write_text(wide)  # more ports than the part has
    assert main(["synth", str(folder)]) == 0
    assert "iCE40 HX8K: nextpnr-ice40 fails: ERROR" in capsys.readouterr().out
    assert "ice40" not in json.loads((folder / "synth.json").read_text())


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
