"""From a model to a torch.fx graph."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.by_mode import ByMode, TracedMode
from chop.ir.graph.functional import rewire_writes
from chop.ir.graph.gradients import NO_GRAD, stop_gradients
from chop.ir.graph.modes import follow_mode
from chop.ir.graph.ops import is_registered_module, registered_functions
from chop.ir.graph.own_code import refuse_lost_code
from chop.ir.graph.proxies import IN_PLACE, Proxy
from chop.ir.graph.root_call import has_nested_placeholders, root_call
from chop.ir.graph.trace_errors import explain_trace_error, user_frame_place
from chop.ir.graph.traced_state import ModelState, hooks_that_tell, refuse_state
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.tools.errors import ConfigError
from chop.tools.fork_lock import ForkLock

# torch.fx changes nn.Module itself while it traces, and modes change: two threads at once record each other's calls. A
# module that a thread without a trace asks answers as ever. Reentrant, for a forward that traces.
TRACING = ForkLock()

_patching: Any = fx._symbolic_trace  # knows what is replaced while it traces


def _undo(before: Any) -> None:
    """Finish the clean-up of fx where it was interrupted: else its stand-ins stay, or torch.compile puts them back."""
    left, _patching.CURRENT_PATCHER = _patching.CURRENT_PATCHER, before
    while left is not before and left.patches_made:
        with contextlib.suppress(KeyError):  # one that is undone already
            left.__exit__(None, None, None)


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
        kinds = (QuantizedModule, ByMode, TracedMode, torch.jit.ScriptModule, *self.custom_leaf_layers)
        if type(m).__call__ is not nn.Module.__call__ and not isinstance(m, torch.jit.ScriptModule):
            return False  # its code around the call is traced already, so that the node must not run it again
        if isinstance(m, kinds) or is_registered_module(m):
            return True
        return super().is_leaf_module(m, module_qualified_name)

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        with TRACING:  # else the one that ends last leaves the stand-ins of the other, for every model
            self._thread = threading.get_ident()
            before = _patching.CURRENT_PATCHER
            try:
                return super().trace(root, concrete_args)
            finally:
                _undo(before)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        fixed = {} if concrete_args is None else concrete_args
        if not is_module or not isinstance(fixed, Mapping) or has_nested_placeholders(fixed):
            return super().create_args_for_root(root_fn, is_module, concrete_args)
        refuse_lost_code(self.root, "")
        return root_call(self, self.root, fixed)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        name = "" if m is self.root else self.path_of_module(m)
        if m is not self.root and self.is_leaf_module(m, name):
            return super().call_module(m, forward, args, kwargs)
        refuse_lost_code(m, name)
        with hooks_that_tell(m, name):
            return (
                forward(*args, **kwargs) if m is self.root else super().call_module(m, forward, args, kwargs)
            )

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, name: str | None = None, type_expr: Any = None
    ) -> fx.Node:
        # A quantized function keeps the name of the float one, so that configs by name go on working.
        if kind == "call_function":
            plain = IN_PLACE.get(target)
            name = quantized_function_op(target) or (plain and plain.__name__.rstrip("_")) or name
        if isinstance(type_expr, str):
            type_expr = None  # a postponed annotation: to fx no type, only text in its listing
        if kind.startswith("call_") and (
            torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
        ):
            raise RuntimeError("torch.autocast is on within the forward, which a graph does not record")
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        if kind.startswith("call_") and (place := user_frame_place()) is not None:
            node.meta["chop_source"] = place  # errors about this node name the user's line
        if not torch.is_grad_enabled():
            node.meta[NO_GRAD] = True
        return node


def traced(
    model: nn.Module, cf_args: dict[str, Any], leaf_modules: Sequence[type[nn.Module]]
) -> tuple[MaseTracer, fx.GraphModule]:
    """Trace a model into a graph that means what its forward means: in both modes, with writes and without gradients.

    Raises:
        ConfigError: a forward that cannot be traced, or that a graph cannot say.
    """
    # The surroundings of this call are not the forward's.
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        return _traced(model, cf_args, leaf_modules)


def _traced(
    model: nn.Module, cf_args: dict[str, Any], leaf_modules: Sequence[type[nn.Module]]
) -> tuple[MaseTracer, fx.GraphModule]:
    tracer = MaseTracer(custom_leaf_layers=leaf_modules)
    try:
        with ModelState(model).kept() as state:
            made = fx.GraphModule(model, tracer.trace(model, cf_args), type(model).__name__)
            refuse_state(made, MaseTracer(custom_leaf_layers=leaf_modules), model, cf_args, state)
            _set_modes(made, model)
            follow_mode(
                model,
                made,
                lambda: MaseTracer(custom_leaf_layers=leaf_modules).trace(model, cf_args),
                tracer.is_leaf_module,
            )
        _make_functional(made)
        return tracer, made
    except ConfigError:
        raise
    except Exception as error:  # the user's forward runs here, on stand-ins for tensors
        if not tracer.is_leaf_module(model, ""):
            raise ConfigError(explain_trace_error(error, model)) from error
    # A bare layer of torch whose forward cannot be followed is a node, as in any other model.
    made_of = nn.Sequential(model).train(model.training)
    tracer = MaseTracer(custom_leaf_layers=leaf_modules)
    made = fx.GraphModule(made_of, tracer.trace(made_of), type(model).__name__)
    _set_modes(made, made_of)
    return tracer, made


def _set_modes(made: fx.GraphModule, model: nn.Module) -> None:
    """torch.fx makes the containers anew, and in train mode."""
    originals = dict(model.named_modules())
    for name, module in made.named_modules():
        if name in originals:
            module.training = originals[name].training


def _make_functional(made: fx.GraphModule) -> None:
    modules = dict(made.named_modules(remove_duplicate=False))
    rewire_writes(made.graph, modules)
    stop_gradients(made.graph, modules)
    made.recompile()
