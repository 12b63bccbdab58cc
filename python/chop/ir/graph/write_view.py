"""A tensor of which a part was written anew, as a value of its own."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

# (name of the method, positional arguments, keyword arguments); __getattr__ reads the attribute.
Step = tuple[str, tuple[Any, ...], Mapping[str, Any]]


def write_view(base: Tensor, value: Any, steps: Sequence[Step]) -> Tensor:
    """Return a copy of ``base`` in which the part that ``steps`` lead to has the numbers of ``value``.

    Args:
        base: any tensor; it stays as it is.
        value: a number, or a tensor that broadcasts to the part's shape.
        steps: views, each of the one before, as calls of a tensor's methods; the last may be a ``__setitem__``, whose
            value is ``value``.

    >>> import torch
    >>> write_view(torch.zeros(2, 2), 1.0, (("t", (), {}), ("__setitem__", (0,), {})))
    tensor([[1., 0.],
            [1., 0.]])
    """
    if has_torch_function((base, value)):
        return handle_torch_function(write_view, (base, value), base, value, steps)
    made = base.clone()
    part: Any = made
    for name, args, kwargs in steps[:-1]:
        part = _step(part, name, args, kwargs)
    name, args, kwargs = steps[-1]
    if name == "__setitem__":
        operator.setitem(part, args[0], value)
    else:
        _step(part, name, args, kwargs).copy_(value)
    return made


def _step(tensor: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if name not in STEPS:
        raise ValueError(f"write_view: {name!r} is no view; known: {', '.join(sorted(STEPS))}")
    if name == "__getattr__":
        return getattr(tensor, args[0])
    return (
        operator.getitem(tensor, args[0]) if name == "__getitem__" else getattr(tensor, name)(*args, **kwargs)
    )


# Views that share memory with their tensor whatever its strides.
STEPS = frozenset(
    {
        "__getattr__", "__getitem__", "adjoint", "broadcast_to", "chunk", "detach", "diagonal", "dsplit", "expand",
        "expand_as", "hsplit", "moveaxis", "movedim", "narrow", "permute", "select", "split", "split_with_sizes",
        "squeeze", "swapaxes", "swapdims", "t", "tensor_split", "transpose", "unbind", "unflatten", "unfold",
        "unsqueeze", "view", "view_as", "vsplit",
    }
)  # fmt: skip
