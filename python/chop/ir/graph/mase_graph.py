"""A model traced by torch.fx: the one editable truth about its structure."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.drawing import draw_graph
from chop.ir.graph.mase_metadata import MaseMetadata
from chop.ir.graph.ops import is_registered_module, registered_functions
from chop.ir.graph.own_code import refuse_global_hooks, refuse_lazy, refuse_lost_code
from chop.ir.graph.root_call import has_nested_placeholders, root_call, unwrapped
from chop.ir.graph.trace_errors import explain_trace_error, user_frame_place
from chop.ir.graph.traced_state import ModelState, hooks_that_tell, refuse_state
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

ModuleT = TypeVar("ModuleT", bound=nn.Module)
# torch.fx changes nn.Module itself while it traces: two threads at once record each other's calls. Reentrant, for a
# forward that traces.
TRACING = threading.RLock()


class MaseTracer(fx.Tracer):
    """Tracer to which quantized layers and functions are leaves.

    Args:
        custom_leaf_modules: modules whose functions are kept as single calls, see
            ``torch.fx.Tracer.autowrap_modules``.
        custom_leaf_functions: functions kept as single calls.
        custom_leaf_layers: classes of layers that are not traced into.
        param_shapes_constant: as in ``torch.fx.Tracer``.
    """

    def __init__(
        self,
        custom_leaf_modules: Sequence[Any] = (),
        custom_leaf_functions: Sequence[Callable[..., Any]] = (),
        custom_leaf_layers: Sequence[type[nn.Module]] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        import math

        functions = (*registered_functions(), *custom_leaf_functions)
        super().__init__((math, *custom_leaf_modules), functions, param_shapes_constant)
        self.custom_leaf_layers = tuple(custom_leaf_layers)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kinds = (QuantizedModule, torch.jit.ScriptModule, *self.custom_leaf_layers)
        if type(m).__call__ is not nn.Module.__call__ and not isinstance(m, torch.jit.ScriptModule):
            return False  # its code around the call is traced already, so that the node must not run it again
        if isinstance(m, kinds) or is_registered_module(m):
            return True
        return super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        fixed = {} if concrete_args is None else concrete_args
        if not is_module or not isinstance(fixed, Mapping) or has_nested_placeholders(fixed):
            return super().create_args_for_root(root_fn, is_module, concrete_args)
        refuse_lost_code(self.root, "")
        return root_call(self, self.root, fixed)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        name = "" if m is self.root else self.path_of_module(m)
        if m is not self.root and self.is_leaf_module(m, name):
            return super().call_module(m, forward, args, kwargs)
        refuse_lost_code(m, name)
        with hooks_that_tell(m, name):
            return (
                forward(*args, **kwargs) if m is self.root else super().call_module(m, forward, args, kwargs)
            )

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, name: str | None = None, type_expr: Any = None
    ) -> fx.Node:
        # A quantized function keeps the name of the float one, so that configs by name go on working.
        if kind == "call_function":
            name = quantized_function_op(target) or name
        if isinstance(type_expr, str):
            type_expr = None  # a postponed annotation: to fx no type, only text in its listing
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        if kind.startswith("call_") and (place := user_frame_place()) is not None:
            node.meta["chop_source"] = place  # errors about this node name the user's line
        return node


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
        with TRACING:
            self.tracer, self.model = _traced(model, dict(cf_args or {}), leaf_modules)
        originals = dict(self.tracer.root.named_modules())
        for name, module in self.model.named_modules():
            if name in originals:  # fx makes the containers anew, and in train mode
                module.training = originals[name].training
        self.meta: dict[str, Any] = {}
        # Float originals of quantized layers, by target; see chop.passes.graph.transforms.quantize.
        self.float_modules: dict[str, nn.Module] = {}
        # Copies of float layers, by target, that share a parameter with a quantized one; see chop.passes.graph.ties.
        self.tied_copies: dict[str, nn.Module] = {}

    @classmethod
    def from_graph_module(cls, model: fx.GraphModule, cf_args: Mapping[str, Any] | None = None) -> MaseGraph:
        """Wrap a graph module as it is, without tracing it again."""
        made = cls.__new__(cls)
        made.cf_args, made.tracer, made.model = cf_args, MaseTracer(), model
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


def _traced(
    model: nn.Module, cf_args: dict[str, Any], leaf_modules: Sequence[type[nn.Module]]
) -> tuple[MaseTracer, fx.GraphModule]:
    tracer = MaseTracer(custom_leaf_layers=leaf_modules)
    try:
        with ModelState(model).kept() as state:
            made = fx.GraphModule(model, tracer.trace(model, cf_args), type(model).__name__)
            refuse_state(made, MaseTracer(custom_leaf_layers=leaf_modules), model, cf_args, state)
        return tracer, made
    except ConfigError:
        raise
    except Exception as error:  # the user's forward runs here, on stand-ins for tensors
        if not tracer.is_leaf_module(model, ""):
            raise ConfigError(explain_trace_error(error, model)) from error
    # A bare layer of torch whose forward cannot be followed is a node, as in any other model.
    made_of = nn.Sequential(model).train(model.training)
    tracer = MaseTracer(custom_leaf_layers=leaf_modules)
    return tracer, fx.GraphModule(made_of, tracer.trace(made_of), type(model).__name__)


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
