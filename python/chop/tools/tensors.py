"""The one door for numbers that a caller hands in: arrays become tensors, and casts keep finite values finite."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from chop.tools.errors import ConfigError

Array = Tensor | np.ndarray


@overload
def as_tensor(value: Array, name: str) -> Tensor: ...
@overload
def as_tensor(value: None, name: str) -> None: ...
def as_tensor(value: Array | None, name: str) -> Tensor | None:
    """Return ``value`` as a tensor of the same shape and values; a tensor is returned as it is.

    Memory is shared with the array where torch can do that, so it is for arguments that are read.

    Args:
        value: a tensor, a NumPy array of numbers of any byte order and strides (a scalar too), or None for an
            argument that may be left out.
        name: how the caller calls it, such as "Evaluator: x".

    Raises:
        TypeError: neither a tensor nor an array of numbers.
        ConfigError: a masked array with masked values, or numbers that no type of torch holds.

    >>> as_tensor(np.array([1, 2], dtype=">i2")[::-1], "x")
    tensor([2, 1], dtype=torch.int16)
    >>> as_tensor("text", "compare: inputs")
    Traceback (most recent call last):
    ...
    TypeError: compare: inputs must be a tensor or a NumPy array of numbers, got str
    """
    if value is None or isinstance(value, Tensor):
        return value
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "biufc":
        found = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name} must be a tensor or a NumPy array of numbers, got {found}")
    if np.ma.is_masked(value):
        raise ConfigError(f"{name} has masked values: fill or drop them")
    return torch.from_numpy(_for_torch(np.asarray(value), name))


def tensors_in(value: Any, name: str) -> Any:
    """Return ``value`` with each NumPy array in its lists, tuples and dicts as a tensor; all else stays.

    >>> tensors_in({"x": [np.ones(2)], "n": 3}, "inputs")
    {'x': [tensor([1., 1.], dtype=torch.float64)], 'n': 3}
    """
    if isinstance(value, np.ndarray):
        return as_tensor(value, name)
    if isinstance(value, dict):
        return {key: tensors_in(part, f"{name}[{key!r}]") for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(tensors_in(part, f"{name}[{place}]") for place, part in enumerate(value))
    return value


def cast(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """Return ``tensor.to(dtype)``, unless that would make an infinity of a finite number.

    Raises:
        ConfigError: a number beyond the largest of ``dtype``, or complex numbers where ``dtype`` is real.

    >>> cast(torch.tensor([0.5, 1e300], dtype=torch.float64), torch.float32, "x")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: x[1] is 1e+300, more than float32 holds (3.40282e+38)
    """
    if tensor.is_complex() and not dtype.is_complex:
        raise ConfigError(f"{name} holds complex numbers, which are no {str(dtype).removeprefix('torch.')}")
    narrow = tensor.to(dtype)
    if not (tensor.dtype.is_floating_point and dtype.is_floating_point) or tensor.numel() == 0:
        return narrow
    if torch.finfo(tensor.dtype).max <= torch.finfo(dtype).max:
        return narrow
    # NaN and infinities hide finite numbers from min and max, so those are looked for only where there are some.
    if bool(torch.isfinite(narrow.sum(dtype=torch.float64))):
        return narrow
    lost = torch.isinf(narrow) & torch.isfinite(tensor)
    if bool(lost.any()):
        place = [int(i) for i in lost.nonzero()[0]]
        raise ConfigError(
            f"{name}{place or ''} is {float(tensor[tuple(place)]):g}, more than {str(dtype).removeprefix('torch.')} "
            f"holds ({torch.finfo(dtype).max:g})"
        )
    return narrow


def _for_torch(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # torch has no long double
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float64)
        if np.isinf(narrow[np.isfinite(array)]).any():
            raise ConfigError(f"{name} has numbers beyond float64")
        array = narrow
    if array.dtype.kind == "c" and array.dtype.itemsize > 16:
        array = array.astype(np.complex128)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    # torch takes no negative or odd strides and, without a warning, no memory that may not be written. What is laid out
    # by columns gives other last bits in torch's products than the same numbers in rows.
    if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
        array = array.copy(order="C")
    return array
