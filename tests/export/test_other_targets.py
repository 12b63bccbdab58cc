"""The integer files and torch's own program: equal, the same bytes twice, damaged files in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chop
from chop.export import export, read_integers
from chop.export.several import export_all
from chop.integers import execute, making
from chop.tools.errors import ConfigError
from tests.export.models import Convolutions, Sequences, config, rows, trained

ALL = ("linear", "conv1d", "conv2d", "add", "relu")


@pytest.fixture(scope="module")
def images() -> chop.Evaluator:
    x = rows(60, 2, 8, 8)
    return chop.Evaluator(trained(Convolutions(), x), x)


@pytest.fixture(scope="module")
def sequences() -> chop.Evaluator:
    x = rows(100, 16)
    return chop.Evaluator(trained(Sequences(), x), x)


@pytest.mark.usefixtures("quick_torch")
@pytest.mark.parametrize("target", ["integers", "torch"])
def test_equal_and_the_same_bytes(images: chop.Evaluator, target: str, tmp_path: Path) -> None:
    settings = config((6, 3), (6, 4), ALL)
    found = [export(images, settings, target, tmp_path / each) for each in "ab"]
    assert all(made.equal for made in found), str(found[0])
    files = [sorted(made.path.rglob("*")) or [made.path] for made in found]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


@pytest.mark.usefixtures("quick_torch")
def test_torch_says_every_mode_and_sums_in_double(sequences: chop.Evaluator, tmp_path: Path) -> None:
    modes = {"data_in_rounding": "half_up", "data_in_overflow": "wrap", "weight_rounding": "floor"}
    for settings in (config((5, 2), (5, 3), (*ALL[:2], "relu"), **modes), config((16, 10), (16, 12))):
        made = export(sequences, settings, "torch", tmp_path)
        assert made.equal, str(made)


def test_the_program_holds_plain_operators_and_any_number_of_rows(
    sequences: chop.Evaluator, tmp_path: Path
) -> None:
    program = torch.export.load(export(sequences, config(), "torch", tmp_path).path)  # run in a full process
    called = {str(n.target) for n in program.graph.nodes if n.op == "call_function"}
    assert called
    assert all(name.startswith(("aten.", "<built-in function")) for name in called), called
    for count in (1, 7):
        assert program.module()(torch.zeros(count, 16)).shape == (count, 5)


def test_the_reader_gives_the_net_back_and_refuses_what_is_none(
    sequences: chop.Evaluator, tmp_path: Path
) -> None:
    path = export(sequences, config(), "integers", tmp_path).path
    outputs = execute(read_integers(path), sequences._x.numpy())
    assert np.array_equal(outputs, sequences.forward(config()).numpy())
    graph, arrays = path / "net.json", path / "net.npz"
    whole = graph.read_text(), arrays.read_bytes()
    for text in ("", "{}", whole[0][:-9], json.dumps({**json.loads(whole[0]), "version": 99})):
        graph.write_text(text)
        with pytest.raises(ConfigError, match="no integer net"):
            read_integers(path)
    graph.write_text(whole[0])
    for data in (b"", whole[1][:-40], whole[1][:60] + b"x" + whole[1][61:]):
        arrays.write_bytes(data)
        with pytest.raises(ConfigError, match="no integer net"):
            read_integers(path)


def test_targets_share_one_integer_net(sequences: chop.Evaluator, tmp_path: Path, monkeypatch: Any) -> None:
    made, run = [], making._Maker.run

    def counted(self: Any) -> Any:
        made.append(self)
        return run(self)

    monkeypatch.setattr(making._Maker, "run", counted)
    export_all(sequences, config((5, 2), (5, 3)), ["integers", "cpp"], tmp_path, 20)
    assert len(made) == 1
