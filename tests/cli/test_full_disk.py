"""A disk that is full after so many bytes: the files of before stay, the line names the path, no half is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SIZES = [
    0,
    1,
    10,
    50,
    90,
    150,
    300,
    700,
    1000,
    1500,
    2000,
    3000,
    4000,
    6000,
    8000,
    10_000,
    13_000,
    16_000,
    20_000,
    40_000,
]
# One process for all: what is imported once need not be imported twenty times. Its own output goes into a pipe.
PROGRAM = """
import contextlib, io, json, resource, signal, sys, tempfile
from pathlib import Path
from chop.cli.app import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tempfile.gettempdir()  # which looks for a folder by writing

def content():
    files = (p for p in Path("mase_output").rglob("*") if p.is_file() and "tensorboard" not in p.parts)
    return {str(p): p.read_bytes() for p in files}

def run(words, size=resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    return code, said.getvalue()

sizes, *commands = json.load(sys.stdin)
for words in commands:
    assert run(words)[0] == 0, words
before = content()
for words in commands:
    for size in sizes:
        code, said = run(words, size)
        now = content()
        lost = [p for p in before if p not in now]
        halves = [p for p in now if Path(p).name.startswith(".")]
        print(json.dumps([words[0], size, code, said.splitlines()[-1:], "Traceback" in said, lost, halves]))
"""
SEARCH = """
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
seed.linear.config.name = ["integer"]
seed.linear.config.data_in_width = [8]
seed.linear.config.data_in_frac_width = [3]
seed.linear.config.weight_width = [4, 8]
seed.linear.config.weight_frac_width = [3]
[search.strategy]
name = "optuna"
setup = { n_trials = 2, sampler = "random" }
sw_runner.basic_evaluation = { num_samples = 60 }
hw_runner.average_bitwidth.compare_to = 32
metrics.accuracy.scale = 1.0
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="the system has no limit on file sizes")
def test_every_command_at_twenty_sizes(tmp_path: Path, small_data: Path) -> None:
    (tmp_path / "a.toml").write_text(SEARCH)
    common = ["jsc-tiny", str(small_data), "--cpu", "0", "--accelerator", "cpu", "--project", "p"]
    commands = [
        ["search", *common, "--config", "a.toml"],
        ["train", *common, "--max-epochs", "1"],
        ["report", "mase_output/p"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, input=json.dumps([SIZES, *commands]),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr  # of a thread
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(SIZES) * len(commands)
    failed = [row for row in rows if row[2] != 0]
    assert len(failed) >= len(SIZES)
    for command, size, code, said, traceback, lost, halves in rows:
        case = command, size, said
        assert not traceback and not lost and not halves, case
        if code:
            assert code == 1 and said[0].startswith("ch: ") and "mase_output/p" in said[0], case
