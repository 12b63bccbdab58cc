"""Layers as class name and constructor arguments, and back; only classes of closed tables are ever built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chop.ir.graph.ops import known_module_class
from chop.ir.graph.own_code import gradient_code, own_code
from chop.ir.graph.value_codec import Decoder, Encoder
from chop.nn.quantized.modules import quantized_module_map
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.tools.errors import ConfigError

# How many parts these have is an argument, and a forged one would build for ever.
_MANY_PARTS = (nn.RNNBase, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)
_SETTINGS = (type(None), bool, int, float, complex, str, tuple, list, dict, torch.dtype, torch.device)


def class_name(module: nn.Module) -> str:
    """Return ``module.qualname`` of a module's class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def describe_module(module: nn.Module, encoder: Encoder, where: str) -> dict[str, Any]:
    """Describe a layer of torch, or a quantized one, so that it can be built anew.

    Anything else (classes of the user's own, layers with hooks or methods of their own, pruned ones) is described
    by its class's name and its text alone: it has to come from a graph that has it. Of a quantized layer that is not
    what its class says, the float layer is the user's own.
    """
    found = _closed_table_class(module)
    if found is not None and not (own_code(module, (found[2],)) or gradient_code(module)):
        kind, name, cls = found
        arguments = _arguments(module, cls)
        if arguments is not None and _builds_alike(cls, arguments, module):
            return {"kind": kind, "name": name, "arguments": encoder(arguments, where)}
    own: dict[str, Any] = {"kind": "own"}
    if isinstance(module, QuantizedModule):
        own |= {
            "quantized": f"{module.mase_op}_{module.quantizer_name}",
            "config": encoder(module.config, where),
        }
        module = module.to_float()
    return {**own, "name": class_name(module), "text": _text(module), "hooks": _hooks(module)}


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
        float_donor = donor.to_float() if isinstance(donor, QuantizedModule) else donor
        if float_donor is None or class_name(float_donor) != name:
            raise ConfigError(
                f"module {where} is of the class {name}, which a file cannot hold: "
                "load into the graph of a model that has it"
            )
        _check_donor(description, float_donor, where)
        if "quantized" in description:
            config = decoder(description["config"])
            return quantized_module_map[description["quantized"]].from_float(float_donor, config)
        return None if donor is float_donor else float_donor
    cls = quantized_module_map[name] if kind == "quantized" else _layer_class(name)
    if cls is None:
        raise ConfigError(f"module {where} is of the unknown class {name}; register_op makes classes known")
    return _build(cls, decoder(description["arguments"]))


def _closed_table_class(module: nn.Module) -> tuple[str, str, type[nn.Module]] | None:
    if isinstance(module, QuantizedModule):
        name = f"{module.mase_op}_{module.quantizer_name}"
        return ("quantized", name, type(module)) if quantized_module_map[name] is type(module) else None
    cls = _layer_class(class_name(module))
    return ("layer", class_name(module), cls) if cls is type(module) else None


def _layer_class(name: str) -> type[nn.Module] | None:
    """A class of the op table, or one of torch's layers; not those that are built of as many parts as a number says."""
    known = known_module_class(name)
    if known is not None or not name.startswith("torch.nn.modules."):
        return known
    cls = getattr(nn, name.rpartition(".")[2], None)
    if not isinstance(cls, type) or not issubclass(cls, nn.Module) or issubclass(cls, _MANY_PARTS):
        return None
    return cls if f"{cls.__module__}.{cls.__qualname__}" == name else None


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


def _builds_alike(cls: type[nn.Module], arguments: Mapping[str, Any], module: nn.Module) -> bool:
    try:
        made = _build(cls, arguments)
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError):
        return False
    pairs = list(zip(made.named_modules(), module.named_modules(), strict=False))
    return _tensors(made) == _tensors(module) and all(
        name == other and _same_settings(part, its) for (name, part), (other, its) in pairs
    )


def _tensors(module: nn.Module) -> dict[str, Any]:
    named = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    kept = module.state_dict().keys()
    return {name: (tensor.shape, isinstance(tensor, nn.Parameter), name in kept) for name, tensor in named}


def _same_settings(made: nn.Module, module: nn.Module) -> bool:
    """Same class, text, hooks and plain attributes; nothing that the instance has in place of a method."""
    mine, its = vars(made), vars(module)
    skipped = {"training", *(name for name in mine if name.startswith("_"))}
    plain = [name for name, value in mine.items() if name not in skipped and isinstance(value, _SETTINGS)]
    return (
        type(made) is type(module)
        and repr(made) == repr(module)
        and _hooks(made) == _hooks(module)
        and all(name in its and _equal(mine[name], its[name]) for name in plain)
        and not any(hasattr(type(module), name) for name in its.keys() - mine.keys())
    )


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (a == b or repr(a) == repr(b))  # NaN has a text only


def _hooks(module: nn.Module) -> int:
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(vars(part)[table]) for part in module.modules() for table in tables)


def _text(module: nn.Module) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(module))  # addresses change from run to run


def _check_donor(description: Mapping[str, Any], donor: nn.Module, where: str) -> None:
    kept = {"text": _text(donor), "hooks": _hooks(donor)}
    for key, its in kept.items():
        if description.get(key, its) != its:
            raise ConfigError(
                f"module {where} differs from the one in the given graph: {key} {description[key]!r:.100} in the "
                f"file, {its!r:.100} there"
            )
