"""The quantized model without any graph: the user's own code, with the operands of each call rounded on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

T = torch.Tensor
_CALLS: Mapping[str, tuple[Any, ...]] = {
    "linear": (F.linear,),
    "conv1d": (F.conv1d,),
    "conv2d": (F.conv2d,),
    "relu": (F.relu, torch.relu, T.relu, torch.relu_, T.relu_),
    "add": (torch.add, T.add, T.__add__, T.__radd__, T.add_, T.__iadd__),
    "sub": (torch.sub, T.sub, T.__sub__, T.__rsub__, T.sub_, T.__isub__),
    "mul": (torch.mul, T.mul, T.__mul__, T.__rmul__, T.mul_, T.__imul__),
    "matmul": (torch.matmul, T.matmul, T.__matmul__),
    "bmm": (torch.bmm, T.bmm),
}
_OP_OF: dict[Any, str] = {call: op for op, calls in _CALLS.items() for call in calls}
_LAYER_OF = {nn.Linear: "linear", nn.Conv1d: "conv1d", nn.Conv2d: "conv2d", nn.ReLU: "relu"}
_TORCH_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_NAMES = ("input", "other", "mat2", "weight", "bias")


def on_grid(value: Any, width: int, frac: int, signed: bool = True) -> Any:
    """Round to the grid, half to even, and clamp; Python's whole numbers and what is no number stay."""
    if isinstance(value, float):
        return float(on_grid(torch.tensor(value, dtype=torch.float64), width, frac, signed))
    if not isinstance(value, Tensor) or value.is_complex():
        return value
    dtype = value.dtype if value.is_floating_point() else torch.float32
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    return (torch.round(value.double() * 2.0**frac).clamp(low, high) * 2.0**-frac).to(dtype)


class Rounding(TorchFunctionMode):
    """Rounds the operands of what the quantize pass can quantize, for calls of the user's own code and known layers.

    Args:
        width, frac: of all operands.

    Attributes:
        calls: how many calls were rounded.
    """

    def __init__(self, width: int, frac: int) -> None:
        super().__init__()
        self.width, self.frac, self.calls = width, frac, 0
        self.inside: list[nn.Module] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, op = kwargs or {}, _OP_OF.get(func)
        if op is None or not self._counts(op) or "out" in kwargs:
            return func(*args, **kwargs)
        self.calls += 1
        grid = lambda value: on_grid(value, self.width, self.frac, op != "relu")  # noqa: E731
        first = 3 if op in ("linear", "conv1d", "conv2d") else 2
        given = args[0] if args else kwargs.get("input")
        args = tuple(grid(value) if i < first else value for i, value in enumerate(args))
        found = func(*args, **{k: grid(v) if k in _NAMES else v for k, v in kwargs.items()})
        # It was written into the rounded copy.
        return given.copy_(found) if _is_in_place(func, args, kwargs) else found

    def _counts(self, op: str) -> bool:
        if not self.inside:
            return True
        module = self.inside[-1]
        return _LAYER_OF.get(type(module)) == op or not _is_torchs(module)

    @contextmanager
    def watching(self) -> Iterator[Rounding]:
        """Round while the context lasts."""

        def enter(module: nn.Module, given: Any) -> None:
            if not isinstance(module, _TORCH_CONTAINERS) and not (
                self.inside and _is_torchs(self.inside[-1])
            ):
                self.inside.append(module)
                entered.append(module)

        def leave(module: nn.Module, given: Any, output: Any) -> None:
            if entered and entered[-1] is module:
                entered.pop()
                self.inside.pop()

        entered: list[nn.Module] = []
        before = hooks.register_module_forward_pre_hook(enter)
        after = hooks.register_module_forward_hook(leave)
        try:
            with self:
                yield self
        finally:
            before.remove()
            after.remove()


def _is_in_place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    if func is F.relu:
        return bool(kwargs.get("inplace", args[1] if len(args) > 1 else False))
    name = func.__name__
    return name in ("__iadd__", "__isub__", "__imul__") or (name.endswith("_") and not name.endswith("__"))


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn")
