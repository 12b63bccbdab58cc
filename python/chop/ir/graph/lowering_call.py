"""One node of the fx graph as the lowering rules see it, alike for modules, functions and methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.tools.tensors import cast

Parameters = dict[str, Tensor | list[int]]
Attributes = dict[str, float | list[int]]

# Stands for the number of rows in shapes and sizes, in the core too.
BATCH = -1


def plain_tensor(tensor: Tensor, dtype: torch.dtype = torch.float32, name: str = "a tensor") -> Tensor:
    """Return ``tensor`` detached, contiguous, on the CPU and of ``dtype``: what the core can read.

    Args:
        tensor: any tensor with values.
        dtype: of the result.
        name: opens the messages, such as "Evaluator: x".

    Raises:
        ValueError: the tensor has no memory (fake or meta), or a finite number that ``dtype`` does not hold.
    """
    if tensor.is_meta or isinstance(tensor, torch._subclasses.FakeTensor):
        raise ValueError("a fake or meta tensor has no values to hand to the core")
    return cast(tensor.detach().resolve_conj().resolve_neg().cpu(), dtype, name).contiguous()


@dataclass(frozen=True, slots=True)
class Lowered:
    """What one node becomes: an operation of the core and all that belongs to it."""

    op: str
    inputs: list[str]
    parameters: Parameters = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A node with its arguments under their names.

    Args:
        node: the node.
        mase_op: its operation.
        module: what it calls; None for functions and methods.
        arguments: name -> value as written in the graph (nodes included); ``rest`` holds further positional
            ones.
        tensor_of: gives the parameter or buffer that a get_attr node reads, None for any other node.
        size_of: turns a size (a number, or nodes that compute one from shapes) into a number; BATCH is the
            batch.
        shape_of: gives the shape of a node that was lowered before, with BATCH for the batch.
        values: False to hand over the parameters' shapes without their values.
    """

    node: fx.Node
    mase_op: str
    module: nn.Module | None
    arguments: Mapping[str, Any]
    tensor_of: Callable[[Any], Tensor | None]
    size_of: Callable[[Any], int]
    shape_of: Callable[[Any], list[int]]
    values: bool = True

    def get(self, name: str, default: Any = None) -> Any:
        """An argument that is no tensor: the module's attribute, or what the call was given."""
        if self.module is not None:
            return getattr(self.module, name, default)
        value = self.arguments.get(name, default)
        if isinstance(value, fx.Node):
            raise ValueError(
                f"lower: node {self.node.name} ({self.mase_op}): {name} must be fixed, got a computed value"
            )
        return value

    def numbers(self, name: str, count: int, default: Any = None) -> list[int]:
        """An argument that is one number for all dimensions or one for each."""
        value = self.get(name, default)
        if value is None:
            value = default
        return [int(v) for v in value] if isinstance(value, Sequence) else [int(value)] * count

    def sizes(self, value: Any) -> list[int]:
        """A list of sizes or dimensions, given as a sequence, as separate arguments or as one number."""
        if isinstance(value, (tuple, list)):
            return [size for part in value for size in self.sizes(part)]
        return [self.size_of(value)]

    def tensors(self, *names: str) -> Parameters:
        """Parameters and buffers by name; those that are None are left out."""
        found: Parameters = {}
        for name in names:
            tensor = self._tensor(name)
            if tensor is not None:
                found[name] = plain_tensor(tensor) if self.values else list(tensor.shape)
        return found

    def _tensor(self, name: str) -> Tensor | None:
        if self.module is not None:
            return getattr(self.module, name, None)
        value = self.arguments.get(name)
        if value is None:
            return None
        tensor = self.tensor_of(value)
        if tensor is None:
            raise ValueError(
                f"lower: node {self.node.name} ({self.mase_op}): {name} must be a parameter of the model, "
                f"got the computed value {value}"
            )
        return tensor

    def source(self, name: str = "input") -> str:
        """Name of the node that a tensor argument comes from."""
        value = self.node.args[0] if self.module is not None and self.node.args else self.arguments.get(name)
        if self.module is not None and not self.node.args:
            value = next(iter(self.node.kwargs.values()), None)
        return self.named(value)

    def named(self, value: Any) -> str:
        """Name of a node that computes a tensor."""
        if not isinstance(value, fx.Node):
            raise ValueError(f"lower: node {self.node.name} ({self.mase_op}) needs a tensor, got {value!r}")
        return value.name

    def lowered(
        self, op: str | None = None, parameters: Parameters | None = None, **attributes: float | list[int]
    ) -> Lowered:
        """What a node with one tensor input becomes."""
        return Lowered(op or self.mase_op, [self.source()], parameters or {}, attributes)

    def refuse(self, name: str, harmless: Any = None) -> None:
        """Raise ValueError if an argument that the core does not know is given and does something."""
        value = self.get(name, harmless)
        if value is not None and value is not False and value != harmless:
            raise ValueError(
                f"lower: node {self.node.name} ({self.mase_op}): {name}={value} is not known to the core"
            )

    def input_shape(self) -> list[int]:
        """Shape of the node's first tensor, with BATCH for the batch."""
        return self.shape_of(self.arguments.get("input", self.node.args[0] if self.node.args else None))


@dataclass(frozen=True, slots=True)
class LoweringRule:
    """How nodes of one mase_op are lowered.

    Args:
        make: gives the core's operation.
        signature: names of a function's or method's positional arguments; what comes after them is ``rest``.
        ops: operations of the core that ``make`` may give; the op's own name if empty.
        ignored: names of arguments that do not touch values. Of the others, each that is given must be read.
    """

    make: Callable[[Call], Lowered]
    signature: str = "input"
    ops: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
