"""Ctrl-C on the real command: exit code 130 within 5 seconds, and a state from which the run goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chop.training.history import History
from tests.training.conftest import ENGINES, assert_same_files


def command(data: Path, project: str, engine: str, epochs: int, *more: str) -> list[str]:
    words = ["train", "jsc-toy", str(data), "--project", project, "--engine", engine, "--accelerator", "cpu",
             "--max-epochs", str(epochs), "--learning-rate", "1e-2", "--batch-size", "8", *more]  # fmt: skip
    return [sys.executable, "-m", "chop", *words]


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_and_resume(engine: str, small_file: Path, tmp_path: Path) -> None:
    # Long enough to be caught in the middle, whatever the machine does meanwhile.
    epochs = {"native": 1500, "lightning": 60}[engine]
    folder = tmp_path / "mase_output" / "stopped" / "software" / "training_ckpts"
    process = subprocess.Popen(
        command(small_file, "stopped", engine, epochs),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A shell's background jobs, CI's among them, begin with it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    began = time.monotonic()
    while not (folder / "last.ckpt").is_file() and time.monotonic() - began < 90:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others may have the machine
    assert process.returncode == 130 and time.monotonic() - began < 5 * busy
    assert said.decode().splitlines()[-1].startswith("ch: interrupted: ") and b"Traceback" not in said
    assert len((folder / "metrics.csv").read_text().splitlines()) < epochs
    if engine == "lightning":
        return  # tests/training/test_resume.py continues such a run
    resumed = subprocess.run(command(small_file, "stopped", engine, epochs, "--resume"), cwd=tmp_path,
                             capture_output=True)  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr.decode()
    # Without a last.ckpt, --resume begins.
    whole = subprocess.run(command(small_file, "whole", engine, epochs, "--resume"), cwd=tmp_path,
                           capture_output=True)  # fmt: skip
    assert whole.returncode == 0 and b"nothing to resume" in whole.stderr
    assert_same_files(folder, tmp_path / "mase_output" / "whole" / "software" / "training_ckpts")


class Ended(KeyboardInterrupt): ...


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal that raises ``Ended``; its handler is the same after the test."""

    def end(*_: object) -> None:
        raise Ended

    before = signal.signal(request.param, end)
    try:
        yield request.param
        assert signal.getsignal(request.param) is end
    finally:
        signal.signal(request.param, before)


def test_a_signal_ends_the_run_between_two_batches(
    run: Any, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Any] = []

    def add(
        history: History, row: dict[str, Any]
    ) -> bool:  # a library that swallows all, or must not be interrupted
        with contextlib.suppress(Ended):
            signal.raise_signal(number)
            rows.append(row)
        return True

    monkeypatch.setattr(History, "add", add)
    with pytest.raises(Ended):
        run(engine="lightning")
    assert len(rows) == 1


def test_a_second_signal_ends_the_run_at_once(run: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Any] = []

    def add(history: History, row: dict[str, Any]) -> bool:
        signal.raise_signal(number)
        rows.append(row)
        signal.raise_signal(number)
        rows.append(row)
        return True

    monkeypatch.setattr(History, "add", add)
    with pytest.raises(Ended):
        run(engine="lightning")
    assert len(rows) == 1
