"""Which compilers run what target ``cpp`` wrote: each once, under a name of its own, compared as numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import chop
from chop.export import cpp, export
from tests.export.models import config

COMPILER = shutil.which("g++") or shutil.which("clang++") or ""
pytestmark = pytest.mark.skipif(not COMPILER, reason="no C++ compiler")


class Twice(nn.Module):
    """Its quantized sums of small negative numbers are -0.0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x


@pytest.fixture
def evaluator(monkeypatch: pytest.MonkeyPatch) -> chop.Evaluator:
    monkeypatch.setattr(cpp, "_COMPILERS", (Path(COMPILER).name,))
    monkeypatch.delenv("CXX", raising=False)
    return chop.Evaluator(Twice().eval(), -torch.rand(20, 3, generator=torch.manual_seed(0)) / 100)


def other(folder: Path, name: str) -> str:
    """The compiler behind another path."""
    folder.mkdir()
    path = folder / name
    path.symlink_to(COMPILER)
    return str(path)


def executors(ev: chop.Evaluator, folder: Path) -> list[str]:
    made = export(ev, config((6, 3), ops=("add",)), "cpp", folder)
    assert made.equal, str(made)
    assert all(proof.sign_of_zero == 20 for proof in made.proofs)
    return [proof.executor for proof in made.proofs]


def test_codes_have_no_sign_of_zero_whatever_the_compiler_is_called(
    evaluator: chop.Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", other(tmp_path / "bin", "x86_64-linux-gnu-c++"))
    assert executors(evaluator, tmp_path) == ["x86_64-linux-gnu-c++", Path(COMPILER).name]


def test_one_compiler_runs_once_however_it_is_named(
    evaluator: chop.Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    compiled = cpp._compiled
    monkeypatch.setattr(cpp, "_compiled", lambda c, *args: calls.append(c) or compiled(c, *args))  # type: ignore[func-returns-value]
    for name in ("", COMPILER, Path(COMPILER).name):
        monkeypatch.setenv("CXX", name)
        assert executors(evaluator, tmp_path) == [Path(COMPILER).name]
    assert calls == [COMPILER] * 3


def test_two_compilers_of_one_name_are_both_told(
    evaluator: chop.Evaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = other(tmp_path / "bin", Path(COMPILER).name)
    monkeypatch.setenv("CXX", mine)
    assert executors(evaluator, tmp_path) == [mine, COMPILER]
