"""Builds extension and operators with sanitizers into a folder of their own and runs pytest on them.

    python -m tests.sanitizers address -- tests/evaluator tests/native -q
    python -m tests.sanitizers thread -- tests/native -q

An editable install stays as it is: the tests run in a virtual environment that sees the sanitized package before the
packages of this one. Exit code 0: the tests passed and no process reported anything.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SANITIZERS = {"address": "address,undefined", "thread": "thread"}
# Each must stand before everything else in a process, and address needs the C++ library with it: else the first C++
# exception ends the process, because its check finds no `__cxa_throw` to call.
LIBRARIES = {
    "address": ("libasan.so", "libubsan.so", "libstdc++.so"),
    "thread": ("libtsan.so", "libstdc++.so"),
}
# Programs of others that tests start: they are not ours to watch, and some of them fail under another allocator.
OTHERS = ("iverilog", "vvp", "verilator", "yosys", "nextpnr-ice40", "c++", "g++", "clang++", "make")


def install(folder: Path, sanitizers: str) -> Path:
    """Install the package into ``folder/site`` and return the interpreter that finds it there."""
    site = folder / "site"
    settings = {
        "cmake.define.CHOP_SANITIZE": sanitizers,
        "build-dir": str(folder / "build"),
        "install.strip": "false",
    }
    options = [part for key, value in settings.items() for part in ("-C", f"{key}={value}")]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--upgrade"]
    subprocess.run([*pip, "--target", str(site), *options, str(REPO)], check=True)
    venv.create(folder / "venv", symlinks=True)
    # Lines of a .pth file add folders and run none of the .pth files in them: no hook of an editable install.
    packages = [each for each in sys.path if re.search(r"(site|dist)-packages/?$", each)]
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own / "packages.pth").write_text("\n".join([str(site), *packages]) + "\n")
    return folder / "venv" / "bin" / "python"


def libraries(folder: Path, kind: str) -> str:
    """Return the libraries to preload, of the compiler that built the extension."""
    cache = (folder / "build" / "CMakeCache.txt").read_text()
    compiler = re.findall(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, re.M)[0]
    found = []
    for library in LIBRARIES[kind]:
        asked = [compiler, f"-print-file-name={library}"]
        path = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
        if not path.is_absolute():
            raise SystemExit(
                f"{compiler} has no {library}: install the sanitizers' libraries of that compiler"
            )
        found.append(str(path.resolve()))
    return " ".join(found)


def without_preload(folder: Path) -> Path:
    """A folder of commands that start the programs of others without the sanitizer's library."""
    folder.mkdir(exist_ok=True)
    for name in OTHERS:
        command, found = folder / name, shutil.which(name)
        if found is not None:
            command.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {found} "$@"\n')
            command.chmod(0o755)
    return folder


def environment(folder: Path, kind: str, reports: Path) -> dict[str, str]:
    log = f"log_path={reports / 'report'}"
    suppressions = Path(__file__).with_name("suppressions.txt")
    return {
        **os.environ,
        "LD_PRELOAD": libraries(folder, kind),
        "PATH": f"{without_preload(folder / 'bin')}{os.pathsep}{os.environ['PATH']}",
        # Python and torch leave megabytes at exit, which tell nothing of us.
        "ASAN_OPTIONS": f"detect_leaks=0:{log}",
        # Beside the other one, GCC's writes to stderr whatever log_path says: a signal tells the test that hides it.
        "UBSAN_OPTIONS": f"print_stacktrace=1:abort_on_error=1:{log}",
        "TSAN_OPTIONS": f"suppressions={suppressions}:die_after_fork=0:report_signal_unsafe=0:{log}",
        "PYTHONMALLOC": "malloc",  # so that Python's objects are watched too
        "OMP_NUM_THREADS": "1",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitizers", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=sorted(SANITIZERS))
    parser.add_argument("--folder", type=Path, default=REPO / "build" / "sanitized")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="-- and what pytest takes")
    given = parser.parse_args()
    folder = (given.folder / given.kind).resolve()
    reports = folder / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    for old in reports.iterdir():
        old.unlink()
    python = install(folder, SANITIZERS[given.kind])
    start = time.monotonic()
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *given.arguments]
    if "--" in command:
        command.remove("--")
    code = subprocess.run(
        command, cwd=REPO, env=environment(folder, given.kind, reports), check=False
    ).returncode
    found = sorted(reports.iterdir())
    for report in found:
        sys.stdout.write(f"== {report}\n{report.read_text(errors='replace')[:4000]}\n")
    sys.stdout.write(
        f"{given.kind}: {len(found)} reports, {time.monotonic() - start:.0f} s, pytest ended with {code}\n"
    )
    return code or bool(found)


if __name__ == "__main__":
    sys.exit(main())
