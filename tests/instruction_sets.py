"""Programs on a forced instruction set: children of one process that has imported torch, and not yet chop.

The instruction set is chosen when the compiled module is loaded, so each program needs a process of its own, and to
import torch takes longer than most of them.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SERVER = """
import json, os, sys, tempfile, traceback
import hypothesis, numpy, pytest, torch
for line in sys.stdin:
    program, isa, arguments = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if (child := os.fork()) == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.environ["CHOP_CPU_ISA"] = isa
            sys.argv[1:] = arguments
            try:
                exec(compile(program, "program", "exec"), {"__name__": "__main__"})
                code = 0
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (out, err):
            file.seek(0)
        answer = [status, out.read().decode(), err.read().decode()]
    print(json.dumps(answer), flush=True)
"""


@functools.cache
def server(owner: int) -> subprocess.Popen[str]:
    """The process that forks, one for each process of tests."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(process.kill)
    return process


def run_on(isa: str, program: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a program with ``CHOP_CPU_ISA`` set; it finds the tests' own modules."""
    process = server(os.getpid())
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps([program, isa, arguments]) + "\n")
    process.stdin.flush()
    code, out, err = json.loads(process.stdout.readline())
    return code, out, err


def output_on(isa: str, program: str, *arguments: str) -> str:
    """What a program prints on an instruction set; it must end well."""
    code, out, err = run_on(isa, program, *arguments)
    assert code == 0, err[-3000:]
    return out
