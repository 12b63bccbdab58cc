"""The exported C++ header at -O2 against ``Evaluator.forward`` on one row, in turn, one thread each.

Run: pytest -m benchmark -s tests/benchmarks/test_cpp_header.py
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import chop
from chop.dataset import MaseDataModule
from chop.models import get_model
from tests.benchmarks.evaluator import machine
from tests.export.models import config

ROWS, ROUNDS, LIMIT = 10_000, 15, 1.5
TIMER = """#include "net.h"
#include <chrono>
#include <cstdio>
#include <vector>
int main(int, char** names) {
  std::vector<float> x(ROWS * chop_net::inputs), y(chop_net::outputs);
  std::FILE* in = std::fopen(names[1], "rb");
  if (std::fread(x.data(), sizeof(float), x.size(), in) != x.size()) return 1;
  float sum = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int row = 0; row < ROWS; ++row) {
    chop_net::predict(&x[row * chop_net::inputs], y.data());
    sum += y[0];
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  std::printf("%g %g\\n", spent.count() / ROWS, sum);
}
"""


@pytest.mark.benchmark
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("bits", [6, 8, 12])
def test_a_row_of_jsc_mlp(compiler: str, bits: int, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    torch.set_num_threads(1)
    settings = config((bits, bits // 2), (min(bits, 8), min(bits, 8) - 2))
    x, _ = MaseDataModule("jsc-synth", batch_size=512).arrays("test")
    model = get_model("jsc-mlp", pretrained=True).eval()
    many, one = (chop.Evaluator(model, x[:count]) for count in (ROWS, 1))
    made = chop.export(many, settings, "cpp", tmp_path)
    assert made.equal, str(made)
    (tmp_path / "timer.cpp").write_text(TIMER.replace("ROWS", str(ROWS)))
    (tmp_path / "x").write_bytes(x[:ROWS].numpy().tobytes())
    words = [compiler, "-std=c++17", "-O2", f"-I{made.path}", "timer.cpp", "-o", "timer"]
    subprocess.run(words, check=True, cwd=tmp_path)
    header, single, batch = [], [], []
    for _ in range(ROUNDS):
        done = subprocess.run(["./timer", "x"], check=True, cwd=tmp_path, capture_output=True, text=True)
        header.append(float(done.stdout.split()[0]))
        single.append(timed(lambda: [one.forward(settings) for _ in range(200)]) / 200)
        batch.append(timed(lambda: many.forward(settings)) / ROWS)
    ours, forward, rows = map(statistics.median, (header, single, batch))
    row = {"compiler": compiler, "bits": bits, "header_ns": ours, "forward_of_one_row_ns": forward}
    row |= {"ratio": ours / forward, "forward_of_many_ns_a_row": rows, "ratio_to_many": ours / rows}
    row |= {"header_bytes": (made.path / "net.h").stat().st_size, "cpu": machine.describe()["cpu"]}
    row |= {"isa": machine.describe()["chop_isa"]}
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a benchmark
    if folder := os.environ.get("CHOP_BENCHMARK_DIR"):
        (Path(folder) / f"cpp_header_{compiler}_{bits}.json").write_text(json.dumps(row))
    assert row["ratio"] <= LIMIT


def timed(action: Callable[[], object]) -> float:
    """Nanoseconds of a call."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e9
