"""The end of a part of a model that was computed in ``torch.no_grad()``."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def stop_gradient(value: Any) -> Any:
    """Return ``value`` (a tensor, a tuple or list of such, or anything else) without a way back for gradients.

    >>> import torch
    >>> stop_gradient((torch.ones(2, requires_grad=True), 3))
    (tensor([1., 1.]), 3)
    """
    if has_torch_function((value,)):
        return handle_torch_function(stop_gradient, (value,), value)
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(stop_gradient, value))
    return type(value)(map(stop_gradient, value)) if isinstance(value, (tuple, list)) else value
