"""How a sample becomes what the core takes: contiguous numbers, seen as rows of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from chop.tools.errors import ConfigError
from chop.tools.tensors import tensors_in

Dims = Literal["all"] | Sequence[int] | None

# Every value of these is a float32 too; all others become float64.
_NARROW = {
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int8,
    torch.uint8,
    torch.int16,
    torch.bool,
}


def as_tensor(sample: Any, name: str) -> Tensor:
    """Return a tensor, a number, or a (nested) list of numbers or of tensors as one detached CPU tensor.

    Raises:
        ConfigError: nothing of the kind, complex numbers, a tensor without memory, or no elements.

    >>> as_tensor([1.0, 2.0], "record")
    tensor([1., 2.])
    """
    sample = tensors_in(sample, f"{name}: a sample")
    tensor = sample if isinstance(sample, Tensor) else _gathered(sample, name)
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_complex():
        raise ConfigError(f"{name}: a sample must hold real numbers, got {tensor.dtype}")
    if tensor.device.type == "meta":
        raise ConfigError(f"{name}: a sample on the meta device has no numbers")
    if tensor.numel() == 0:
        raise ConfigError(f"{name}: an empty sample has no statistics, got shape {list(tensor.shape)}")
    return tensor.cpu()


def _gathered(sample: Any, name: str) -> Tensor:
    if isinstance(sample, (list, tuple)) and any(isinstance(item, Tensor) for item in sample):
        sample = [as_tensor(item, name) for item in sample]
        if len({item.shape for item in sample}) > 1:
            shapes = ", ".join(str(list(item.shape)) for item in sample)
            raise ConfigError(f"{name}: the tensors of one sample must have one shape, got {shapes}")
        return torch.stack(sample)
    try:
        return torch.as_tensor(sample)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name}: a sample must be a tensor, a number or a list of them: {error}") from None


def check_dims(dims: Any, name: str) -> Dims:
    """Return ``dims`` as "all", None or a tuple of whole numbers.

    Raises:
        ConfigError: anything else.
    """
    if dims is None or dims == "all":
        return dims
    whole = isinstance(dims, (list, tuple)) and all(type(dim) is int for dim in dims)
    if not whole or not dims:
        raise ConfigError(f"{name}: dims must be 'all', None or a list of dimensions, got {dims!r}")
    return tuple(dims)


def kept_shape(shape: torch.Size, dims: Dims, name: str) -> tuple[int, ...]:
    """Return the shape of the answer: the dimensions of a sample that are not reduced.

    >>> kept_shape(torch.Size([8, 3, 5]), (0, -1), "record")
    (3,)
    """
    if dims == "all":
        return ()
    reduced = _reduced(shape, dims, name)
    return tuple(size for dim, size in enumerate(shape) if dim not in reduced)


def to_rows(sample: Tensor, dims: Dims, name: str) -> Tensor:
    """Return the numbers as a contiguous float32 or float64 tensor with the reduced dimensions first.

    With dims "all" or None the order is as it is: all the numbers are rows, or all of them groups.
    """
    if dims not in ("all", None):
        reduced = _reduced(sample.shape, dims, name)
        kept = [dim for dim in range(sample.dim()) if dim not in reduced]
        sample = sample.permute(*sorted(reduced), *kept)
    return sample.to(torch.float32 if sample.dtype in _NARROW else torch.float64).contiguous()


def batch_dims(shape: torch.Size, dims: Dims, name: str) -> Dims:
    """Return what to reduce of a batch so that each of its rows ``[1, ...]`` counts as a sample."""
    if dims == "all":
        return dims
    return tuple(sorted({0, *_reduced(torch.Size([1, *shape[1:]]), dims, name)}))


def _reduced(shape: torch.Size, dims: Dims, name: str) -> set[int]:
    rank = len(shape)
    reduced: set[int] = set()
    for dim in dims or ():
        assert isinstance(dim, int)
        if not -rank <= dim < rank or dim % rank in reduced:
            raise ConfigError(f"{name}: dims {list(dims or ())} do not suit a sample of shape {list(shape)}")
        reduced.add(dim % rank)
    return reduced
