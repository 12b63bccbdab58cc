"""``ch doctor``: what it says can be pasted, and a wrong kernel does not pass."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from chop import _core
from chop.cli import machine, self_test
from chop.cli.commands import doctor
from chop.tools.extras import EXTRAS
from tests.architecture.source_tree import REPO


def test_the_report_passes_here(ch, monkeypatch):
    monkeypatch.setenv("CHOP_DATA_DIR", str(Path.home() / "jets"))
    done = ch("doctor")
    assert done.code == 0, done.err
    assert done.files == set()
    for isa in _core.available_isas():
        assert re.search(rf"{isa} quantizer against NumPy, value for value: OK", done.out)
        assert f"{isa} BatchNorm and ReLU against torch, value for value: OK" in done.out
    assert "FAILED" not in done.out and "unreadable" not in done.out
    assert f"torch {torch.__version__}" in done.out
    if len(str(Path.home())) > 1:
        assert str(Path.home()) + "/" not in done.out
        assert "~/jets" in done.out


def test_a_wrong_kernel_fails_with_exit_code_1(ch, monkeypatch):
    checks = [self_test.Check("avx2 quantizer", False, "3 of 9 differ"), self_test.Check("rest", True)]
    monkeypatch.setattr(self_test, "run_self_test", lambda: checks)
    done = ch("doctor")
    assert done.code == 1
    assert "avx2 quantizer: FAILED (3 of 9 differ)" in done.out and "rest: OK" in done.out
    assert "1 of 2 checks failed" in done.err and "Traceback" not in done.err


def test_the_quantizer_check_sees_one_wrong_value(monkeypatch):
    right = _core.fake_quantize

    def wrong(x, y, width, frac_width, is_signed, isa, *modes):
        right(x, y, width, frac_width, is_signed, isa, *modes)
        y[700] += 2.0**-frac_width

    monkeypatch.setattr(_core, "fake_quantize", wrong)
    (check,) = self_test.quantizer_checks("baseline")
    assert not check.passed and "1 of" in check.found and "[700]" in check.found


@pytest.mark.parametrize("make", ["linear_checks", "batch_norm_checks"])
def test_the_layer_checks_see_a_wrong_value(monkeypatch, make):
    from chop import Evaluator

    right = Evaluator.forward

    def wrong(self, config=None):
        y = right(self, config)
        y[1002, 0] = float(np.nextafter(np.float32(y[1002, 0]), np.float32(9e9)))
        return y

    monkeypatch.setattr(Evaluator, "forward", wrong)
    for check in getattr(self_test, make)("here"):
        assert not check.passed and "first at [1002, 0]" in check.found


def test_a_process_that_dies_is_a_failed_check(monkeypatch):
    (check,) = self_test._in_a_process("neon9")
    assert not check.passed and "CHOP_CPU_ISA must be" in check.found


def test_a_section_that_breaks_says_so(monkeypatch):
    def broken():
        raise OSError("no such thing")

    assert machine._guarded(broken) == [("unreadable", "OSError: no such thing")]


def test_passwords_and_home_are_left_out():
    text = "postgresql://ada:s3cret@db/x /people/ada /people/adam/y file:///people/ada/z"
    assert (
        doctor.private(text, Path("/people/ada")) == "postgresql://ada:***@db/x ~ /people/adam/y file://~/z"
    )
    assert doctor.private("/a/b", Path("/")) == "/a/b"


def test_extras_are_those_of_the_project():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, names in EXTRAS.items():
        listed = {re.split(r"[\[>=]", entry)[0] for entry in project[extra]} - {"chop-lab"}
        assert listed == set(names)
    assert set(project) - set(EXTRAS) == {"docs", "notebooks", "test"}  # tools for people
