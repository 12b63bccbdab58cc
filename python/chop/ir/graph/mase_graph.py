"""A model traced by torch.fx: the one editable truth about its structure."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.drawing import draw_graph
from chop.ir.graph.functional import rewire_writes
from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.own_code import refuse_global_hooks, refuse_lazy
from chop.ir.graph.root_call import unwrapped
from chop.ir.graph.tracing import TRACING, MaseTracer, traced
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class MaseGraph:
    """A traced model with metadata on its nodes.

    Leaf modules are shared with ``model``, weights included; containers are new, so replacing a layer in the
    graph leaves the user's model as it was. A ``MaseGraph`` can be made of another graph's ``model``,
    quantized or not.

    Args:
        model: any module that torch.fx can trace.
        cf_args: values of arguments (``concrete_args`` of torch.fx); others that have a default have that one.
            ``torch.fx.PH`` as a value makes an argument with a default an input.
        leaf_modules: classes of modules that become one node each and are not traced into.

    Attributes:
        model: the traced ``torch.fx.GraphModule``.
        meta: ``{"mase": MaseMetadata}`` after ``init_metadata_analysis_pass``.

    Raises:
        TypeError: ``model`` is not a module.
        ConfigError: ``cf_args`` names no argument of the model, or torch.fx cannot trace it: the message has
            the file and line of the user's code, the reason, and what to do. Hooks and state that a graph would
            lose are refused too.

    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> [node.name for node in graph.nodes]
    ['input_1', '_0', '_1', 'output']
    """

    implicit_nodes = frozenset(
        {"size", "view", "flatten", "reshape", "permute", "transpose", "contiguous", "getitem"}
    )

    def __init__(
        self,
        model: nn.Module,
        cf_args: Mapping[str, Any] | None = None,
        leaf_modules: Sequence[type[nn.Module]] = (),
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"MaseGraph needs a torch.nn.Module, got {type(model).__name__}")
        model = unwrapped(model)
        refuse_lazy(model)
        refuse_global_hooks()
        _check_cf_args(model, cf_args)
        self.cf_args = cf_args
        with TRACING, torch.enable_grad():
            self.tracer, self.model = traced(model, dict(cf_args or {}), leaf_modules)
        self.meta: dict[str, Any] = {}
        # Float originals of quantized layers, by target; see chop.passes.graph.transforms.quantize.
        self.float_modules: dict[str, nn.Module] = {}
        # Copies of float layers, by target, that share a parameter with a quantized one; see chop.passes.graph.ties.
        self.tied_copies: dict[str, nn.Module] = {}

    @classmethod
    def from_graph_module(cls, model: fx.GraphModule, cf_args: Mapping[str, Any] | None = None) -> MaseGraph:
        """Wrap a graph module without tracing it again; of it only readers of what is written in place are rewired."""
        made = cls.__new__(cls)
        made.cf_args, made.tracer, made.model = cf_args, MaseTracer(), model
        rewire_writes(model.graph, made.modules)
        model.recompile()
        made.meta, made.float_modules, made.tied_copies = {}, {}, {}
        return made

    @property
    def fx_graph(self) -> fx.Graph:
        """The graph of ``model``."""
        return self.model.graph

    @fx_graph.setter
    def fx_graph(self, graph: fx.Graph) -> None:
        self.model.graph = graph

    @property
    def nodes(self) -> Any:
        """The nodes in order of execution."""
        return self.model.graph.nodes

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Name -> module, containers and second names of a shared module included."""
        return dict(self.model.named_modules(remove_duplicate=False))

    def draw(self, file: str | Path = "mase_graph.svg") -> Path:
        """Write DOT and Mermaid text, and an image where Graphviz is installed.

        See :func:`chop.ir.graph.drawing.draw_graph`.
        """
        return draw_graph(self.fx_graph, Path(file))

    def __deepcopy__(self, memo: dict[int, Any]) -> MaseGraph:
        made = MaseGraph.__new__(MaseGraph)
        memo[id(self)] = made
        made.cf_args, made.tracer = copy.copy(self.cf_args), self.tracer
        made.model = copy_module(self.model, memo)
        made.float_modules = {name: copy_module(module, memo) for name, module in self.float_modules.items()}
        made.tied_copies = {name: copy_module(module, memo) for name, module in self.tied_copies.items()}
        nodes = {node.name: node for node in made.nodes}
        for node in made.nodes:  # fx copies the dict of a node's meta, not what lies in it
            if isinstance(node.meta.get("mase"), MaseMetadata):
                node.meta["mase"] = node.meta["mase"].copy_to(node, made.model, nodes)
        made.meta = dict(self.meta)
        if isinstance(made.meta.get("mase"), MaseMetadata):
            made.meta["mase"] = made.meta["mase"].copy_to(None, made.model, nodes)
        return made

    def __repr__(self) -> str:
        from chop.ir.graph.summary import graph_text

        return graph_text(self)

    def _repr_html_(self) -> str:
        from chop.ir.graph.summary import graph_html

        return graph_html(self)


def _check_cf_args(model: nn.Module, cf_args: Mapping[str, Any] | None) -> None:
    parameters = inspect.signature(model.forward).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in cf_args or ():
        if name not in parameters:
            hint = did_you_mean(name, parameters)
            known = ", ".join(parameters)
            raise ConfigError(
                f"cf_args: {type(model).__name__} has no argument {name!r}{hint}; it has: {known}"
            )


def copy_module(module: ModuleT, memo: dict[int, Any] | None = None) -> ModuleT:
    """Deep copy of a module; computed tensors in it (a pruned layer's weight) come along, detached."""
    memo = {} if memo is None else memo
    for each in module.modules():
        for value in vars(each).values():
            if isinstance(value, Tensor) and not value.is_leaf:  # deepcopy refuses these
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(module, memo)


def forward_inputs(graph: fx.Graph) -> list[fx.Node]:
    """Return the placeholders of a graph in order."""
    return [node for node in graph.nodes if node.op == "placeholder"]


__all__ = ["MaseGraph", "MaseTracer", "forward_inputs"]
