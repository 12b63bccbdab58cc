"""A Dask cluster of real processes on loopback, of which tests end some."""

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

import psutil

REPO = Path(__file__).resolve().parents[2]
SECONDS = 180  # a node takes half a minute to come up on a busy machine
_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
_WORKER = "from distributed.cli.dask_worker import main; main()"


class Cluster:
    """A scheduler and nodes, each a nanny with one worker."""

    def __init__(self, folder: Path, nodes: int, ttl: str = "30s", failures: int = 3) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(REPO),
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": ttl,
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures),
            "OMP_NUM_THREADS": "1",
        }
        self.scheduler = self._start(
            _SCHEDULER, "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
            "--scheduler-file", str(self.file),
        )  # fmt: skip
        _wait_for(lambda: self.file.is_file() and self.file.stat().st_size > 0, "the scheduler")
        self.nodes = [self.add_node(f"node{i}") for i in range(nodes)]

    def add_node(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        self.environment |= environment
        return self._start(
            _WORKER, "--scheduler-file", str(self.file), "--host", "127.0.0.1", "--nthreads", "1", "--name", name,
            "--memory-limit", "0", "--dashboard-address", "127.0.0.1:0", "--local-directory", str(self.folder),
        )  # fmt: skip

    def workers(self) -> list[psutil.Process]:
        """The processes that work: what the nannies started."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(psutil.Error):
                found += [
                    child
                    for child in psutil.Process(node.pid).children()
                    if "spawn_main" in " ".join(child.cmdline())
                ]
        return found

    def end(self) -> None:
        for process in (*self.nodes, self.scheduler):
            for child in _family(process.pid):
                with contextlib.suppress(psutil.Error):
                    child.send_signal(signal.SIGCONT)
                    child.kill()
            process.wait(SECONDS)

    def _start(self, code: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [*process.children(recursive=True), process]
    except psutil.Error:
        return []


def _wait_for(condition: Any, what: str) -> None:
    limit = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < limit, f"{what} did not come up"
        time.sleep(0.05)


@contextlib.contextmanager
def running(folder: Path, nodes: int = 2, ttl: str = "30s", failures: int = 3) -> Iterator[Cluster]:
    cluster = Cluster(folder, nodes, ttl, failures)
    try:
        yield cluster
    finally:
        cluster.end()
