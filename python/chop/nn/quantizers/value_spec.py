"""Base class of quantizers whose formats the core knows as value formats: all but the integer grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers.fields import Field, plain_none
from chop.nn.quantizers.number_format import NumberFormat, NumberQuantizer
from chop.nn.quantizers.operands import Operand
from chop.nn.quantizers.spec import QuantizerSpec, TensorFunction


class Biases(Protocol):
    """Which exponent biases can be the best for a tensor; see :meth:`chop.format_scan.binades.Binades.biases`."""

    def __call__(
        self, top: float, exponent: int, lowest: int, relative: float, zero: bool = False
    ) -> Sequence[int]: ...


class ValueSpec(QuantizerSpec):
    """A number format declared by its fields.

    A subclass gives ``name``, ``class_suffix``, ``kinds``, ``fields``, maybe ``optional_fields``, and
    ``make_format``; layers, functions, keys, parsers and metadata follow.

    Attributes:
        kinds: field -> what it may hold.
        arguments: field -> the quantizer's argument, where that has another name.
        make_format: a method ``(where, **arguments)`` that returns the :class:`NumberFormat` for arguments that their
            kinds have read, or raises ConfigError, opening with ``where``, for those that do not go together.
        usual: field -> what it is in a scan for the least error that says nothing of it.
        searched: fields for which such a scan takes the word "best", and ``choices`` finds values.
    """

    kinds: ClassVar[Mapping[str, Field]]
    arguments: ClassVar[Mapping[str, str]] = {}
    make_format: Callable[..., NumberFormat]
    usual: ClassVar[Mapping[str, Any]] = {}
    searched: ClassVar[frozenset[str]] = frozenset()

    def format(self, **arguments: Any) -> NumberFormat:
        """Return the format that the quantizer's function means by these arguments.

        Raises:
            ConfigError: one is out of range.
        """
        where = f"{self.name}_quantizer: "
        by_argument = {self.arguments.get(field, field): kind for field, kind in self.kinds.items()}
        read = {n: by_argument[n].read(v, where + n) if n in by_argument else v for n, v in arguments.items()}
        return self.make_format(where, **read)

    def check_field(self, field: str, value: Any, where: str) -> None:
        self.kinds[field].read(value, where)

    def takes_lists(self, field: str) -> bool:
        return self.kinds[field].takes_lists

    def parse_operand(
        self, operand: str, is_signed: bool, values: Mapping[str, Any], where: str
    ) -> NumberFormat:
        read = {self.arguments.get(f, f): self.kinds[f].read(v, where + f) for f, v in values.items()}
        return self.make_format(where, **read)

    def _format(
        self,
        mase_op: str,
        operand: Operand,
        values: Mapping[str, Any],
        where: str,
        prefix: str,
        as_layer: bool,
    ) -> Any:
        values = self.at_operand(mase_op, operand.name, dict(values), as_layer)
        return self.parse_operand(operand.name, operand.is_signed, values, f"{where}.{prefix}_")

    def at_operand(
        self, mase_op: str, operand: str, values: dict[str, Any], as_layer: bool
    ) -> dict[str, Any]:
        """Return the values of an operand's fields with what follows from the operation alone."""
        return values

    def quantizer(self, format: NumberFormat) -> TensorFunction:
        return NumberQuantizer(format)

    def codes(self, x: Tensor, format: NumberFormat) -> Tensor:
        """Raise ValueError: values have no integer codes that one scale belongs to."""
        raise ValueError(f"a weight in the format {format} has no integer codes")

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        """Return the values of an operand's fields among which those with the least error are.

        Args:
            entries: fields that are decided; the usual values stand for others that have some.
            biases: tells which exponent biases matter for the numbers.
        """
        return [{**self.usual, **entries}]

    def precision(self, config: Mapping[str, Any], operand: Operand) -> list[Any]:
        return [plain_none(value) for value in super().precision(config, operand)]


def quantize_by(spec: ValueSpec, function: Callable[..., Any], x: Any, **arguments: Any) -> Any:
    """Body of every ``<format>_quantizer``; ``function`` is that one itself, the leaf that torch.fx records."""
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, **arguments)
    if not isinstance(x, Tensor):
        raise TypeError(f"{spec.name}_quantizer needs a tensor, got {type(x).__name__}")
    return spec.quantizer(spec.format(**arguments))(x)


def autograd_function(name: str, function: Callable[..., Any]) -> type[torch.autograd.Function]:
    """Return a quantizer as the autograd function of MASE's name: the gradient passes unchanged."""

    def forward(ctx: Any, x: Tensor, *arguments: Any) -> Tensor:
        ctx.count = len(arguments)
        return function(x.detach(), *arguments)

    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0], *(None,) * ctx.count

    members = {
        "forward": staticmethod(forward),
        "backward": staticmethod(backward),
        "__module__": function.__module__,
        "__doc__": f":func:`{function.__name__}` as an autograd function; arguments by position.",
    }
    return type(name, (torch.autograd.Function,), members)
