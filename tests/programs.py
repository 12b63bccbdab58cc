"""Programs that start at once: children of one process that has imported torch, and nothing of chop.

To import torch takes longer than most programs of the tests. A child has arguments, folder, environment, input, output
and exit code as if it had been started as ``python -c``. How a process starts and ends (signals, variables that Python
and torch read, threads that outlive the program) is tested with ``subprocess``.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
USUAL = ("numpy", "torch", "hypothesis", "pytest")

SERVER = """
import importlib, json, os, sys, traceback, types
for name in sys.argv[1:]:
    importlib.import_module(name)

def run(program, arguments, folder, environment, files):
    for number, name in enumerate(files):
        os.dup2(os.open(name, os.O_RDWR | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[1:1] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv[1:] = arguments
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), main.__dict__)

for line in sys.stdin:
    if (child := os.fork()) == 0:
        code = 0
        try:
            run(*json.loads(line))
        except SystemExit as end:
            code = end.code or 0
            if not isinstance(code, int):
                code = print(code, file=sys.stderr) or 1
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@functools.cache
def _server(owner: int, imports: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process that forks, one for each process of tests and each list of modules."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, *imports],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(process.kill)
    return process


def run(
    program: str,
    *arguments: str,
    folder: str | Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    text: str = "",
    seconds: float = 300,
    imports: tuple[str, ...] = USUAL,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its exit code, output and errors.

    Args:
        program: text.
        arguments: ``sys.argv[1:]``.
        folder: where it works.
        environment: all of its environment, but what torch reads when it is imported: there OMP_NUM_THREADS is 1.
        text: what it reads.
        seconds: it must end within.
        imports: modules that are there already.

    Raises:
        subprocess.TimeoutExpired: it does not end.
    """
    server = _server(os.getpid(), imports)
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / each for each in ("in", "out", "err")]
        for file in files:
            file.write_text(text if file is files[0] else "")
        order = [program, arguments, str(folder), dict(environment), [str(file) for file in files]]
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], seconds)[0]:
            _server.cache_clear()
            os.killpg(server.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(program, seconds)
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(program, code, *(file.read_text() for file in files[1:]))


def output(program: str, *arguments: str, **options: Any) -> str:
    """What a program prints; it must end well. Options are those of ``run``."""
    done = run(program, *arguments, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def output_on(isa: str, program: str, *arguments: str) -> str:
    """What a program prints on an instruction set, which is chosen when chop is imported."""
    return output(program, *arguments, environment={**os.environ, "CHOP_CPU_ISA": isa})


def command(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Stand in for ``subprocess.run`` of words that are a Python, ``-c``, a program and its arguments."""
    python, flag, program, *arguments = words
    assert (python, flag) == (sys.executable, "-c") and options.keys() == {"capture_output", "text", "check"}
    return run(program, *arguments, folder=Path.cwd(), imports=(*USUAL, "torch._dynamo"))
