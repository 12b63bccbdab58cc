"""Where in the user's code tracing stopped, why, and what to do about it."""

from __future__ import annotations

import itertools
import linecache
import sys
import traceback
from pathlib import Path
from types import FrameType

import torch
from torch import fx, nn

_TRACE = fx.Tracer.trace.__code__
_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]))


def user_frame_place(depth: int = 2) -> tuple[str, int] | None:
    """Return (file, line) of the nearest caller outside torch and chop, below the call of a tracer.

    None where there is none (a bare ``nn.Sequential``) and for generated code.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and _is_library(frame.f_code.co_filename):
        if frame.f_code is _TRACE:
            return None
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith("<"):
        return None
    return frame.f_code.co_filename, frame.f_lineno


def explain_trace_error(error: Exception, model: nn.Module) -> str:
    """Say in one sentence what torch.fx could not trace: file, line and code, the reason, the way out.

    Args:
        error: what the tracer raised, with its traceback.
        model: the module that was traced.
    """
    place, owner = _place(error)
    reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".") or "no reason given"
    where = f" at {place}" if place else ""
    # What fx itself cannot do shows as one of these; anything else is raised by the model's own code.
    limits = (fx.proxy.TraceError, TypeError, RuntimeError)
    advice = _way_out(owner, model) if isinstance(error, limits) else "this is an error of the forward itself"
    return f"torch.fx cannot trace {type(model).__name__}{where}: {type(error).__name__}: {reason}; {advice}"


def _way_out(owner: nn.Module | None, model: nn.Module) -> str:
    fix = "fix an argument that steers control flow with cf_args={'name': value} (concrete_args of torch.fx)"
    if owner is None or type(owner) is type(model):
        leaf = "or move this code into a module of its own and name it in MaseGraph(model, leaf_modules=(…,))"
    else:
        name = type(owner).__name__
        leaf = f"or keep {name} as one node: MaseGraph(model, leaf_modules=({name},))"
    return f"{fix}, {leaf}"


def _place(error: Exception) -> tuple[str, nn.Module | None]:
    """The innermost line outside torch and chop, below the call of the tracer, and the module it is in."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    inside = itertools.dropwhile(lambda pair: not _is_library(pair[0].f_code.co_filename), frames)
    own = [pair for pair in inside if not _is_library(pair[0].f_code.co_filename)]
    if not own:
        return "", None
    frame, line = own[-1]
    file = frame.f_code.co_filename
    code = linecache.getline(file, line).strip()
    owners = (frame.f_locals.get(next(iter(frame.f_code.co_varnames), "")) for frame, _ in reversed(own))
    module = next((owner for owner in owners if isinstance(owner, nn.Module)), None)
    return f"{file}:{line}{f' `{code}`' if code else ''}", module


def _is_library(file: str) -> bool:
    return file.startswith(_LIBRARIES)
