"""Shapes of a model's inputs, where nobody gives them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import fx

from chop.ir.graph.mase_graph import MaseGraph


class StoredInput(NamedTuple):
    """What the metadata pass recorded for an input, without its batch."""

    shape: list[int]
    dtype: torch.dtype | None


def stored_input(node: fx.Node) -> StoredInput | None:
    """Return the shape and dtype of an input that a metadata pass recorded, else None."""
    meta = node.meta.get("mase")
    result = (meta["common"].get("results", {}) if meta is not None else {}).get("data_out_0", {})
    shape, dtype = result.get("shape"), result.get("torch_dtype")
    if not shape:
        return None
    return StoredInput([int(size) for size in shape[1:]], dtype if isinstance(dtype, torch.dtype) else None)


def stored_shape(node: fx.Node) -> list[int] | None:
    """Return the shape of an input, without its batch, that a metadata pass recorded, else None."""
    found = stored_input(node)
    return found.shape if found else None


def first_layer_features(mg: MaseGraph) -> int:
    """Return the features of a model's input where its first layer tells them.

    Raises:
        ValueError: it does not.
    """
    modules = mg.modules
    for node in mg.nodes:
        module: Any = modules.get(str(node.target)) if node.op == "call_module" else None
        if hasattr(module, "in_channels") or hasattr(module, "num_embeddings"):
            break  # the shape has more than features
        for name in ("in_features", "num_features"):
            if hasattr(module, name):
                return int(getattr(module, name))
    raise ValueError(
        "no layer tells the shape of the input; pass an example of it, or input_shapes=, one shape without the batch"
    )
