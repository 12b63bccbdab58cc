"""What ``ch doctor`` knows of this machine: versions, processor, tools, data, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from chop.tools.extras import EXTRAS, how_to_install

Rows = list[tuple[str, str]]

NEEDED = ("torch", "numpy", "optuna", "pydantic", "safetensors", "h5py", "pandas", "pooch")
_MARK = {True: "yes", False: "no"}


def sections() -> list[tuple[str, Rows]]:
    """Title and rows of each section; a section that cannot be read says why instead."""
    parts: list[tuple[str, Callable[[], Rows]]] = [
        ("versions", versions),
        ("processor", processor),
        ("operators", operators),
        ("extras", extras),
        ("tools", tools),
        ("data", data),
    ]
    return [(title, _guarded(read)) for title, read in parts]


def _guarded(read: Callable[[], Rows]) -> Rows:
    try:
        return read()
    except Exception as error:  # a report on what is broken must not break with it
        return [("unreadable", f"{type(error).__name__}: {' '.join(str(error).split())}")]


def versions() -> Rows:
    """chop, Python, the libraries it needs, and the system."""
    import chop

    rows = [
        ("chop", f"{chop.__version__} in {Path(chop.__file__).parent}"),
        ("python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"),
    ]
    rows += [(name, version_of(name) or "missing") for name in NEEDED]
    libc = " ".join(part for part in platform.libc_ver() if part)
    rows.append(("system", ", ".join(part for part in (platform.platform(), libc) if part)))
    return rows


def version_of(distribution: str) -> str | None:
    """Its version; None where it is not installed.

    >>> version_of("no-such-distribution") is None
    True
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> Rows:
    """Instruction sets, threads and the GPUs that torch sees."""
    import torch

    from chop import _core

    forced = os.environ.get("CHOP_CPU_ISA")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cuda = torch.cuda.is_available()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
    built = torch.version.cuda or "none"
    return [
        ("name", _processor_name()),
        ("instruction sets", ", ".join(_core.available_isas())),
        ("kernels use", f"{_core.active_isa()}{f' (CHOP_CPU_ISA={forced})' if forced else ''}"),
        ("torch's kernels use", torch.backends.cpu.get_cpu_capability()),
        ("processors", f"{os.cpu_count()}, usable by this process: {usable}"),
        ("torch's threads", f"{torch.get_num_threads()} (OMP_NUM_THREADS={_variable('OMP_NUM_THREADS')})"),
        ("GPUs seen by torch", f"{', '.join(gpus) or 'none'} (CUDA of this torch: {built})"),
    ]


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()} ({platform.machine()})"
    return f"{platform.processor() or 'unknown'} ({platform.machine()})"


def _variable(name: str) -> str:
    return os.environ.get(name) or "not set"


def operators() -> Rows:
    """How the compiled parts were built, and what they need."""
    import torch

    from chop import _core
    from chop._core.loading import OLDEST_TORCH

    oldest = ".".join(map(str, OLDEST_TORCH))
    names = sorted(name for name in dir(torch.ops.chop) if not name.startswith("_") and name != "name")
    return [
        ("torch.ops.chop", ", ".join(names)),
        ("interface", f"LibTorch stable ABI, torch {oldest} or newer"),
        ("built against", f"torch {_core.__torch__}; running with torch {torch.__version__}"),
        ("compiler", _core.__compiler__),
    ]


def extras() -> Rows:
    """Which optional libraries are there, by the extra that brings them."""
    rows = []
    for extra, names in EXTRAS.items():
        found = {name: version_of(name) for name in names}
        missing = [name for name, version in found.items() if version is None]
        there = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
        lacks = f"missing: {', '.join(missing)} ({how_to_install(extra, missing)})" if missing else ""
        rows.append((extra, "; ".join(part for part in (there, lacks) if part)))
    return rows


def tools() -> Rows:
    """Programs that chop can use, and the compiler that a build needs."""
    compiler = os.environ.get("CXX") or next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), "g++")
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if os.name == "posix" else []
    return [
        ("dot (drawings)", _tool("dot", "-V")),
        ("initdb (PostgreSQL)", _tool("initdb", "--version", servers)),
        ("psql", _tool("psql", "--version", servers)),
        ("C++ compiler", _tool(compiler, "--version")),
        ("cmake", _tool("cmake", "--version")),
        ("ninja", _tool("ninja", "--version")),
    ]


def _tool(name: str, option: str, folders: list[Path] | None = None) -> str:
    found = shutil.which(name)
    for folder in reversed(folders or []):
        found = found or shutil.which(name, path=str(folder))
    if found is None:
        return "not found"
    try:
        done = subprocess.run([found, option], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{found}: {type(error).__name__}"
    said = (done.stdout or done.stderr).strip().splitlines()
    return f"{found}: {said[0] if said else f'exit code {done.returncode}'}"


def data() -> Rows:
    """Which jet files would be read, and which models have weights."""
    from chop.dataset import DATASETS
    from chop.dataset.info import DataRequest
    from chop.dataset.physical.jsc_files import Places

    places = Places.of(DataRequest())
    found = places.find()
    named = os.environ.get("CHOP_DATA_DIR")
    exists = f", a folder: {_MARK[Path(named).is_dir()]}" if named else ""
    return [
        ("CHOP_DATA_DIR", f"{named or 'not set'}{exists}"),
        ("folders looked in", ", ".join(map(str, places.folders))),
        ("jsc (real jets)", str(found) if found else "no file found; jsc-synth needs none"),
        ("data sets", ", ".join(sorted(DATASETS))),
        ("models with weights", ", ".join(_with_weights())),
    ]


def _with_weights() -> list[str]:
    import chop.models

    folder = Path(chop.models.__file__).parent / "weights"
    return sorted(path.stem for path in folder.glob("*.safetensors"))
