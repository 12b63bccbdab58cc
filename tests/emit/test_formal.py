"""Proofs at every input: what holds, and that what is wrong is found by the solver or by the forms."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import chop
from chop.cli.app import main
from chop.emit import Wanted, design, design_of, synthesis
from chop.emit.cells import Circuit
from chop.emit.formal import prove
from chop.emit.meaning import Meanings
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.emit.test_segments import staircases
from tests.export.models import config, rows

needs_yosys = pytest.mark.skipif(
    find_spec("pyosys") is None and shutil.which("yosys") is None, reason="no yosys"
)
WAYS = ["plain", *(["alkaid"] if find_spec("alkaid") else [])]


def made(way: str) -> design.Design:
    ev = chop.Evaluator(get_model("jsc-tiny", pretrained=True).eval(), rows(16, 16))
    return design_of(ev, config((4, 2), (4, 2), ("linear", "relu")), Wanted(sums=way))


@needs_yosys
@pytest.mark.parametrize("way", WAYS)
def test_the_verilog_of_jsc_tiny_is_the_plain_circuit(way: str) -> None:
    found = prove(made(way))
    assert found.holds and found.outputs == 5 and found.cells > 30, found


@needs_yosys
@pytest.mark.parametrize(
    ("program", "old", "new"),
    [
        ("wheel", " + ", " - "),
        ("wheel", "4'd15", "4'd14"),
        ("system", "assign y[3:0] = ", "assign y[3:0] = 4'd1 ^ "),
    ],
)
def test_a_wrong_line_is_found(program: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("pyosys") is None if program == "wheel" else shutil.which("yosys") is None:
        pytest.skip(f"no yosys of the {program}")
    if program == "system":
        monkeypatch.setattr(synthesis, "find_spec", lambda name: None)
    right = design.module

    def wrong(*given: object) -> str:
        text = right(*given)  # type: ignore[arg-type]
        assert old in text
        return text.replace(old, new, 1)

    monkeypatch.setattr(design, "module", wrong)
    found = prove(made("plain"))
    assert not found.holds and "another result" in found.why


@needs_yosys
def test_another_circuit_is_found_by_its_form() -> None:
    right = made("plain")
    circuit = Circuit(list(right.circuit.cells), right.circuit.inputs, right.circuit.outputs[::-1])
    found = prove(replace(right, circuit=circuit))
    assert not found.holds and "of another form" in found.why


def test_forms_tell_apart_what_differs_at_one_value() -> None:
    meanings, forms = Meanings(), []
    for high in (100, 99, 100):
        c = Circuit()
        x, y = c.input(0, 30), c.input(0, 20)
        c.outputs.append(c.clamp(c.sum(x, 1, y, 1, False), 0, high))  # 100 at x = 30, y = 20 alone
        forms.append(meanings.of(c))
    assert forms[0] == forms[2] != forms[1]


def test_every_cut_of_a_staircase_has_one_form() -> None:
    circuit, wanted = staircases(0, -150, 201)
    forms = Meanings().of(circuit)
    same = [tuple(column) for column in wanted.T]
    for form, column in zip(forms, same, strict=True):
        assert forms[same.index(column)] == form
    assert len(set(forms)) == len(np.unique(wanted, axis=1).T)


@needs_yosys
def test_it_is_recorded_and_a_clock_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["emit", "jsc-tiny", "jsc-synth", "--pretrained", "--sums", "plain", "--rows", "20"]
    settings = tmp_path / "config.json"
    settings.write_text(json.dumps(config((2, 1), (2, 1), ("linear", "relu"))))
    words += ["--quantize", str(settings), "--out", str(tmp_path / "out"), "--check", "yosys-sat"]
    assert main(words) == 0
    assert "outputs equal to the plain circuit's" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "emit.json").read_text())["formal"]["holds"]
    assert main([*words, "--latency", "2"]) == 2
    assert "check yosys-sat needs latency 0" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="check must be yosys-sat"):
        Wanted(check="smt")
