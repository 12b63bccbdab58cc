"""Each target writes the same bytes in any process, whatever the order of sets, the time or the folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chop.export import TARGETS

WRITER = """
import hashlib, json, sys, tempfile
from pathlib import Path
import chop
from chop.export import TARGETS, Sample
from chop.integers import quantized_view
from tests.export.models import Dense, config, rows, trained

x = rows(40, 6)
ev = chop.Evaluator(trained(Dense(), x), x)
settings = config((6, 3), (6, 4))
view, found = quantized_view(ev, settings), {}
for name in sys.argv[1:]:
    folder = Path(tempfile.mkdtemp())
    target = TARGETS[name]
    target.check(view)
    target.write(view, folder / target.file, Sample(x.numpy(), ev.forward(settings).numpy()))
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found[f"{name}: {file.relative_to(folder)}"] = digest
print(json.dumps(found))
"""


def written(seed: str, names: list[str]) -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}
    words = [sys.executable, "-c", WRITER, *names]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, env=environment, cwd=root, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_same_bytes_in_two_processes() -> None:
    for package in ("onnx", "hls4ml"):
        pytest.importorskip(package)
    names = [name for name, target in TARGETS.items() if type(target).__module__.startswith("chop.")]
    assert {"cpp", "hls4ml", "integers", "onnx", "onnx-arithmetic", "qonnx", "torch"} <= set(names)
    first, second = (written(seed, names) for seed in ("1", "2"))
    assert {name.partition(":")[0] for name in first} == set(names)
    assert {n for n in first if first[n] != second.get(n)} == set()
    assert first.keys() == second.keys()
