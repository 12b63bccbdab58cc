"""Searches of a small model as commands that tests interrupt, with a diary of what was acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLUGIN = '''
"""A metric that takes its time, and a diary of acknowledged trials, each line synced."""
import os
import time

from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.strategies.shared_run import Worker


@METRICS.register("nap")
class Nap(SearchMetric):
    kind, direction = "hardware", "minimize"

    def compute(self, config, measured, context):
        time.sleep(float(os.environ.get("NAP", "0")))
        return 0.0


acknowledge = Worker._acknowledge


def and_tell(self, trial_id, values):
    acknowledge(self, trial_id, values)
    if "DIARY" in os.environ:
        number = self.shared.claims.storage.get_trial(trial_id).number
        diary = os.open(os.environ["DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(diary, f"{number} {values}\\n".encode())
        os.fsync(diary)
        os.close(diary)


Worker._acknowledge = and_tell
'''
PLUGIN = PLUGIN.replace("\\\\n", "\\n")

CONFIG = """
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
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 512 }
hw_runner.average_bitwidth.compare_to = 32
setup = { n_trials = TRIALS, sampler = "random" }
metrics.accuracy.scale = 1.0
metrics.average_bitwidth.scale = 0.2
metrics.nap.scale = 1.0
"""

TIMELESS = ("number", "values_0", "values_1", "user_attrs_sampled_config", "user_attrs_repeat_of", "state")


class Search:
    """The command ``ch search`` in a folder of its own."""

    def __init__(self, folder: Path, trials: int, *options: str, nap: float = 0.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.trials, self.options, self.nap = folder, trials, options, nap
        self.diary = folder / "diary.txt"
        (folder / "plugin.py").write_text(PLUGIN)
        (folder / "search.toml").write_text(CONFIG.replace("TRIALS", str(trials)))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def words(self) -> list[str]:
        config, out = str(self.folder / "search.toml"), str(self.folder / "out")
        return ["search", "--config", config, "--project-dir", out, "--project", "p", *self.options]

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "NAP": str(self.nap), "DIARY": str(self.diary), "OMP_NUM_THREADS": "1"}
        with (self.folder / "said.txt").open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chop", *self.words],
                env=environment,
                stdout=said,
                stderr=said,
                # A shell's background job ignores Ctrl-C, and hands that down.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        return self.process

    def finish(self, code: int = 0, seconds: float = 90) -> None:
        assert self.process is not None
        assert self.process.wait(seconds) == code, self.said()

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def acknowledged(self) -> dict[int, str]:
        """Number -> values, as far as the diary goes."""
        text = self.diary.read_text() if self.diary.exists() else ""
        pairs = [line.split(" ", 1) for line in text.splitlines()]
        assert len({number for number, _ in pairs}) == len(pairs), "acknowledged twice"
        return {int(number): values for number, values in pairs}

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Wait until ``count`` trials are acknowledged."""
        wait_until(lambda: len(self.acknowledged()) >= count, seconds, self.said)

    def workers(self) -> list[int]:
        """Processes that the command started."""
        assert self.process is not None
        return children(self.process.pid)

    def log(self) -> list[dict[str, Any]]:
        """The rows of log.json without what depends on the clock."""
        log = json.loads((self.folder / "out" / "p" / "software" / "search_ckpts" / "log.json").read_text())
        return [{name: row.get(name) for name in TIMELESS} for row in log.values()]


def wait_until(true: Callable[[], bool], seconds: float, said: Callable[[], str] = lambda: "") -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"waited {seconds} s; {said()}"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Processes whose parent is ``pid``, from /proc."""
    found = []
    # A glob looks at each file first, and does not bear that one goes away.
    for process in [each for each in Path("/proc").iterdir() if each.name.isdigit()]:
        try:
            name, _, rest = (process / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and state != "Z":
            found.append(int(name.split(" ", 1)[0]))
    return sorted(found)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
