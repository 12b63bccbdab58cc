"""Damaged files: read as qonnx reads them, or one clear line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import chop
from chop.export import export
from tests.export.models import Convolutions, Sequences, config, rows, trained
from tests.qonnx.damage import altered, damaged, outcome

pytest.importorskip("onnx")
pytest.importorskip("qonnx")
BREVITAS = Path(__file__).parent / "brevitas"
ALL = ("linear", "conv1d", "conv2d", "add", "relu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    folder, jets, images = tmp_path_factory.mktemp("damage"), rows(20, 16), rows(10, 2, 8, 8)
    own = [
        export(
            trained(model, x), config((6, 3), (6, 4), ALL), "qonnx", folder / str(len(x)), x=x
        ).path.read_bytes()
        for model, x in ((Sequences(), jets), (Convolutions(), images))
    ]
    return [
        *own,
        *((BREVITAS / f"{name}.onnx").read_bytes() for name in ("residual", "perceptron", "sequence")),
    ]


def outcomes(files: list[bytes], seeds: range, folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        change = (damaged, altered)[seed // len(files) % 2]
        path = folder / f"{seed}.onnx"
        path.write_bytes(change(files[seed % len(files)], np.random.default_rng(seed)))
        found[outcome(path)] += 1
        path.unlink()
    return found


def test_damage_is_read_as_qonnx_reads_it_or_told_in_one_line(files: list[bytes], tmp_path: Path) -> None:
    found = outcomes(files, range(200), tmp_path)
    assert found["refused"] > 40
    assert found["equal"] > 20


@pytest.mark.soak
def test_much_damage(files: list[bytes], tmp_path: Path) -> None:
    found = outcomes(files, range(200, 10_000), tmp_path)
    assert found["refused"] > 2000
    assert found["equal"] > 1000


def test_the_comparison_can_fail(files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(files[0])
    assert outcome(path) == "equal"
    honest = chop.Evaluator.forward
    monkeypatch.setattr(chop.Evaluator, "forward", lambda *args: honest(*args) + 0.25)
    with pytest.raises(AssertionError, match="largest difference"):
        outcome(path)
