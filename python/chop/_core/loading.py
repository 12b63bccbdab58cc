"""Loads `torch.ops.chop.*` and refuses a torch that cannot carry it, in one sentence."""

from __future__ import annotations

import importlib.util
import re

import torch

OLDEST_TORCH = (2, 11)
_REBUILD = "pip install 'torch>=2.11' and then reinstall chop (pip install --force-reinstall --no-deps .)"


def require_torch(version: str) -> None:
    """Raise ImportError if ``version`` is older than the stable ABI that the operators use.

    >>> require_torch("2.13.0+cpu")
    >>> require_torch("2.10.1")
    Traceback (most recent call last):
    ...
    ImportError: chop needs torch 2.11 or newer, found torch 2.10.1: pip install 'torch>=2.11' and then ...
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and tuple(map(int, found.groups())) < OLDEST_TORCH:
        raise ImportError(f"chop needs torch 2.11 or newer, found torch {version}: {_REBUILD}")


def load_operators() -> None:
    """Load the operator library and give each operator its shape rule, gradient and batching rule.

    Raises:
        ImportError: the library is missing or does not load under this torch.
    """
    # find_spec and not a path beside __file__: editable installs keep the two apart.
    spec = importlib.util.find_spec("chop._ops")
    if spec is None or spec.origin is None:
        raise ImportError(f"chop's operator library is missing (torch {torch.__version__}): {_REBUILD}")
    try:
        torch.ops.load_library(spec.origin)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise ImportError(
            f"chop's operators do not load under torch {torch.__version__}: {reason}: {_REBUILD}"
        ) from None
    from chop._core import operators

    operators.register()
