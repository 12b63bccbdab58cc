"""Layers and tensors of a graph in a file: what the state dict does not tell, and how they are put together again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from chop.ir.graph.mase_graph import MaseGraph, copy_module
from chop.ir.graph.module_codec import build_module, describe_module
from chop.ir.graph.value_codec import Decoder, Encoder, memory_of

__all__ = ["build_modules", "describe_modules", "describe_tensors", "held_tensors", "named_tensors"]


def describe_modules(graph: MaseGraph, encoder: Encoder) -> dict[str, Any]:
    """Describe each layer that a node calls, by its target; a layer under a second name refers to the first."""
    described: dict[str, Any] = {}
    first: dict[int, str] = {}
    for node in graph.nodes:
        target = str(node.target)
        if node.op != "call_module" or target in described:
            continue
        module = graph.model.get_submodule(target)
        same = first.setdefault(id(module), target)
        if same == target:
            described[target] = describe_module(module, encoder, f"module {target}")
        else:
            described[target] = {"kind": "same", "name": same}
    return described


def describe_tensors(
    named: Mapping[str, Tensor], state: Mapping[str, Tensor], encoder: Encoder
) -> dict[str, Any]:
    """What the state dict does not tell: parameters, tied tensors, and buffers that it leaves out."""
    described: dict[str, Any] = {}
    first: dict[int, str] = {}
    memory: dict[Any, str] = {}
    for name, tensor in named.items():
        same = first.setdefault(id(tensor), name)
        shares = memory.setdefault(memory_of(tensor), name)
        entry: dict[str, Any] = {"parameter": isinstance(tensor, nn.Parameter), "grad": tensor.requires_grad}
        if same != name:
            entry["same"] = same
        elif shares != name:  # two tensors on one memory
            entry["shares"] = shares
        if name not in state:
            entry["value"] = encoder(tensor, name)
        described[name] = entry
    return described


def held_tensors(
    described: Mapping[str, Any], state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the described tensors by name: parameters or buffers, tied where they were."""
    held: dict[str, Tensor] = {}
    plain = Decoder(state, tensors, {})
    for name, entry in described.items():
        if "same" in entry:
            held[name] = held[entry["same"]]
            continue
        if "shares" in entry:
            tensor = held[entry["shares"]].detach()
        else:
            tensor = plain(entry["value"]) if "value" in entry else state[name]
        grad = bool(entry["grad"])
        held[name] = nn.Parameter(tensor, grad) if entry["parameter"] else tensor.requires_grad_(grad)
    return held


def build_modules(
    described: Mapping[str, Any], donor: MaseGraph | None, decoder: Decoder, held: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Build the described layers, those of the user's own from copies of the donor's; all hold the held tensors."""
    own = donor.modules if donor is not None else {}
    built: dict[str, Any] = {}
    for target, entry in described.items():
        if entry["kind"] == "same":
            built[target] = built[entry["name"]]
            continue
        module = build_module(entry, own.get(target), decoder, target)
        built[target] = copy_module(own[target]) if module is None else module
        _hand_over(built[target], target, held)
    return built


def _hand_over(module: nn.Module, target: str, held: Mapping[str, Tensor]) -> None:
    """Put the held tensors in the place of the module's own, all of which must be there."""
    for name, old in list(named_tensors(module)):
        tensor = held[f"{target}.{name}"]
        if tensor.shape != old.shape or isinstance(tensor, nn.Parameter) != isinstance(old, nn.Parameter):
            raise ValueError(f"{target}.{name} has shape {list(tensor.shape)}, the layer {list(old.shape)}")
        path, _, attribute = name.rpartition(".")
        owner = module.get_submodule(path)
        table = owner._parameters if isinstance(old, nn.Parameter) else owner._buffers
        table[attribute] = tensor  # type: ignore[assignment]


def named_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All parameters and buffers, tied ones under each of their names."""
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)
