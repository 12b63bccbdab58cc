"""What the inputs of a model look like: from an example, from shapes, from metadata or from its first layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from chop.cost.work import tensors_of
from chop.ir.graph.eval_run import fixed_value, is_declared_input
from chop.ir.graph.lowering_inputs import first_layer_features, stored_input
from chop.ir.graph.mase_graph import MaseGraph, forward_inputs
from chop.ir.graph.ops import find_row
from chop.tools.errors import ConfigError

Shapes = Mapping[str, Sequence[int]] | Sequence[int]
Example = Tensor | np.ndarray | Sequence[Any] | Mapping[str, Any]
_TABLES = ("embedding", "embedding_bag")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into a model.

    Attributes:
        values: input -> value; tensors without memory unless ``real``.
        batch: rows.
        source: where the shapes come from, in words.
        real: whether the values are those of an example, so that nodes can look at them.
    """

    values: Mapping[str, Any]
    batch: int
    source: str
    real: bool = False

    def __str__(self) -> str:
        shown = [f"{name} {_text(v)}" for name, v in self.values.items() if isinstance(v, Tensor)]
        return f"{', '.join(shown)} (from {self.source})"


def from_example(mg: MaseGraph, x: Example, source: str = "the example input") -> Inputs:
    """Return an example as the inputs of a model.

    Args:
        mg: the model.
        x: a tensor or array [rows, ...]; a tuple or list of the inputs in order; or input name -> value.

    Raises:
        ConfigError: too few or too many, or none of them a tensor.
    """
    inputs = _free(mg)
    every = {str(node.target).lstrip("*"): node for node in forward_inputs(mg.fx_graph)}
    if isinstance(x, Mapping):
        for name in x:
            if name not in every:
                raise ConfigError(f"cost: the model has no input {name!r}; it has: {', '.join(every)}")
        given = {every[name].name: value for name, value in x.items()}
    else:
        values = list(x) if isinstance(x, (tuple, list)) else [x]
        if len(values) > len(every):
            raise ConfigError(
                f"cost: the example has {len(values)} inputs, the model {len(every)}: {', '.join(every)}"
            )
        order = inputs if len(values) <= len(inputs) else list(every.values())
        given = {node.name: value for node, value in zip(order, values, strict=False)}
    found = _fixed(mg) | {name: _as_tensor(value) for name, value in given.items()}
    missing = [str(node.target) for node in inputs if node.name not in found]
    if missing:
        raise ConfigError(
            f"cost: the example has no value for {', '.join(missing)}; pass a tuple or name -> value"
        )
    tensors = [t for name in given for t in tensors_of(found[name])]
    if not tensors or tensors[0].dim() == 0:
        raise ConfigError(
            f"cost: an example must be a tensor or array [rows, ...], or several of them, got {x!r:.80}"
        )
    return Inputs(found, int(tensors[0].shape[0]), source, real=not any(t.is_meta for t in tensors))


def from_shapes(mg: MaseGraph, batch: int, shapes: Shapes | None) -> Inputs:
    """Return inputs of known shapes, or those that metadata or the first layer tell.

    Raises:
        ConfigError: nothing tells the shape of an input, or a name is none of the model's.
    """
    found = _fixed(mg)
    inputs = _free(mg)
    if isinstance(shapes, Mapping):
        known = {str(node.target) for node in inputs} | {node.name for node in inputs}
        for name in shapes:
            if name not in known:
                raise ConfigError(
                    f"cost: input_shapes.{name} is no input of the model; it has: {', '.join(sorted(known))}"
                )
    elif shapes is not None and len(inputs) != 1:
        raise ConfigError(
            f"cost: the model has {len(inputs)} inputs; pass input_shapes={{name: shape}} or an example"
        )
    for given in shapes.values() if isinstance(shapes, Mapping) else () if shapes is None else (shapes,):
        if any(isinstance(size, Sequence) for size in given):
            raise ConfigError(
                f"cost: input_shapes must be one shape without the batch, such as (1, 8, 8), got {given!r}"
            )
    source = "input_shapes" if shapes is not None else ""
    for node in inputs:
        dtype = _likely_dtype(mg, node)
        if isinstance(shapes, Mapping):
            shape = shapes.get(str(node.target), shapes.get(node.name))
            if shape is None:
                raise ConfigError(f"cost: input_shapes has no shape for the input {node.target}")
        elif shapes is not None:
            shape = shapes
        elif (stored := stored_input(node)) is not None:
            shape, dtype, source = stored.shape, stored.dtype or dtype, "the stored metadata"
        elif len(inputs) == 1:
            shape, source = [first_layer_features(mg)], "the features of the first layer"
        else:
            raise ConfigError(
                f"cost: the model has {len(inputs)} inputs; pass input_shapes={{name: shape}} or an example"
            )
        found[node.name] = torch.empty(batch, *(int(size) for size in shape), dtype=dtype, device="meta")
    return Inputs(found, batch, source or "the model")


def _free(mg: MaseGraph) -> list[fx.Node]:
    """The inputs that have no value of their own."""
    fixed = _fixed(mg)
    return [node for node in forward_inputs(mg.fx_graph) if node.name not in fixed]


def _fixed(mg: MaseGraph) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in forward_inputs(mg.fx_graph):
        if str(node.target).startswith("*"):
            found[node.name] = {} if str(node.target).startswith("**") else ()
        elif not is_declared_input(mg, node) and (value := fixed_value(mg, node)):
            found[node.name] = value[0]
    return found


def _as_tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _likely_dtype(mg: MaseGraph, node: fx.Node) -> torch.dtype:
    """Whole numbers for what an embedding looks up, else that of the model's weights."""
    modules = mg.modules
    for user in node.users:
        row = find_row(user, modules)
        name = row.mase_op if row else type(modules.get(str(user.target))).__name__
        if name in (*_TABLES, "EmbeddingBag") and user.all_input_nodes[0] is node:
            return torch.int64
    return next((p.dtype for p in mg.model.parameters() if p.is_floating_point()), torch.float32)


def _text(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype).removeprefix('torch.')}"
