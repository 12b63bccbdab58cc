"""Python values of graphs and metadata as JSON and tensors, and back: a closed list of kinds, no pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.fx.immutable_collections import immutable_list

from chop.tools.errors import ConfigError

_KIND = "$"  # the key that marks an encoded value
_PLAIN = (type(None), bool, int, float, str)
_BUILTIN_TYPES = (bool, int, float, complex, str, tuple, list, dict, slice, type(None), type(Ellipsis))
_OTHER_TYPES = (torch.Size, torch.dtype, torch.device, torch.Tensor, np.ndarray)
_TYPES = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (*_BUILTIN_TYPES, *_OTHER_TYPES)}
_DTYPES = {str(d).removeprefix("torch."): d for d in vars(torch).values() if isinstance(d, torch.dtype)}
_CONSTANTS = {str(c): c for c in vars(torch).values() if isinstance(c, (torch.memory_format, torch.layout))}
_SEQUENCES: Mapping[type, str] = {tuple: "tuple", torch.Size: "size"}


class Encoder:
    """Turns values into JSON; tensors are collected and referred to by name.

    Args:
        state: name -> tensor of the model: a value that is one of them (same memory) is not stored twice.

    Attributes:
        tensors: name -> tensor, those that are not in ``state``.

    >>> encoder = Encoder({})
    >>> Decoder({}, {}, {})(encoder((1, slice(None), torch.float32), "here"))
    (1, slice(None, None, None), torch.float32)
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names = {memory_of(tensor): ("state", name) for name, tensor in list(state.items())[::-1]}
        self._kept: list[Tensor] = []  # an id stays the tensor's own as long as the tensor lives

    def __call__(self, value: Any, where: str) -> Any:
        """Encode one value.

        Args:
            value: what to encode.
            where: opens the message of an error.

        Raises:
            ConfigError: a value of a kind that no file can hold.
        """
        if type(value) in _PLAIN:
            return value
        if type(value) in (list, immutable_list):  # torch.fx keeps the lists of a call in a class of its own
            return [self(item, where) for item in value]
        if isinstance(value, dict):
            return self._mapping(value, where)
        if type(value) in _SEQUENCES:
            return {_KIND: _SEQUENCES[type(value)], "items": [self(item, where) for item in value]}
        if isinstance(value, (slice, range)):
            ends = (value.start, value.stop, value.step)
            return {_KIND: type(value).__name__, "items": [self(item, where) for item in ends]}
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(value, where)
        return self._named(value, where)

    def _mapping(self, value: dict[Any, Any], where: str) -> Any:
        if all(isinstance(key, str) for key in value) and _KIND not in value:
            return {key: self(item, f"{where}.{key}") for key, item in value.items()}
        items = [[self(key, where), self(item, f"{where}.{key}")] for key, item in value.items()]
        return {_KIND: "dict", "items": items}

    def _tensor(self, value: Tensor) -> Any:
        if value.is_meta:
            dtype = str(value.dtype).removeprefix("torch.")
            return {_KIND: "meta", "shape": list(value.shape), "dtype": dtype}
        source, name = self._names.setdefault(memory_of(value), ("tensors", f"value.{len(self.tensors)}"))
        if source == "tensors" and name not in self.tensors:
            self.tensors[name] = value.detach()
            self._kept.append(value)
        return {_KIND: "tensor", "from": source, "name": name}

    def _array(self, value: Any, where: str) -> Any:
        try:
            tensor = torch.from_numpy(np.array(value, order="C"))
        except TypeError:
            raise ConfigError(f"{where}: an array of {value.dtype} cannot be saved") from None
        return {**self._tensor(tensor), _KIND: "array" if isinstance(value, np.ndarray) else "number"}

    def _named(self, value: Any, where: str) -> Any:
        if isinstance(value, fx.Node):
            return {_KIND: "node", "name": value.name}
        if isinstance(value, torch.dtype):
            return {_KIND: "dtype", "name": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {_KIND: "device", "name": str(value)}
        if isinstance(value, (torch.memory_format, torch.layout)):
            return {_KIND: "constant", "name": str(value)}
        if value is Ellipsis:
            return {_KIND: "ellipsis"}
        if isinstance(value, complex):
            return {_KIND: "complex", "items": [value.real, value.imag]}
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        if isinstance(value, type) and _TYPES.get(name) is value:
            return {_KIND: "type", "name": name}
        raise ConfigError(f"{where}: a value of type {type(value).__name__} cannot be saved: {value!r:.80}")


def memory_of(tensor: Tensor) -> tuple[Any, ...]:
    """Equal for two tensors that are one view of the same memory."""
    if tensor.is_meta or tensor.layout != torch.strided or tensor.numel() == 0:
        return (id(tensor),)
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


class Decoder:
    """Turns what :class:`Encoder` made into values again.

    Args:
        state, tensors: name -> tensor, as the encoder had and collected them.
        nodes: name -> node of the new graph.

    Raises:
        KeyError, TypeError, ValueError: on what no encoder writes; the caller says which file it is.
    """

    def __init__(
        self, state: Mapping[str, Tensor], tensors: Mapping[str, Tensor], nodes: Mapping[str, fx.Node]
    ) -> None:
        self._sources = {"state": state, "tensors": tensors}
        self._nodes = nodes

    def __call__(self, value: Any) -> Any:
        """Decode one value."""
        if isinstance(value, list):
            return [self(item) for item in value]
        if not isinstance(value, dict):
            return value
        if _KIND not in value:
            return {key: self(item) for key, item in value.items()}
        return self._readers[value[_KIND]](self, value)

    def _dict(self, value: dict[str, Any]) -> dict[Any, Any]:
        return {self(key): self(item) for key, item in value["items"]}

    def _tensor(self, value: dict[str, Any]) -> Tensor:
        return self._sources[value["from"]][value["name"]].detach()

    _readers: Mapping[str, Callable[[Decoder, dict[str, Any]], Any]] = {
        "dict": _dict,
        "tensor": _tensor,
        "tuple": lambda self, value: tuple(self(value["items"])),
        "size": lambda self, value: torch.Size(self(value["items"])),
        "slice": lambda self, value: slice(*self(value["items"])),
        "range": lambda self, value: range(*self(value["items"])),
        "array": lambda self, value: self._tensor(value).numpy(),
        "number": lambda self, value: self._tensor(value).numpy()[()],
        "meta": lambda self, value: torch.empty(value["shape"], dtype=_DTYPES[value["dtype"]], device="meta"),
        "node": lambda self, value: self._nodes[value["name"]],
        "dtype": lambda self, value: _DTYPES[value["name"]],
        "device": lambda self, value: torch.device(value["name"]),
        "constant": lambda self, value: _CONSTANTS[value["name"]],
        "ellipsis": lambda self, value: Ellipsis,
        "complex": lambda self, value: complex(*value["items"]),
        "type": lambda self, value: _TYPES[value["name"]],
    }
