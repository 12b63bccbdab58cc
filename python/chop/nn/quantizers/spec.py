"""What a quantizer declares: its config fields, its formats, and the function of a format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from chop.nn.quantizers.element_format import is_list
from chop.nn.quantizers.fields import Field
from chop.nn.quantizers.operands import LAYER_OPS, OPERAND_NAMES, OPERANDS, Operand
from chop.registry import Registry, UnknownNameError, did_you_mean, found_instead
from chop.tools.errors import ConfigError

QUANTIZERS: Registry[QuantizerSpec] = Registry("quantizer")

TensorFunction = Callable[[Tensor], Tensor]


class QuantizerSpec(ABC):
    """Base class of quantizers; register one instance in ``QUANTIZERS``.

    The layer ``Linear<class_suffix>`` and the map key ``linear_<name>`` are derived from it.

    Attributes:
        name: the arithmetic's name in a config.
        class_suffix: ending of derived class names.
        fields: config fields of each operand, without the operand's prefix.
        optional_fields: further fields that a config may leave out -> what they are then.
        function: the quantizer itself, as ``quantizer_map`` lists it.
        listed: the fields whose values metadata lists under ``precision``; None: ``fields``.
        operations: those that have a quantized form; None: all.
        extra_keys: keys of a config beside the operands' fields -> the operand they belong to, and what they may
            hold.
        broadcasts: whether the operands of a sum are brought to one shape before they are quantized.
        result_format: type and precision that metadata gives the results; None: those of floats.
        is_a_quantizer: whether ``quantizer_map`` lists it; else it is an arithmetic of layers only.
    """

    name: str
    class_suffix: str
    fields: tuple[str, ...]
    optional_fields: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    function: Callable[..., Any]
    listed: tuple[str, ...] | None = None
    operations: frozenset[str] | None = None
    extra_keys: ClassVar[Mapping[str, tuple[str, Field]]] = MappingProxyType({})
    broadcasts: bool = False
    result_format: tuple[str, tuple[int, ...]] | None = None
    is_a_quantizer: bool = True

    @abstractmethod
    def parse_operand(self, operand: str, is_signed: bool, values: Mapping[str, Any], where: str) -> Any:
        """Turn ``values`` (field -> value, already checked by :meth:`check_field`) into a hashable format.

        All fields are there, optional ones with their defaults.
        """

    def parse_elements(self, operand: Operand, values: Mapping[str, Any], where: str) -> Any:
        """Turn ``values``, of which at least one is a list with a number an element, into a hashable format.

        Args:
            operand: the operand, whose ``axis`` is not None.
            values: as for :meth:`parse_operand`.
            where: opens an error message; the name of a field follows.

        Raises:
            ConfigError: always, unless a quantizer takes lists.
        """
        raise ConfigError(f"{where}{self.fields[0]} must be one number: {self.name!r} takes no lists")

    @abstractmethod
    def check_field(self, field: str, value: Any, where: str) -> None:
        """Raise ConfigError, opening with ``where``, for a value the field cannot have."""

    @abstractmethod
    def quantizer(self, format: Any) -> TensorFunction:
        """Return a picklable float-to-float function for one format."""

    @abstractmethod
    def codes(self, x: Tensor, format: Any) -> Tensor:
        """Return the integer codes of ``x``."""

    def takes_lists(self, field: str) -> bool:
        """Whether one format's field may be a list, as a block size is."""
        return False

    def takes_list(self, key: str) -> bool:
        """The same of a key of a config."""
        field = self._field_of_key.get(key)
        return field is not None and self.takes_lists(field)

    def layer_operands(self, mase_op: str) -> frozenset[str]:
        """Names of the operands that a layer quantizes; functions quantize all."""
        return frozenset(operand.name for operand in OPERANDS[mase_op])

    def fused(self, formats: Mapping[str, Any]) -> Any:
        """Return an object with methods ``linear`` and ``conv1d`` that compute a layer in one call, or None.

        None, the default, is always right: the layer then calls the three quantizers and torch's own layer.
        """
        return None

    def precision(self, config: Mapping[str, Any], operand: Operand) -> list[Any]:
        """The operand's fields as metadata lists them: as written in the config, None included."""
        prefix = _prefix(config, operand, self.fields)
        usual = {**self.optional_fields, **{f: getattr(self, f, None) for f in self.listed or ()}}
        names = self.fields if self.listed is None else self.listed
        return [config.get(f"{prefix}_{field}", usual.get(field)) for field in names]

    def modes(self, config: Mapping[str, Any], operand: Operand) -> dict[str, Any]:
        """The operand's optional fields that are not at their defaults, as metadata lists them."""
        values = {field: self._optional(config, operand, field) for field in self.optional_fields}
        return {field: value for field, value in values.items() if value != self.optional_fields[field]}

    def _optional(self, config: Mapping[str, Any], operand: Operand, field: str) -> Any:
        # Each field falls back on its own: a bias with widths of its own still rounds like the weight.
        for name in (operand.name, operand.fallback):
            if name is not None and f"{name}_{field}" in config:
                return config[f"{name}_{field}"]
        return self.optional_fields[field]

    def known_keys(self) -> tuple[str, ...]:
        """Every key a config of this quantizer may have."""
        return ("name", "bypass", *self.extra_keys, *self._field_of_key)

    @cached_property
    def _field_of_key(self) -> dict[str, str]:
        fields = (*self.fields, *self.optional_fields)
        return {f"{operand}_{field}": field for operand in OPERAND_NAMES for field in fields}

    def used_keys(self, mase_op: str) -> frozenset[str]:
        """The keys of a config that one operation reads."""
        fields = (*self.fields, *self.optional_fields)
        operands = (f"{operand.name}_{field}" for operand in OPERANDS[mase_op] for field in fields)
        extra = (
            key for key in self.extra_keys if self.extra_keys[key][0] in {o.name for o in OPERANDS[mase_op]}
        )
        return frozenset({"name", "bypass", *extra, *operands})

    def check(self, config: Mapping[str, Any], where: str) -> None:
        """Check keys and values without asking which operation the config is for.

        Raises:
            ConfigError: an unknown key or a value out of range.
        """
        for key, value in config.items():
            if field := self._field_of_key.get(key):
                self.check_field(field, value, f"{where}.{key}")
            elif key in self.extra_keys:
                self.extra_keys[key][1].read(value, f"{where}.{key}")
            elif key not in ("name", "bypass"):
                hint = did_you_mean(key, self.known_keys())
                raise ConfigError(f"{where}.{key} is not a key of {self.name!r}{hint}")
            elif key == "bypass" and not isinstance(value, bool):
                raise ConfigError(f"{where}.bypass must be true or false, got {value!r}")

    def parse(
        self, mase_op: str, config: Mapping[str, Any], where: str, as_layer: bool | None = None
    ) -> dict[str, Any]:
        """Return operand name -> format for one operation: of the operands that it quantizes.

        Args:
            mase_op: a key of ``OPERANDS``.
            config: name, bypass and ``<operand>_<field>`` keys; keys of other operations are allowed.
            where: what the error message opens with, e.g. ``"quantize: seq_blocks_2"``.
            as_layer: whether a layer computes it, or a function, which some quantizers treat otherwise; None: a
                layer where there is one.

        Raises:
            ConfigError: unknown key, missing key, or value out of range; an operation without a quantized form.

        >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
        >>> QUANTIZERS["integer"].parse("relu", config, "example")
        {'data_in': IntegerFormat(width=8, frac_width=4, is_signed=False, rounding='half_even', overflow='saturate')}
        """
        as_layer = mase_op in LAYER_OPS if as_layer is None else as_layer
        if torch.compiler.is_compiling():  # dynamo would warn about the cache
            return self._parse(mase_op, config, where, as_layer)
        items = _hashable(config)
        return (
            self._parse(mase_op, config, where, as_layer)
            if items is None
            else dict(_parse_cached(self, mase_op, items, where, as_layer))
        )

    def _parse(self, mase_op: str, config: Mapping[str, Any], where: str, as_layer: bool) -> dict[str, Any]:
        self.check(config, where)
        if self.operations is not None and mase_op not in self.operations:
            known = ", ".join(sorted(self.operations))
            raise ConfigError(f"{where}: {self.name!r} has no quantized {mase_op}, only {known}")
        quantized = self.layer_operands(mase_op) if as_layer else None
        formats = {}
        for operand in OPERANDS[mase_op]:
            prefix = _prefix(config, operand, self.fields)
            values = {f: config[f"{prefix}_{f}"] for f in self.fields if f"{prefix}_{f}" in config}
            for field in self.fields:
                if field not in values:
                    raise ConfigError(
                        f"{where}.{operand.name}_{field} is missing: a quantized {mase_op} needs it"
                    )
            values |= {field: self._optional(config, operand, field) for field in self.optional_fields}
            format = self._format(mase_op, operand, values, where, prefix, as_layer)
            if quantized is None or operand.name in quantized:
                formats[operand.name] = format
        return formats

    def _format(
        self,
        mase_op: str,
        operand: Operand,
        values: Mapping[str, Any],
        where: str,
        prefix: str,
        as_layer: bool,
    ) -> Any:
        listed = [field for field, value in values.items() if is_list(value)]
        if not listed:
            return self.parse_operand(operand.name, operand.is_signed, values, where)
        if operand.axis is None:
            raise ConfigError(
                f"{where}.{prefix}_{listed[0]} must be one number: a quantized {mase_op} has one format for its "
                f"{operand.name}"
            )
        return self.parse_elements(operand, values, f"{where}.{prefix}_")


def _hashable(config: Mapping[str, Any]) -> tuple[tuple[str, Any, type], ...] | None:
    """What a config is known by; None where it holds lists. A tuple of 8.0 would be taken for one of 8."""
    items = tuple((key, value, type(value)) for key, value in config.items())
    try:
        hash(items)
    except TypeError:
        return None
    return None if any(is_list(value) for _, value, _ in items) else items


def _prefix(config: Mapping[str, Any], operand: Operand, fields: tuple[str, ...]) -> str:
    if operand.fallback and not any(f"{operand.name}_{field}" in config for field in fields):
        return operand.fallback
    return operand.name


# A search asks for the same few formats thousands of times. The types are in the key because 8 == 8.0 ==
# True.
@lru_cache(maxsize=4096)
def _parse_cached(
    spec: QuantizerSpec, mase_op: str, items: tuple[tuple[str, Any, type], ...], where: str, as_layer: bool
) -> dict[str, Any]:
    return spec._parse(mase_op, {key: value for key, value, _ in items}, where, as_layer)


@lru_cache(maxsize=4096)
def _check_cached(spec: QuantizerSpec, items: tuple[tuple[str, Any, type], ...], where: str) -> None:
    spec.check({key: value for key, value, _ in items}, where)


def check_quantizer_config(config: Mapping[str, Any], where: str) -> QuantizerSpec | None:
    """Check one ``config`` table for whatever arithmetic it names; return that quantizer, None for name None.

    Raises:
        ConfigError: no name, an unknown key, or a value out of range.
        UnknownNameError: an unknown arithmetic.
    """
    if "name" not in config:
        found = found_instead("name", config)
        raise ConfigError(
            f"{where}.name is missing{found}; it is the arithmetic, one of {', '.join(sorted(QUANTIZERS))}"
        )
    name = config["name"]
    if name is None:
        return None
    try:
        spec = QUANTIZERS[name]
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}.name: {error}") from None
    items = None if torch.compiler.is_compiling() else _hashable(config)
    if items is None:
        spec.check(config, where)
    else:
        _check_cached(spec, items, where)
    return spec
