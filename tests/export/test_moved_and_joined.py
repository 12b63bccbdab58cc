"""What values pass between layers: joined along any axis, moved behind arithmetic, on grids wider than the weights'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import chop
from chop.export import TARGETS
from chop.export.onnx_rules import run_everywhere
from chop.export.run import Job

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")
pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
pytestmark = pytest.mark.usefixtures("quick_torch")


def table(data: tuple[int, int], weight: tuple[int, int] = (8, 4)) -> dict[str, Any]:
    names = {"data_in": data, "weight": weight, "bias": (6, 2)}
    found: dict[str, Any] = {"name": "integer"}
    for operand, (width, frac) in names.items():
        found |= {f"{operand}_width": width, f"{operand}_frac_width": frac}
    return {"config": found}


def by_type(**tables: Any) -> dict[str, Any]:
    return {"by": "type", "default": {"config": {"name": None}}, **tables}


class Joined(nn.Module):
    """Two products side by side along one axis, batch norm, a product."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.axis, self.a, self.b = axis, nn.Linear(4, 3), nn.Linear(4, 3)
        shape = [6, 3] if axis in (1, -2) else [3, 6]
        self.norm, self.o = nn.BatchNorm1d(shape[0]), nn.Linear(shape[1], 2)
        self.norm.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        return self.o(self.norm(torch.cat([self.a(x), self.b(x)], self.axis)))


@pytest.mark.parametrize("target", ["onnx", "onnx-arithmetic", "integers", "cpp", "torch"])
@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_any_axis(axis: int, target: str, tmp_path: Path) -> None:
    ev = chop.Evaluator(Joined(axis).eval(), torch.randn(30, 3, 4))
    config = by_type(linear=table((8, 4)))
    assert Job(ev, config, 30).export(TARGETS[target], tmp_path).equal


ARITHMETIC: dict[str, Callable[[Tensor], Tensor]] = {
    "sub": lambda x: x - 0.25,
    "rsub": lambda x: 1 - x,
    "add": lambda x: x + x,
    "mul": lambda x: x * 2,
    "relu": torch.relu,
}


class Moved(nn.Module):
    def __init__(self, arithmetic: str, pooled: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.change = ARITHMETIC[arithmetic]
        self.move = nn.MaxPool2d(2, 1) if pooled else nn.Identity()
        self.o = nn.Linear(12 if pooled else 24, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.o(self.move(self.change(x)).flatten(1))


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_arithmetic_before_a_move(arithmetic: str, pooled: bool, width: int, tmp_path: Path) -> None:
    ev = chop.Evaluator(Moved(arithmetic, pooled).eval(), torch.randn(30, 2, 3, 4))
    grid = table((width, 1))
    config = by_type(sub=grid, add=grid, mul=grid, relu=grid, linear=table((width, 2), (4, 2)))
    assert Job(ev, config, 30).export(TARGETS["onnx"], tmp_path).equal


@pytest.mark.parametrize("weight", [4, 6, 8])
@pytest.mark.parametrize("data", [8, 9, 12, 16])
def test_wide_data_of_a_product_of_planes(data: int, weight: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    ev = chop.Evaluator(model, 4 * torch.randn(30, 4, 5))
    config = by_type(linear=table((data, data // 2), (weight, weight - 1)))
    assert Job(ev, config, 30).export(TARGETS["onnx"], tmp_path).equal


def test_a_reference_that_gives_another_shape_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from chop.export import onnx_rules

    model = nn.Sequential(nn.Linear(5, 4))
    made = Job(chop.Evaluator(model, torch.randn(8, 5)), by_type(linear=table((8, 4))), 8).export(
        TARGETS["onnx"], tmp_path
    )
    real = onnx_rules._run

    def turned(session: Any, name: str, x: np.ndarray) -> np.ndarray:
        outputs = real(session, name, x)
        return outputs if type(session).__module__.startswith("onnxruntime") else outputs[:, None]

    assert "onnx.reference" in run_everywhere(made.path, np.zeros((3, 5), "f4"))
    monkeypatch.setattr(onnx_rules, "_run", turned)
    found = run_everywhere(made.path, np.zeros((3, 5), "f4"))
    assert len(found) == 4 and "onnx.reference" not in found


def test_a_permuted_output_is_no_equal_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = TARGETS["integers"]
    real = target.execute
    monkeypatch.setattr(
        target, "execute", lambda path, x: {k: v.swapaxes(1, 2) for k, v in real(path, x).items()}
    )
    ev = chop.Evaluator(nn.Sequential(nn.Linear(5, 4)), torch.randn(8, 3, 5))
    with pytest.raises(
        RuntimeError, match=r"export to integers: .* gives the shape \[8, 4, 3\], not \[8, 3, 4\]"
    ):
        Job(ev, by_type(linear=table((8, 4))), 8).export(target, tmp_path)
