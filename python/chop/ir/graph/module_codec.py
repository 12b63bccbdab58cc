"""Layers as class name and constructor arguments, and back; only classes of closed tables are ever built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chop.ir.graph.ops import known_module_class
from chop.ir.graph.value_codec import Decoder, Encoder
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.tools.errors import ConfigError


def class_name(module: nn.Module) -> str:
    """Return ``module.qualname`` of a module's class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def describe_module(module: nn.Module, encoder: Encoder, where: str) -> dict[str, Any]:
    """Describe a layer of torch, or a quantized one, so that it can be built anew.

    Anything else (classes of the user's own, layers with hooks, pruned ones) is described by its class's name
    alone: it has to come from a graph that has it.
    """
    found = _closed_table_class(module)
    if found is not None and not (module._forward_hooks or module._forward_pre_hooks):
        kind, name, cls = found
        arguments = _arguments(module, cls)
        if arguments is not None and _alike(_build(cls, arguments), module):
            return {"kind": kind, "name": name, "arguments": encoder(arguments, where)}
    return {"kind": "own", "name": class_name(module)}


def build_module(
    description: Mapping[str, Any], donor: nn.Module | None, decoder: Decoder, where: str
) -> nn.Module | None:
    """Build a described layer, on the meta device: its tensors come later.

    Args:
        description: what :func:`describe_module` made.
        donor: the module of that place in a graph at hand; needed, and not changed, for a user's own class.
        decoder: for the arguments.
        where: the target, for messages.

    Returns:
        The layer, None for one of the user's own that the caller has to copy from the donor.

    Raises:
        ConfigError: a class of the user's own without a donor, or a class that no table has.
    """
    kind, name = description["kind"], description["name"]
    if kind == "own":
        if donor is None or class_name(donor) != name:
            raise ConfigError(
                f"module {where} is of the class {name}, which a file cannot hold: "
                "load into the graph of a model that has it"
            )
        return None
    cls = quantized_module_map[name] if kind == "quantized" else known_module_class(name)
    if cls is None:
        raise ConfigError(f"module {where} is of the unknown class {name}; register_op makes classes known")
    return _build(cls, decoder(description["arguments"]))


def _closed_table_class(module: nn.Module) -> tuple[str, str, type[nn.Module]] | None:
    if isinstance(module, QuantizedModule):
        name = f"{module.mase_op}_{module.quantizer_name}"
        return ("quantized", name, type(module)) if quantized_module_map[name] is type(module) else None
    cls = known_module_class(class_name(module))
    return ("layer", class_name(module), cls) if cls is type(module) else None


def _arguments(module: nn.Module, cls: type[nn.Module]) -> dict[str, Any] | None:
    """Read the constructor's arguments from attributes of the same names; None where one cannot be read."""
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if name in ("self", "device", "dtype") or name.startswith("_") or variable:
            continue
        if name == "bias":  # the attribute is the tensor
            arguments[name] = getattr(module, name, None) is not None
        elif hasattr(module, name):
            arguments[name] = getattr(module, name)
        elif parameter.default is parameter.empty:
            return None
    return arguments


def _build(cls: type[nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        return cls(**arguments)


def _alike(made: nn.Module, module: nn.Module) -> bool:
    shapes = [
        {name: tensor.shape for name, tensor in (*m.named_parameters(), *m.named_buffers())}
        for m in (made, module)
    ]
    return shapes[0] == shapes[1] and repr(made) == repr(module)
