"""The self-test of ``ch doctor``: kernels against NumPy's whole numbers, BatchNorm against torch.

Each instruction set is tested in a process of its own, because the core chooses once.

>>> from chop import _core
>>> [line.passed for line in quantizer_checks(_core.active_isa())]
[True]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chop import _core

_TIMEOUT_SECONDS = 120
_ROWS = 1003  # blocks of 64 rows and a rest
_GRIDS = ((8, 4, True), (8, 4, False), (4, -3, True), (2, 1, True), (16, 12, True))
_MODES = [(r, o) for r in ("half_even", "floor", "half_up") for o in ("saturate", "wrap")]


@dataclass(frozen=True)
class Check:
    """One line of the self-test.

    Attributes:
        what: what was compared with what.
        passed: whether all values agreed (a zero's sign is not looked at).
        found: how it disagreed; empty otherwise.
    """

    what: str
    passed: bool
    found: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {'OK' if self.passed else f'FAILED ({self.found})'}"


def run_self_test() -> list[Check]:
    """Test every instruction set that was built and that this processor runs, and torch's operators."""
    checks = [check for isa in _core.available_isas() for check in _in_a_process(isa)]
    return [*checks, *_guarded("torch.ops.chop", operator_checks)]


def _in_a_process(isa: str) -> list[Check]:
    code = "from chop.cli import self_test; self_test.print_checks()"
    paths = [str(Path(__file__).parents[2]), *(path for path in sys.path if path)]
    environment = {**os.environ, "CHOP_CPU_ISA": isa, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            return [Check(f"{isa} kernels", False, last)]
        return [Check(**row) for row in json.loads(done.stdout)]
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return [Check(f"{isa} kernels", False, f"{type(error).__name__}: {error}")]


def print_checks() -> None:
    """Print the checks of this process's instruction set as JSON."""
    from chop.tools.writer import write_line

    isa = _core.active_isa()
    checks: list[Check] = []
    for make in (quantizer_checks, linear_checks, batch_norm_checks):
        checks += _guarded(f"{isa} {make.__name__}", lambda make=make: make(isa))  # type: ignore[misc]
    write_line(json.dumps([asdict(check) for check in checks]))


def _guarded(what: str, make: Callable[[], list[Check]]) -> list[Check]:
    try:
        return make()
    except Exception as error:  # a broken build may fail anywhere; the report must still come out
        return [Check(what, False, f"{type(error).__name__}: {' '.join(str(error).split())}")]


def quantizer_checks(isa: str) -> list[Check]:
    """The quantizer in every rounding and overflow mode against NumPy, and against the reference loops."""
    x = _numbers()
    found = ""
    for grid in _GRIDS:
        for mode in _MODES:
            expected = _codes(x.numpy(), *grid, *mode) * 2.0 ** -grid[1]
            for kernels in (isa, "reference"):
                y = torch.empty_like(x)
                _core.fake_quantize(x, y, *grid, kernels, *mode)
                found = found or _difference(y, expected, f"width, fraction, sign {grid}, {mode}, {kernels}")
    return [Check(f"{isa} quantizer against NumPy, value for value", not found, found)]


def linear_checks(isa: str) -> list[Check]:
    """A quantized linear layer in the evaluator against whole-number arithmetic in NumPy."""
    import chop

    generator = torch.Generator().manual_seed(1)
    layer = nn.Linear(16, 5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) * 2 - 1)
    x = torch.randn(_ROWS, 16, generator=generator)
    evaluator = chop.Evaluator(nn.Sequential(layer), x, torch.zeros(_ROWS, dtype=torch.int64))
    checks = []
    for width, frac_width in ((4, 2), (8, 5), (20, 12)):
        formats = {f"{o}_width": width for o in ("data_in", "weight", "bias")}
        formats |= {f"{o}_frac_width": frac_width for o in ("data_in", "weight", "bias")}
        config = {"by": "type", "default": {"config": {"name": "integer", **formats}}}
        expected = _linear(layer, x, width, frac_width)
        road = evaluator.roads(config)[0].road
        found = _difference(evaluator.forward(config), expected, f"{width} bits")
        what = f"{isa} linear layer of {width} bits ({road}) against NumPy, value for value"
        checks.append(Check(what, not found, found))
    return checks


def _linear(layer: nn.Linear, x: Tensor, width: int, frac_width: int) -> Any:
    """The layer in 64-bit whole numbers, rounded to float32 once."""
    codes = [
        _codes(t.detach().numpy(), width, frac_width, True, "half_even", "saturate").astype(np.int64)
        for t in (x, layer.weight, layer.bias)
    ]
    sums = codes[0] @ codes[1].T + (codes[2] << frac_width)
    return sums.astype(np.float64) * 2.0 ** (-2 * frac_width)


def batch_norm_checks(isa: str) -> list[Check]:
    """BatchNorm and ReLU in the evaluator against torch on this machine."""
    import chop

    generator = torch.Generator().manual_seed(2)
    norm = nn.BatchNorm1d(16).eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert tensor is not None
        tensor.copy_(torch.rand(16, generator=generator) + 0.5)
    model = nn.Sequential(norm, nn.ReLU()).eval()
    x = torch.randn(_ROWS, 16, generator=generator)
    with torch.no_grad():
        expected = model(x).numpy()
    evaluator = chop.Evaluator(model, x, torch.zeros(_ROWS, dtype=torch.int64))
    found = _difference(evaluator.forward(), expected, "BatchNorm1d(16), ReLU")
    return [Check(f"{isa} BatchNorm and ReLU against torch, value for value", not found, found)]


def operator_checks() -> list[Check]:
    """``torch.ops.chop.integer_quantize`` and its gradient, through the stable ABI."""
    from chop.nn.quantizers import integer_quantizer

    x = _numbers()[64:].clone().requires_grad_()
    y = integer_quantizer(x, 8, 4, True)
    y.sum().backward()
    expected = _codes(x.detach().numpy(), 8, 4, True, "half_even", "saturate") / 16
    found = _difference(y.detach(), expected, "width 8, fraction 4")
    if not found and (x.grad is None or not torch.equal(x.grad, torch.ones_like(x))):
        found = "the straight-through gradient is not one everywhere"
    return [Check("torch.ops.chop.integer_quantize and its gradient", not found, found)]


def _numbers() -> Tensor:
    """Ties, zeros, denormals, and random numbers over many magnitudes, float32."""
    generator = torch.Generator().manual_seed(0)
    special = torch.tensor([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, *((k + 0.5) / 16 for k in range(-29, 29))])
    scales = 10.0 ** torch.randint(-3, 4, (_ROWS,), generator=generator)
    return torch.cat([special, torch.randn(_ROWS, generator=generator) * scales])


def _codes(x: Any, width: int, frac_width: int, is_signed: bool, rounding: str, overflow: str) -> Any:
    """Whole numbers as float64, which holds them and the products before rounding exactly."""
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if is_signed else (0, 2**width - 1)
    scaled = x.astype(np.float64) * 2.0**frac_width
    # Adding a half is exact only where a double has room for it; larger numbers are whole anyway.
    half_up = np.where(np.abs(scaled) < 2.0**51, np.floor(scaled + 0.5), scaled)
    codes = {"half_even": np.rint(scaled), "floor": np.floor(scaled), "half_up": half_up}[rounding]
    if overflow == "saturate":
        return np.clip(codes, low, high)
    rest = np.mod(codes, 2.0**width)  # exact, however large the code
    return np.where(rest > high, rest - 2.0**width, rest)


def _difference(found: Tensor, expected: Any, what: str) -> str:
    """Where two arrays differ first, in words; empty where nowhere."""
    a, b = found.numpy(), np.asarray(expected).astype(np.float32)
    wrong = np.argwhere(a != b)
    if not len(wrong):
        return ""
    place = tuple(map(int, wrong[0]))
    return f"{what}: {len(wrong)} of {a.size} differ, first at {list(place)}: {a[place]!r}, not {b[place]!r}"
