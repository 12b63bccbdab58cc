"""What a call is given, under the names that the lowering rules know; what nobody reads is refused."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType, MappingProxyType
from typing import Any

from torch import fx

from chop.ir.graph.ops import source_text
from chop.nn.quantized.functional import quantized_function_op

# Other spellings of arguments: NumPy's, which torch takes everywhere, and those of single functions.
_SPELLINGS = {
    "axis": "dim",
    "keepdims": "keepdim",
    **dict.fromkeys(("x", "x1", "a", "self", "tensors"), "input"),
    **dict.fromkeys(("x2", "mat2"), "other"),
}
# A write in place is a matter of who reads the tensor afterwards, see chop.ir.graph.writes.
_NO_MATTER = frozenset({"inplace"})


class Arguments(Mapping[str, Any]):
    """The arguments of a function or method; ``rest`` holds the positional ones beyond the known names.

    It remembers which of them were read: one that is given, is not the function's default and that no rule has read
    would be ignored.

    Args:
        node: the call.
        signature: names of the positional arguments, for functions that do not tell.
        known: values of nodes that are no tensors.

    >>> import torch
    >>> graph = fx.Graph()
    >>> node = graph.call_function(torch.mean, (graph.placeholder("x"),), {"axis": 1, "dtype": torch.float64})
    >>> arguments = Arguments(node, "input dim keepdim")
    >>> arguments["input"], arguments["dim"], arguments.unread(())
    (x, 1, ['dtype'])
    """

    def __init__(
        self, node: fx.Node, signature: str = "", known: Mapping[fx.Node, Any] = MappingProxyType({})
    ) -> None:
        names, self._defaults = _parameters(node, signature.split())
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda each: known.get(each, each))
        given = dict(zip(names, args, strict=False))
        if rest := args[len(names) :]:
            given["rest"] = rest
        for name, value in kwargs.items():
            given[name if name in names else _SPELLINGS.get(name, name)] = value
        self._given = given
        self._read = set[str]()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def unread(self, ignored: Collection[str]) -> list[str]:
        """Return the names of what was given, does something for all we know, and was not read."""
        return [
            name
            for name, value in self._given.items()
            if not (name in self._read or name in ignored or name in _NO_MATTER or name.startswith("_"))
            and not _is_default(value, self._defaults.get(name))
        ]

    def refuse_unread(self, node: fx.Node, mase_op: str, ignored: Collection[str]) -> None:
        """Raise ValueError if the call is given something that the core would not see."""
        if unread := self.unread(ignored):
            listed = ", ".join(f"{name}={self._given[name]!r}" for name in unread)
            raise ValueError(
                f"lower: node {node.name} ({mase_op}){source_text(node)}: {listed} is not known to the core"
            )


def _parameters(node: fx.Node, names: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Names of positional arguments, and defaults where the function tells them."""
    if node.op == "call_function" and quantized_function_op(node.target):
        return ["input", "other"][: len(names)], {"config": node.kwargs.get("config")}
    if not isinstance(node.target, FunctionType) or node.target.__module__ != "torch.nn.functional":
        return names, {}
    parameters = inspect.signature(node.target).parameters.values()
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters):
        return names, {}
    return [each.name for each in parameters], {each.name: each.default for each in parameters}


def _is_default(value: Any, default: Any) -> bool:
    return value is None or (type(value) is type(default) and value == default)
