"""One model as text, with its weights and data."""

from __future__ import annotations

import functools
import linecache
import math
import operator
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from tests.meaning import user_modules

CLASSES = 5
Shape = tuple[int, ...]

LIBRARY: Mapping[str, Any] = {
    "torch": torch, "nn": nn, "F": F, "math": math, "operator": operator, "functools": functools, "prune": prune,
    "OrderedDict": OrderedDict, **{k: v for k, v in vars(user_modules).items() if not k.startswith("_")},
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One model, as text.

    Args:
        name: unique in its list.
        source: text of the class ``Net``.
        shape: of a row of the input.
        kinds: of the blocks in it.
        seed: of weights and data.
    """

    name: str
    source: str
    shape: Shape
    kinds: frozenset[str]
    seed: int

    @cached_property
    def _code(self) -> CodeType:
        file = f"<model {self.name}>"
        linecache.cache[file] = len(self.source), None, self.source.splitlines(keepends=True), file
        return compile(self.source, file, "exec")

    def model(self) -> nn.Module:
        """A new instance, in train mode, the same numbers each time."""
        space = dict(LIBRARY)
        exec(self._code, space)
        torch.default_generator.manual_seed(self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: nn.Module = space["Net"]()
        fill_statistics(made)
        return made

    def data(self, rows: int) -> Tensor:
        """Normal numbers."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        return torch.randn(rows, *self.shape, generator=generator) * 1.5

    def labels(self, rows: int) -> Tensor:
        """Classes by chance."""
        return torch.randint(0, CLASSES, (rows,), generator=torch.Generator().manual_seed(self.seed + 2))


def fill_statistics(model: nn.Module) -> None:
    """Give norms statistics and weights that change what they are given."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "running_var", None), Tensor):
                module.running_var.uniform_(0.3, 2.0)
                module.running_mean.normal_(0.0, 0.5)
            if type(module).__name__.endswith("Norm") or "BatchNorm" in type(module).__name__:
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(0.4, 1.6)
