"""Modules whose tensors have shapes but no memory, made without touching the originals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def on_meta(value: Any) -> Any:
    """Return a tensor, or a list or tuple of them, on the meta device; anything else as it is."""
    if isinstance(value, Tensor):
        made = torch.empty(value.shape, dtype=value.dtype, device="meta")
        return nn.Parameter(made, requires_grad=False) if isinstance(value, nn.Parameter) else made
    if isinstance(value, (list, tuple)) and any(isinstance(part, Tensor) for part in value):
        return type(value)(map(on_meta, value))
    return value


class MetaModules(Mapping[str, nn.Module]):
    """The same modules in eval mode and on the meta device, each made when it is asked for."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.modules = modules
        self._made: dict[int, nn.Module] = {}

    def __getitem__(self, name: str) -> nn.Module:
        return self._of(self.modules[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def _of(self, module: nn.Module) -> nn.Module:
        if id(module) in self._made:
            return self._made[id(module)]
        made = type(module).__new__(type(module))
        self._made[id(module)] = made
        state = {name: on_meta(value) for name, value in vars(module).items()}
        for kind in ("_parameters", "_buffers"):
            state[kind] = {name: on_meta(tensor) for name, tensor in vars(module)[kind].items()}
        state["_modules"] = {
            name: None if child is None else self._of(child) for name, child in module._modules.items()
        }
        made.__dict__.update(state, training=False)
        return made
