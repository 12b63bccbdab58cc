"""Where a benchmark ran: processor, versions, load."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from chop import _core

PACKAGES = ("chop", "torch", "torchao", "brevitas", "onnxruntime", "onnx", "torchmetrics", "numpy")
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def _cpu_field(name: str) -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _core.__version__ if package == "chop" else None


def has_amx() -> bool:
    return "amx_int8" in _cpu_field("flags").split()


def describe() -> dict[str, Any]:
    """Return the machine and the versions in words and numbers that JSON holds."""
    flags = _cpu_field("flags").split()
    return {
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "family_model": f"{_cpu_field('cpu family')}/{_cpu_field('model')}",
        "cores": os.cpu_count(),
        "features": [flag for flag in CPU_FLAGS if flag in flags],
        "chop_isa": _core.active_isa(),
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def load() -> float:
    """Return the load average of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Keep the process on one core (None: the last that it may use); no effect where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before) if cpu is None else cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
