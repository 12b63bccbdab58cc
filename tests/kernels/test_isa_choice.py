"""CHOP_CPU_ISA forces an instruction set; the evaluator gives the same bits on all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chop import _core
from tests import programs
from tests.programs import output_on

PROGRAM = """
import hashlib, torch
from torch import nn
from chop import Evaluator, _core
torch.manual_seed(3)
layers = [nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 64),
          nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 35), nn.ReLU(), nn.Linear(35, 5)]  # the wide ones: tiles
model = nn.Sequential(*layers).eval()
for layer in layers:
    if isinstance(layer, nn.BatchNorm1d):
        layer.running_mean.normal_(); layer.running_var.uniform_(0.5, 2); layer.weight.data.uniform_(0.5, 2)
x, y = torch.randn(1003, 16), torch.randint(0, 5, (1003,))
ev = Evaluator(model, x, y)
digest = hashlib.sha256()
for widths in (None, (8, 4), (4, 2), (24, 14)):
    entry = {} if widths is None else {
        f"{o}_{k}": v for o in ("data_in", "weight", "bias") for k, v in zip(("width", "frac_width"), widths)}
    rules = {"default": {"config": {"name": None}}, "linear": {"config": {"name": "integer", **entry}}}
    config = widths and {"by": "type", **rules}
    digest.update(ev.forward(config).numpy().tobytes())
    digest.update(repr(ev.evaluate(config)).encode())
    for rounding, overflow in (("floor", "saturate"), ("half_up", "wrap"), ("half_even", "wrap")):
        for operand in ("data_in", "weight") if widths else ():
            rules["linear"]["config"] |= {f"{operand}_rounding": rounding, f"{operand}_overflow": overflow}
        digest.update(ev.forward(config).numpy().tobytes())
print(_core.active_isa(), digest.hexdigest())
"""

TORCH_PROGRAM = """
import torch
from tests.evaluator.models import by_type, chain, data, integer
from chop import Evaluator, MaseGraph
from chop.passes.graph import quantize_transform_pass
model, (x, y) = chain((16, 16, 8, 5)), data(999, 16, 5)
config = by_type(linear=integer(8, 4), relu=integer(8, 5))
graph, _ = quantize_transform_pass(MaseGraph(model), config)
with torch.no_grad():
    expected = graph.model.eval()(x)
print(torch.backends.cpu.get_cpu_capability(), torch.equal(Evaluator(model, x, y).forward(config), expected))
"""


def run(isa: str, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CHOP_CPU_ISA": isa, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_isas_give_the_same_bits() -> None:
    found = {}
    for isa in _core.available_isas():
        name, digest = output_on(isa, PROGRAM).split()
        assert name == isa
        found[isa] = digest
    assert len(set(found.values())) == 1, found


def test_tiles_are_compared_where_the_processor_has_them() -> None:
    if "amx" not in _core.available_isas():
        pytest.skip("no AMX on this processor: its kernel ran with a plain unit in the core's tests only")
    assert "amx" in output_on("amx", PROGRAM)


@pytest.mark.parametrize("capability", ["default", "avx2"])
@pytest.mark.parametrize("isa", ["baseline", _core.available_isas()[-1]])
def test_bits_equal_torch_whatever_either_side_uses(isa: str, capability: str) -> None:
    # torch rounds BatchNorm twice without FMA kernels; the baseline kernels have no FMA instruction.
    result = run(isa, TORCH_PROGRAM, ATEN_CPU_CAPABILITY=capability)
    assert result.stdout.split() == [capability.upper(), "True"], result.stderr


def test_an_unknown_isa_is_refused_with_the_known_ones() -> None:
    result = programs.run(PROGRAM, environment={**os.environ, "CHOP_CPU_ISA": "neon9"})
    assert result.returncode != 0
    assert "CHOP_CPU_ISA must be baseline, avx2, avx512 or amx, got 'neon9'" in result.stderr


def test_the_best_isa_is_the_default() -> None:
    name, _ = output_on("", PROGRAM).split()
    assert name == _core.available_isas()[-1]
