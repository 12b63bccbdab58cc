"""One run of a graph on example input, with every result recorded and no trace left in the model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.eval_run import fixed_value
from chop.ir.graph.mase_graph import forward_inputs
from chop.ir.graph.ops import source_text
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.tensors import tensors_in


class _Recorder(fx.Interpreter):
    """Keeps each node's result; ``clone`` protects it from later in-place layers."""

    def __init__(self, module: fx.GraphModule, clone: bool) -> None:
        super().__init__(module)
        self.clone = clone
        self.results: dict[str, Any] = {}
        self.failure = ""

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except Exception as error:  # whatever a layer raises on input that does not fit
            self.failure = self.failure or _failure(n, error)  # the interpreter appends to the message
            raise
        self.results[n.name] = _detach(result, self.clone)
        return result


def _failure(node: fx.Node, error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0]
    return f"node {node.name}{source_text(node)} fails on the example input: {type(error).__name__}: {reason}"


def run_and_record(
    graph: MaseGraph, dummy_in: Mapping[str, Any], clone: bool = False, on_meta: bool = False
) -> dict[str, Any]:
    """Run the graph in its current mode and return node name -> result.

    Batch-norm buffers and the random state are put back afterwards: looking at a model must not change it.

    Args:
        graph: the graph.
        dummy_in: input name -> value; inputs with a default may be left out.
        clone: keep copies, needed by who reads values and not only shapes.
        on_meta: run a copy on the meta device: shapes without arithmetic.

    Raises:
        UnknownNameError: a name that is no input of the graph.
        ConfigError: an input without a value, or a node that fails on the input.
    """
    arguments = _arguments(graph, dummy_in)
    model = graph.model
    if on_meta:
        model = copy.deepcopy(model).to("meta")
        arguments = [a.to("meta") if isinstance(a, torch.Tensor) else a for a in arguments]
    recorder = _Recorder(model, clone)
    with torch.no_grad(), unchanged(model):
        try:
            recorder.run(*arguments, enable_io_processing=False)
        except Exception as error:
            if not recorder.failure:
                raise
            raise ConfigError(recorder.failure) from error
    return recorder.results


def _arguments(graph: MaseGraph, dummy_in: Mapping[str, Any]) -> list[Any]:
    inputs = forward_inputs(graph.fx_graph)
    names = [str(node.target) for node in inputs]
    for name in dummy_in:
        if name not in names:
            hint = did_you_mean(name, names)
            raise UnknownNameError(
                f"dummy_in: {name!r} is no input of the graph{hint}; inputs: {', '.join(names)}"
            )
    values = []
    for node, name in zip(inputs, names, strict=True):
        default = fixed_value(graph, node)
        if name not in dummy_in and not default:
            raise ConfigError(f"dummy_in: input {name!r} of the graph has no value")
        value = tensors_in(dummy_in[name], f"dummy_in[{name!r}]") if name in dummy_in else default[0]
        values.append(
            value.clone() if isinstance(value, torch.Tensor) else value
        )  # a first layer may be in place
    return values


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Put the buffers of a model in train mode, and the random state, back at the end."""
    if not any(module.training for module in model.modules()):
        yield
        return
    saved = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.random.fork_rng():
        try:
            yield
        finally:
            for name, buffer in model.named_buffers():
                buffer.copy_(saved[name])


def _detach(value: Any, clone: bool) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone() if clone else value.detach()
    if isinstance(value, (list, tuple)) and any(
        isinstance(item, (torch.Tensor, list, tuple)) for item in value
    ):
        items = [_detach(item, clone) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value
