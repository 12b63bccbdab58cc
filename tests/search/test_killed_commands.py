"""``ch search --workers`` that is ended in the middle: nothing is left of it, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")

SECONDS = 180
TRIALS = 96
PLUGIN = """
import time

from chop.actions.search.metrics import METRICS, SearchMetric


@METRICS.register("nap")
class Nap(SearchMetric):
    kind, direction = "hardware", "minimize"

    def compute(self, config, measured, context):
        time.sleep(0.05)
        return 0.0
"""
CONFIG = f"""
model = "jsc-tiny"
dataset = "jsc-synth"
is_pretrained = true
num_workers = 0
accelerator = "cpu"
import = ["plugin.py"]
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [4, 5, 6, 8]
data_in_frac_width = [3, 4]
weight_width = [4, 5, 6, 8]
weight_frac_width = [3, 4, 6]
bias_width = [8]
bias_frac_width = [4]
[search.strategy]
name = "optuna"
sw_runner.basic_evaluation = {{ data_loader = "val_dataloader", num_samples = 512 }}
setup = {{ n_trials = {TRIALS}, sampler = "brute-force" }}
metrics.accuracy.scale = 1.0
metrics.nap.scale = 1.0
"""


class Command:
    """The search in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "plugin.py").write_text(PLUGIN)
        (folder / "search.toml").write_text(CONFIG)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "chop", "search", "--config", "search.toml", "--project-dir", "out",
             "--project", "p", *options],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=(self.folder / "said.txt").open("ab"),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def trials(self) -> list[dict[str, Any]]:
        """What the journal holds, without times; a record that is being written is not counted."""
        path = self.folder / "out" / "p" / "software" / "search_ckpts" / "study_journal.log"
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")[:-1]
        found = [record for record in map(json.loads, lines) if record["op_code"] == 4]
        times = ("worker_id", "datetime_start", "datetime_complete", "sum")
        return [{key: value for key, value in record.items() if key not in times} for record in found]


def _after_some(command: Command, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Wait until workers have measured something; return all processes of the command."""
    limit = time.monotonic() + SECONDS
    while len(command.trials()) < 8:
        assert process.poll() is None and time.monotonic() < limit, (command.folder / "said.txt").read_text()
        time.sleep(0.02)
    return psutil.Process(process.pid).children(recursive=True)


def _gone(family: list[psutil.Process]) -> bool:
    psutil.wait_procs(family, timeout=60)
    return not [
        process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak),
    ],
)
def test_the_same_command_goes_on(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command, whole = Command(tmp_path / "stopped"), Command(tmp_path / "whole")
    process = command.start("--workers", "2")
    family = _after_some(command, process)
    os.kill(process.pid, number)
    assert process.wait(SECONDS) == code
    assert len(family) >= 2 and _gone(family)
    there = command.trials()
    assert len(there) < TRIALS
    assert command.start("--workers", "2").wait(SECONDS) == 0, (command.folder / "said.txt").read_text()
    assert whole.start().wait(SECONDS) == 0
    assert command.trials() == whole.trials() and command.trials()[: len(there)] == there


@pytest.mark.soak
def test_twenty_kills_of_the_command(tmp_path: Path) -> None:
    command, whole = Command(tmp_path / "stopped"), Command(tmp_path / "whole")
    kills, code = 0, 1
    for turn in range(20):
        process = command.start("--workers", "2")
        begin, seen = time.monotonic(), len(command.trials())
        while (
            process.poll() is None
            and time.monotonic() - begin < 60
            and len(command.trials()) < seen + 1 + turn % 5
        ):
            time.sleep(0.01)
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        code = process.wait(SECONDS)
        kills += code == -signal.SIGKILL
        assert _gone(family)
    assert kills >= 10
    assert command.start("--workers", "2").wait(SECONDS) == 0 and whole.start().wait(SECONDS) == 0
    assert command.trials() == whole.trials()
