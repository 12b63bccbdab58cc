"""Stand-ins for tensors while a model is traced, which see the writes that torch.fx does not record."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx

# torch.fx takes `y += 1` for `y = y + 1`, so that other names of the tensor would keep the old value. Of `@=` that is
# right: a tensor has none of its own.
IN_PLACE: Mapping[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
    operator.iand: operator.and_,
    operator.ior: operator.or_,
    operator.ixor: operator.xor,
    operator.ilshift: operator.lshift,
    operator.irshift: operator.rshift,
}


class Proxy(fx.Proxy):
    """A value of the traced model; ``y += 1`` and ``y[0] = 1`` become calls that write into ``y``."""

    def __getattr__(self, name: str) -> Attribute:
        return Attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "data" and not _is_written_in_place(value, self):
            raise TypeError("a tensor's data are replaced, which a graph cannot say; compute a new tensor")
        super().__setattr__(name, value)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})


class Attribute(fx.proxy.Attribute, Proxy):
    """An attribute of a value (``x.data``), or a method about to be called."""

    def __init__(self, root: fx.Proxy, attr: str) -> None:
        super().__init__(root, attr)
        self._has_gradient = torch.is_grad_enabled()

    @property
    def node(self) -> fx.Node:  # type: ignore[override]
        # It gets its node where it is first used; gradients are on or off where it was read.
        with torch.set_grad_enabled(self._has_gradient):
            return super().node


def _is_written_in_place(value: Any, owner: fx.Proxy) -> bool:
    """``y.data += 1`` writes and then assigns what was written to."""
    if not isinstance(value, fx.Proxy) or value.node.target not in IN_PLACE:
        return False
    source = value.node.args[0]
    return isinstance(source, fx.Node) and source.target is getattr and source.args == (owner.node, "data")


def _recorder(function: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    def record(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return record


for _function in IN_PLACE:
    setattr(Proxy, f"__{_function.__name__}__", _recorder(_function))
