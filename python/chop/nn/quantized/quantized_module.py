"""What every quantized layer shares: its config, its operand quantizers, its way back to float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from torch import Tensor, nn

from chop.nn.quantizers import QUANTIZERS, QuantizerSpec
from chop.nn.quantizers.element_format import plain_numbers
from chop.tools.errors import ConfigError

Quantizer = Callable[[Tensor], Tensor]


class QuantizedModule(nn.Module):
    """Mixin of quantized layers; a class per (layer, quantizer) pair is made by :func:`derive_module`.

    Attributes:
        config: the plain dict the layer was made with.
        bypass: True if the layer computes as its float original.
        formats: operand name -> format; empty when bypassed.
        x_quantizer, w_quantizer, b_quantizer: functions of one tensor; None when bypassed or without such
            operand.
        pruning_masks: None, or what a pruning pass puts there (MASE's interface); the forward does not read
            it.
    """

    mase_op: ClassVar[str]
    float_type: ClassVar[type[nn.Module]]
    quantizer_name: ClassVar[str]

    config: dict[str, Any]
    bypass: bool
    formats: dict[str, Any]
    x_quantizer: Quantizer | None
    w_quantizer: Quantizer | None
    b_quantizer: Quantizer | None

    def _set_config(self, config: Mapping[str, Any] | None) -> None:
        where = f"{self.mase_op}_{self.quantizer_name}"
        if not isinstance(config, Mapping):
            raise ConfigError(f"{where}.config must be a table with the quantizer's fields, got {config!r}")
        self.config = {key: plain_numbers(value) for key, value in config.items()}
        formats = self.spec.parse(self.mase_op, self.config, where)
        self.bypass = bool(self.config.get("bypass", False))
        self.formats = {} if self.bypass else formats
        self.pruning_masks = None
        for attribute, operand in (
            ("x_quantizer", "data_in"),
            ("w_quantizer", "weight"),
            ("b_quantizer", "bias"),
        ):
            format = self.formats.get(operand)
            setattr(self, attribute, None if format is None else self.spec.quantizer(format))

    @property
    def spec(self) -> QuantizerSpec:
        """The quantizer's entry in ``QUANTIZERS``."""
        return QUANTIZERS[self.quantizer_name]

    @classmethod
    def from_float(cls, module: nn.Module, config: Mapping[str, Any]) -> Self:
        """Make the quantized twin of a float or quantized layer: copied weights, same mode, device, dtype."""
        raise NotImplementedError

    def to_float(self) -> nn.Module:
        """Make a float layer with copies of this layer's unquantized weights."""
        raise NotImplementedError


M = TypeVar("M", bound=QuantizedModule)

_DERIVED: dict[tuple[type[QuantizedModule], str], type[Any]] = {}

#: (operation, quantizer) -> the class that its layer derives from, where that has state or a name of its own.
OWN_LAYERS: dict[tuple[str, str], type[QuantizedModule]] = {}


def class_name(base: type[QuantizedModule], spec: QuantizerSpec) -> str:
    """Return the name of the layer class of ``base`` for a quantizer."""
    own = OWN_LAYERS.get((base.mase_op, spec.name))
    return own.__name__ if own else f"{base.float_type.__name__}{spec.class_suffix}"


def derive_module(base: type[M], quantizer: str) -> type[M]:
    """Return the layer class of ``base`` for one quantizer, e.g. ``LinearInteger`` for ``"integer"``.

    Raises:
        UnknownNameError: the quantizer is not registered.
    """
    spec = QUANTIZERS[quantizer]
    if (base, spec.name) in _DERIVED:
        return _DERIVED[base, spec.name]
    if own := OWN_LAYERS.get((base.mase_op, spec.name)):
        return _DERIVED.setdefault((base, spec.name), own)
    name = class_name(base, spec)
    members = {
        "quantizer_name": spec.name,
        "__module__": base.__module__,
        "__qualname__": name,
        "__doc__": base.__doc__,
    }
    return _DERIVED.setdefault((base, spec.name), type(name, (base,), members))


def derive_by_class_name(base: type[QuantizedModule], name: str) -> type[QuantizedModule]:
    """Find a derived class by its name (``LinearInteger``), so that pickles and imports see all of them.

    Raises:
        AttributeError: no registered quantizer makes that name.
    """
    for spec in {id(spec): spec for spec in QUANTIZERS.values()}.values():
        if name == class_name(base, spec):
            return derive_module(base, spec.name)
    raise AttributeError(f"module {base.__module__!r} has no attribute {name!r}")
