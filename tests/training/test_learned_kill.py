"""A process that learns widths is killed again and again; the same call ends with the same models."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import hashlib, sys
import torch
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.training import learn_front
from chop.training.learning import saved_run

saved_run._SECONDS = 0.0  # else so short a run would be written at its end only
torch.set_num_threads(int(sys.argv[2]))
x, y = MaseDataModule("jsc-synth", 64).arrays("val")
data = {"train": (x[:3000], y[:3000]), "val": (x[3000:4000], y[3000:4000])}
recipe = {"epochs": 20, "batch_size": 64, "start_bits": 4}
model = get_model("jsc-mlp", pretrained=True).eval()
front = learn_front(model, data, [12000, 6000], recipe=recipe, save_path=sys.argv[1])
digest = hashlib.sha256()
for each in front:
    for name, value in sorted(each.weights.items()):
        digest.update(name.encode() + value.numpy().tobytes())
    digest.update(repr((each.costs, each.metrics)).encode())
print(digest.hexdigest(), len(front))
"""


def start(path: Path, threads: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROGRAM, str(path), str(threads)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    whole, _ = start(tmp_path / "whole.mz", 1).communicate(timeout=300)
    path, kills = tmp_path / "killed.mz", 0
    seen = {b""}
    for _ in range(2):
        process = start(path, 2)
        # Killed as soon as an epoch more is in the file.
        while process.poll() is None:
            digest = hashlib.sha256(path.read_bytes()).digest() if path.exists() else b""
            if digest not in seen:
                seen.add(digest)
                process.kill()
                kills += 1
                break
            time.sleep(0.002)
        process.communicate()
    ended, _ = start(path, 2).communicate(timeout=300)
    assert kills == 2 and path.exists()
    assert ended == whole and int(whole.split()[1]) > 2
