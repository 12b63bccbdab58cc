"""Running a graph in eval mode only to look at it: the model is afterwards as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx._symbolic_trace import PHBase
from torch.utils import _pytree as pytree

from chop.ir.graph.mase_graph import MaseGraph, forward_inputs
from chop.ir.graph.ops import source_text
from chop.tools.errors import ConfigError
from chop.tools.tensors import tensors_in


@contextlib.contextmanager
def eval_mode(*models: nn.Module) -> Iterator[None]:
    """Put models into eval mode without gradients; training flags, buffers and random state come back.

    >>> model = nn.Sequential(nn.Dropout(), nn.Linear(1, 1).eval())
    >>> with eval_mode(model):
    ...     [module.training for module in model.modules()], torch.is_grad_enabled()
    ([False, False, False], False)
    >>> [module.training for module in model.modules()]
    [True, True, False]
    """
    modules = list({id(module): module for model in models for module in model.modules()}.values())
    flags = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    saved = [(b, _version(b), b.clone()) for named in buffers for b in named.values() if b is not None]
    with torch.no_grad(), torch.random.fork_rng():
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, training, named in zip(modules, flags, buffers, strict=True):
                module.training = training
                module._buffers.update(named)
            for buffer, version, values in saved:
                # Writing to one that nobody changed would spoil a backward pass that has kept it.
                if version is None or version != _version(buffer):
                    buffer.copy_(values)


def _version(buffer: Tensor) -> int | None:
    return None if buffer.is_inference() else buffer._version


def fixed_value(graph: MaseGraph, node: fx.Node) -> tuple[Any, ...]:
    """Return ``(value,)`` of an input that ``cf_args`` fixed, else its own default, if any, else ``()``."""
    # torch.fx takes lists and dicts with torch.fx.PH in them apart and numbers their parts.
    source, _, number = str(node.target).rpartition("_")
    if not graph.cf_args or not number.isdigit() or source not in graph.cf_args:
        return node.args
    parts = [str(each.target) for each in forward_inputs(graph.fx_graph)]
    place = [name for name in parts if name.rpartition("_")[0] == source].index(str(node.target))
    leaf = pytree.tree_leaves(graph.cf_args[source])[place]
    return () if isinstance(leaf, PHBase) else (leaf,)


def is_declared_input(graph: MaseGraph, node: fx.Node) -> bool:
    """Whether ``torch.fx.PH`` in ``cf_args`` made an argument with a default an input."""
    return isinstance((graph.cf_args or {}).get(str(node.target)), PHBase)


def batches_of(x: Any, batch_size: int, where: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield ``(first row, values)`` for batches of rows; what is no tensor goes into each of them whole.

    Args:
        x: a tensor or NumPy array [rows, ...], or a tuple of the model's inputs, whose tensors have the same rows.
        batch_size: rows of a batch, 1 or more; the last one may have fewer.
        where: opens the messages.

    Raises:
        ConfigError: no tensor, no rows, tensors of different rows, or a batch size below 1.

    >>> [(first, value.tolist()) for first, (value,) in batches_of(torch.arange(3), 2, "example")]
    [(0, [0, 1]), (2, [2])]
    """
    given = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    values = tuple(tensors_in(value, where) for value in given)
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not tensors:
        raise ConfigError(f"{where}: x must be a tensor [rows, ...] or a tuple of inputs, got {x!r}")
    if any(tensor.dim() == 0 for tensor in tensors):
        raise ConfigError(f"{where}: x must have rows, got a tensor without dimensions")
    sizes = [tensor.shape[0] for tensor in tensors]
    if len(set(sizes)) > 1:
        raise ConfigError(f"{where}: the inputs must have the same number of rows, got {sizes}")
    if sizes[0] == 0:
        raise ConfigError(f"{where}: x has no rows, so there is nothing to look at")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"{where}: batch_size must be a whole number of 1 or more, got {batch_size!r}")
    for first in range(0, sizes[0], batch_size):
        last = first + batch_size
        yield first, tuple(v[first:last] if isinstance(v, Tensor) else v for v in values)


class Watcher(fx.Interpreter):
    """Runs a graph node by node and shows each result, before a later in-place layer can change it.

    Args:
        graph: the graph; it runs in the mode it is in.
        see: called with each node and its result, which it must not keep without copying.
        where: opens the messages.
    """

    def __init__(self, graph: MaseGraph, see: Callable[[fx.Node, Any], None], where: str) -> None:
        super().__init__(graph.model)
        self.mase_graph, self.see, self.where = graph, see, where
        self.failure = ""

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except Exception as error:  # whatever a layer raises on input that does not fit
            reason = str(error).strip().partition("\n")[0]
            place = f"node {n.name}{source_text(n)}"
            # The interpreter appends to the message, and a nested run comes by here again.
            self.failure = self.failure or f"{self.where}: {place}: {type(error).__name__}: {reason}"
            raise
        self.see(n, result)
        return result

    def watch(self, values: Sequence[Any]) -> None:
        """Run on one batch; its tensors are copied first, for a first layer may work in place.

        Raises:
            ConfigError: too few or too many values, or a node that fails on them; the message names it.
        """
        arguments = [value.clone() if isinstance(value, Tensor) else value for value in self._all(values)]
        try:
            self.run(*arguments, enable_io_processing=False)
        except Exception as error:
            if not self.failure:
                raise
            raise ConfigError(self.failure) from error

    def _all(self, values: Sequence[Any]) -> list[Any]:
        given = list(values)
        inputs = forward_inputs(self.mase_graph.fx_graph)
        free = [node for node in inputs if not fixed_value(self.mase_graph, node)]
        if not len(free) <= len(given) <= len(inputs):
            names = ", ".join(str(node.target) for node in free)
            raise ConfigError(
                f"{self.where}: the inputs {names} need values, but x has {len(given)}; a tuple gives several"
            )
        everywhere = len(given) > len(free)  # then the inputs with a default are given too, in order
        found = []
        for node in inputs:
            default = fixed_value(self.mase_graph, node)
            take = given and (everywhere or not default)
            found.append(given.pop(0) if take else default[0])
        return found
