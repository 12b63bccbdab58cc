"""The ``type`` and ``precision`` entries of a node's arguments, read from what the node really computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import find_row
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import OPERANDS, QUANTIZERS


def dtype_precision(dtype: torch.dtype) -> tuple[str, list[int]]:
    """Return the (type, precision) of an unquantized tensor.

    >>> dtype_precision(torch.float32)
    ('float', [32])
    """
    if dtype.is_floating_point or dtype.is_complex:
        return "float", [torch.finfo(dtype).bits]
    return "integer", [1 if dtype == torch.bool else torch.iinfo(dtype).bits, 0]


def node_quantizer_config(node: fx.Node, modules: Mapping[str, nn.Module]) -> Mapping[str, Any] | None:
    """Return the quantizer config that a node carries (a bypassed one too), None for a float node."""
    if node.op == "call_module":
        module = modules.get(str(node.target))
        return module.config if isinstance(module, QuantizedModule) else None
    if node.op == "call_function" and quantized_function_op(node.target):
        config = node.kwargs.get("config")
        return config if isinstance(config, Mapping) else None
    return None


def write_precision(node: fx.Node, modules: Mapping[str, nn.Module]) -> None:
    """Bring type and precision of the node's recorded arguments up to date; shapes and values stay.

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
            entry["type"], entry["precision"] = dtype_precision(dtype)
    config = node_quantizer_config(node, modules)
    row = find_row(node, modules)
    if config is None or row is None:
        return
    spec = QUANTIZERS[config["name"]]
    for operand in OPERANDS[row.mase_op]:
        for name, entry in arguments.items():
            if isinstance(entry, dict) and "precision" in entry and operand.covers(name):
                entry["type"] = config["name"]
                entry["precision"] = spec.precision(config, operand)
