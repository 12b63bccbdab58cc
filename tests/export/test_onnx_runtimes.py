"""What runtimes make of a valid file: rewritten by onnxruntime, given a wrong shape by the reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import chop
from chop.export import TARGETS, export
from tests.export.models import config, rows

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("width", [6, 8, 9, 12, 16])
def test_wide_data_meet_weights_that_no_runtime_rounds_them_for(width: int, tmp_path: Path) -> None:
    """A Linear on sequences is a MatMul; with weights of 8 bits and wider data onnxruntime rounds the data."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 8))
    ev = chop.Evaluator(model, rows(40, 2, 32) * 2)
    made = export(ev, config((width, width - 3), (6, 4)), "onnx", tmp_path)
    assert made.equal, str(made)
    assert len(made.proofs) >= 4


@pytest.mark.parametrize("what", ["x * 1", "x + 0", "x - 0"])
def test_numbers_that_change_nothing(what: str, tmp_path: Path) -> None:
    """onnxruntime drops the operation, and loads no int8 that is only moved then."""

    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(27, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = {"x * 1": lambda: x * 1.0, "x + 0": lambda: x + 0.0, "x - 0": lambda: x - 0.0}[what]()
            return self.head(nn.functional.max_pool2d(h, 2, 1).flatten(1))

    ev = chop.Evaluator(chop.MaseGraph(Moves()), rows(40, 3, 4, 4))
    made = export(ev, config((4, 1), (6, 4), ("linear", "add", "sub", "mul")), "onnx", tmp_path)
    assert made.equal, str(made)


def test_a_reference_of_another_shape_is_left_out(tmp_path: Path) -> None:
    """onnx.reference gives a padded pool of stride 1 one number too many where nothing behind it minds."""

    class Pool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.pool = nn.Linear(8, 8), nn.MaxPool1d(3, 1, 1, ceil_mode=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.pool(self.first(x).reshape(-1, 4, 2))
            return (h + h).permute(0, 2, 1)

    torch.manual_seed(0)
    ev = chop.Evaluator(chop.MaseGraph(Pool()), rows(40, 8))
    for target in ("onnx", "onnx-arithmetic"):
        made = export(ev, config((6, 1), (4, 3), ("linear", "add")), target, tmp_path / target)
        assert made.equal, str(made)


def test_a_reference_that_reads_the_holes_of_a_dilated_kernel_is_left_out(tmp_path: Path) -> None:
    """onnx.reference makes the sum NaN where a NaN lies between what the kernel reads; finite rows are compared."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 2, dilation=2), nn.Flatten(), nn.Linear(6, 4))
    x = rows(40, 2, 4)
    formats = config((8, 4), (6, 4), ("linear", "conv1d"))
    made = export(chop.Evaluator(model, x), formats, "onnx-arithmetic", tmp_path / "finite")
    assert made.equal and len(made.proofs) == 5, str(made)
    for number in (float("nan"), float("inf")):
        holed = x.clone()
        holed[::3, 0, 1] = number
        made = export(chop.Evaluator(model, holed), formats, "onnx-arithmetic", tmp_path / str(number))
        assert made.equal and len(made.proofs) == 4, str(made)


def test_another_number_of_outputs_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(TARGETS["integers"]), "execute", lambda self, path, x: {"reader": x[:, :1]})
    with pytest.raises(RuntimeError, match=r"^export to integers: what was written does not run: [^\n]*$"):
        export(nn.Sequential(nn.Linear(6, 4)), config(), "integers", tmp_path, x=rows(9, 6))
    assert list(tmp_path.iterdir()) == []
