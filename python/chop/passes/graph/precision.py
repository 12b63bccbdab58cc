"""The number format in the entries of a node's arguments, read from what the node really computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import find_row, node_quantizer_config
from chop.nn.quantizers import OPERANDS, QUANTIZERS

# A rounding or overflow mode other than MASE's is an entry of its own: precision holds numbers that others add up.
FORMAT_KEYS = ("type", "precision", "rounding", "overflow")


def dtype_precision(dtype: torch.dtype) -> tuple[str, list[int]]:
    """Return the (type, precision) of an unquantized tensor.

    >>> dtype_precision(torch.float32)
    ('float', [32])
    """
    if dtype.is_floating_point or dtype.is_complex:
        return "float", [torch.finfo(dtype).bits]
    return "integer", [1 if dtype == torch.bool else torch.iinfo(dtype).bits, 0]


def write_precision(node: fx.Node, modules: Mapping[str, nn.Module]) -> None:
    """Bring the number formats of the node's recorded arguments up to date; shapes and values stay.

    Those are ``type`` and ``precision``, and ``rounding`` and ``overflow`` of operands that do not use the default.
    Does nothing for a node without common metadata.
    """
    meta = node.meta.get("mase")
    if not isinstance(meta, MaseMetadata) or not meta["common"].get("args"):
        return
    arguments = meta["common"]["args"]
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    for name, entry in arguments.items():
        if isinstance(entry, dict) and "precision" in entry:
            tensor = getattr(module, name, None) if module is not None else None
            dtype = entry.get("torch_dtype", getattr(tensor, "dtype", torch.float32))
            copy_format(entry, dict(zip(FORMAT_KEYS, dtype_precision(dtype), strict=False)))
    config = node_quantizer_config(node, modules)
    row = find_row(node, modules)
    _write_results(meta["common"].get("results") or {}, config)
    if config is None or row is None:
        return
    spec = QUANTIZERS[config["name"]]
    for operand in OPERANDS[row.mase_op]:
        for name, entry in arguments.items():
            if isinstance(entry, dict) and "precision" in entry and operand.covers(name):
                precision = spec.precision(config, operand)
                copy_format(
                    entry,
                    {"type": config["name"], "precision": precision, **spec.modes(config, operand)},
                )


def _write_results(results: Mapping[str, Any], config: Mapping[str, Any] | None) -> None:
    """Results are floats, but for the quantizers whose results metadata gives a format of their own."""
    own = None if config is None else QUANTIZERS[config["name"]].result_format
    for entry in results.values():
        if not isinstance(entry, dict) or "precision" not in entry:
            continue
        if own is not None:
            copy_format(entry, {"type": own[0], "precision": list(own[1])})
        elif entry["type"] in {spec.result_format[0] for spec in QUANTIZERS.values() if spec.result_format}:
            dtype = entry.get("torch_dtype", torch.float32)
            copy_format(entry, dict(zip(FORMAT_KEYS, dtype_precision(dtype), strict=False)))


def copy_format(entry: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Give ``entry`` the number format of ``source``, and no other."""
    for key in FORMAT_KEYS:
        if key in source:
            entry[key] = source[key]
        else:
            entry.pop(key, None)
