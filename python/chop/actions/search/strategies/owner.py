"""Who works on a trial: enough to tell later whether that process still lives."""

from __future__ import annotations

import functools
import os
import platform
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process(name: str | None = None) -> dict[str, Any]:
    """Return what is written into a trial that this process claims.

    Args:
        name: of the worker; an unused one is made up without it.

    Returns:
        ``id``, ``host`` (name of the machine), ``place`` (which numbering of processes ``pid`` belongs to),
        ``pid`` and ``started`` (in the kernel's ticks; None where the system does not tell).

    >>> is_alive(this_process("w0"))
    True
    """
    pid = os.getpid()
    identity = name or f"p{pid}-{uuid.uuid4().hex[:6]}"
    return {"id": identity, "host": platform.node(), "place": place(), "pid": pid, "started": _started(pid)}


def is_here(owner: Mapping[str, Any]) -> bool:
    """True where the owner is a process of this machine, so that its number can be looked up."""
    return owner.get("place") == place()


def is_alive(owner: Mapping[str, Any]) -> bool:
    """True while a process of this machine (see :func:`is_here`) runs; a number given anew does not count."""
    pid = int(owner["pid"])
    if owner.get("started") is not None:
        return _started(pid) == owner["started"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@functools.cache
def place() -> str:
    """Name, boot and process namespace of the machine: two containers on one machine are two places."""
    parts = [platform.node()]
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        parts.append(boot.read_text().strip()[:8])
    namespace = Path("/proc/self/ns/pid")
    if namespace.is_symlink():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)


def _started(pid: int) -> int | None:
    """Start of a running process in ticks since boot; None for one that ended, or without /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold spaces; Z and X are ended processes that nobody waited for yet.
    state, *fields = text[text.rindex(")") + 2 :].split()
    return None if state in "ZX" else int(fields[18])
