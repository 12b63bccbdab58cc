"""Puts the traced graph together, and runs it on two rows while it grows, so that each node is checked as it comes."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.nn.quantizers import IntegerFormat
from chop.qonnx.file import Node, QonnxGraph, UnreadableError
from chop.qonnx.grids import Grids, fields

ROWS = 2
_MOST_NUMBERS = 1 << 26
_TAKEN = ("by", "default", "name", "config", "output")  # words of a quantize config and of torch.fx


@dataclass(frozen=True)
class Value:
    """A value of the file in the graph that is made.

    Attributes:
        node: that computes it.
        sample: what it is for two rows of zeros, shape [2, ...].
    """

    node: fx.Node
    sample: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes without the batch."""
        return tuple(self.sample.shape[1:])


class Builder:
    """Collects nodes, layers and the config that quantizes them.

    Args:
        graph: of the file.
        one_batch_norm: whether a BatchNormalization stays one layer.
    """

    def __init__(self, graph: QonnxGraph, one_batch_norm: bool) -> None:
        self.file, self.grids, self.one_batch_norm = graph, Grids(graph), one_batch_norm
        self.graph, self.root = fx.Graph(), nn.Module()
        self.config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
        node = self.graph.placeholder(self._free(graph.input))
        self.values: dict[str, Any] = {graph.input: Value(node, torch.zeros(ROWS, *graph.shape))}
        self._names = {node.name}

    def read(self, node: Node, place: int = 0) -> Value:
        """Return a value that a node reads.

        Raises:
            UnreadableError: it is left out, a constant, or made in double.
        """
        name = node.inputs[place] if len(node.inputs) > place else ""
        found = self.values.get(name)
        if not isinstance(found, Value):
            raise node.refuse(f"its input {place} must be computed from the data, in float32")
        return found

    def constant(self, node: Node, place: int, default: Any = None) -> Any:
        """Return the constant that a node reads at a place, as an array; the default where it is left out."""
        name = node.inputs[place] if len(node.inputs) > place else ""
        if not name:
            return default
        if name not in self.file.constants:
            raise node.refuse(f"its input {place} must be a constant")
        return self.file.constants[name]

    def layer(self, node: Node, module: nn.Module, x: Value, label: str = "") -> Value:
        """Add a module."""
        name = self._free(label or node.label)
        module.eval()
        self.root.add_module(name, module)
        return self._added(node, self.graph.call_module(name, (x.node,)), name, lambda: module(x.sample))

    def call(self, node: Node, function: Callable[..., Any], *arguments: Any, **more: Any) -> Value:
        """Add a call of a function or, where it is a text, of a method; values among the arguments are read."""
        nodes = tuple(_unwrap(argument, lambda v: v.node) for argument in arguments)
        samples = tuple(_unwrap(argument, lambda v: v.sample) for argument in arguments)
        name = self._free(node.label)
        made = self.graph.create_node("call_function", function, nodes, more, name=name)
        return self._added(node, made, name, lambda: function(*samples, **more))

    def quantize(self, value: Value, **formats: IntegerFormat) -> None:
        """Give a node its formats, by operand."""
        table: dict[str, Any] = {"name": "integer"}
        for operand, format in formats.items():
            table |= fields(operand, format)
        self.config[value.node.name] = {"config": table}

    def _added(self, node: Node, made: fx.Node, name: str, run: Callable[[], Tensor]) -> Value:
        self._names.add(name)
        try:
            with torch.no_grad():
                sample = run()
        except (RuntimeError, ValueError, TypeError, IndexError, OverflowError) as error:
            raise node.refuse(f"cannot be computed: {str(error).splitlines()[0]}") from None
        if sample.dim() < 2 or sample.shape[0] != ROWS or not sample.numel():
            raise node.refuse(f"gives the shape {list(sample.shape)} for {ROWS} rows")
        if sample.numel() > _MOST_NUMBERS:
            raise node.refuse(f"gives the shape {list(sample.shape)} for {ROWS} rows, which is too large")
        return Value(made, sample)

    def _free(self, label: str) -> str:
        """A name for a node of the graph, from one of the file."""
        base = re.sub(r"\W", "_", label, flags=re.ASCII) or "node"
        if base[0].isdigit() or keyword.iskeyword(base) or base in _TAKEN or hasattr(nn.Module, base):
            base = f"_{base}"
        name, count = base, 0
        while name in getattr(self, "_names", ()) or hasattr(self.root, name):
            count += 1
            name = f"{base}_{count}"
        return name

    def finish(self) -> fx.GraphModule:
        """Return the graph with its output.

        Raises:
            UnreadableError: the output has another shape than the file declares.
        """
        found = self.values[self.file.output]
        if not isinstance(found, Value):
            raise UnreadableError(
                "", f"its output {self.file.output!r} is not computed from the data, in float32"
            )
        declared = self.file.output_shape
        if declared is not None and (
            len(declared) != len(found.shape)
            or any(d not in (0, s) for d, s in zip(declared, found.shape, strict=True))
        ):
            raise UnreadableError(
                f"output {self.file.output}",
                f"has the shape {list(found.shape)}, not {list(declared)} as declared",
            )
        self.graph.output(found.node)
        return fx.GraphModule(self.root, self.graph, class_name="Qonnx")


def _unwrap(argument: Any, of: Callable[[Value], Any]) -> Any:
    if isinstance(argument, Value):
        return of(argument)
    if isinstance(argument, list):
        return [_unwrap(each, of) for each in argument]
    return argument
