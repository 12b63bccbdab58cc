"""How the tracer calls the model itself: which arguments are inputs of the graph, which ones are fixed."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.fx._symbolic_trace import PH, PHBase, _assert_is_none
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils import _pytree as pytree

from chop.ir.graph.own_code import hooked_code
from chop.tools.errors import ConfigError

# What a default of the generated code can say, and an assertion can compare.
_PLAIN = (bool, int, float, str, type(None))


def root_call(
    tracer: fx.Tracer, root: nn.Module, fixed: Mapping[str, Any]
) -> tuple[Callable[..., Any], list[Any]]:
    """Return a function that calls ``root`` on the inputs of the graph, and those inputs.

    An argument without a default is an input; if all have one the first of them is, and if there is only ``*args``, its
    first value. The others have their default, as in a call that leaves them out; ``fixed`` gives other values, or
    ``torch.fx.PH`` to make it an input. Fixed numbers, texts and None are inputs that must have their value and may be
    left out, so that calls of the model are calls of the graph.
    """
    arguments = inspect.signature(root.forward).parameters
    values, asserted = dict(fixed), list[tuple[Any, str, Any]]()
    named = [p for p in arguments.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    rest = next((p.name for p in arguments.values() if p.kind is p.VAR_POSITIONAL), None)
    if not named and rest is not None and rest not in fixed:  # a wrapper that hands on what it is given
        values[rest] = (tracer.create_proxy("placeholder", "input", (), {}),)
    if named and all(_value(p, fixed) for p in named):  # model(x) gives the first one
        first = next((p.name for p in named if p.name not in fixed), None)
        fixed = fixed if first is None else {**fixed, first: PH}
    # In Python's order: those without a default come first.
    for argument in sorted(named, key=lambda p: bool(_value(p, fixed)) or p.default is not p.empty):
        name, value = argument.name, _value(argument, fixed)
        if value:
            values[name] = value[0]
            if type(value[0]) in _PLAIN and value[0] == value[0]:
                made = tracer.create_proxy("placeholder", name, value, {})
                asserted.append((made, name, value[0]))
            continue
        default = () if argument.default is argument.empty else (argument.default,)
        kind = None if argument.annotation is argument.empty else argument.annotation
        values[name] = tracer.create_proxy("placeholder", name, default, {}, type_expr=kind)
    for made, name, value in asserted:
        _assert_value(tracer, made, name, value)
    positional, keyword = _bound(arguments, values)
    called = _call_of(root)

    @functools.wraps(type(root).forward)
    def call(*_: Any) -> Any:
        return called(*positional, **keyword)

    return call, []


def _value(argument: inspect.Parameter, fixed: Mapping[str, Any]) -> tuple[Any, ...]:
    if argument.name in fixed:
        return () if isinstance(fixed[argument.name], PHBase) else (fixed[argument.name],)
    return () if argument.default is argument.empty else (argument.default,)


def _assert_value(tracer: fx.Tracer, made: fx.Proxy, name: str, value: Any) -> None:
    where = (
        f"argument {name} is {value!r} in this graph; MaseGraph(model, cf_args={{{name!r}: value}}) gives it another, "
        "torch.fx.PH makes it an input"
    )
    if value is None:
        tracer.create_proxy("call_function", _assert_is_none, (made, where), {})
        return
    equal = tracer.create_proxy("call_function", operator.eq, (made, value), {})
    tracer.create_proxy("call_function", torch._assert, (equal, where), {})


def _bound(
    arguments: Mapping[str, inspect.Parameter], values: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    for name, argument in arguments.items():
        if argument.kind is argument.VAR_POSITIONAL:
            positional += values.pop(name, ())
        elif argument.kind is argument.VAR_KEYWORD:
            keyword |= values.pop(name, {})
        elif argument.kind is argument.KEYWORD_ONLY:
            keyword[name] = values.pop(name)
        else:
            positional.append(values.pop(name))
    return positional, {**keyword, **values}  # the rest goes to **kwargs


def _call_of(root: nn.Module) -> Callable[..., Any]:
    """The model with whatever is hung on it, so that hooks and replaced methods are traced like the rest."""
    # A GraphModule has a __call__ of its own only to tell errors.
    own_call = type(root).__call__ is not nn.Module.__call__ and not isinstance(root, fx.GraphModule)
    return root if own_call or root._forward_hooks or root._forward_pre_hooks else root.forward


def has_nested_placeholders(fixed: Mapping[str, Any]) -> bool:
    """Whether a list or dict among the values has ``torch.fx.PH`` in it, which torch.fx itself takes apart."""
    nested = [value for value in fixed.values() if not isinstance(value, PHBase)]
    return any(isinstance(leaf, PHBase) for leaf in pytree.tree_leaves(nested))


def free_inputs(graph: fx.Graph) -> list[fx.Node]:
    """Return the placeholders that need a value."""
    return [node for node in graph.nodes if node.op == "placeholder" and not is_fixed_input(node)]


def refuse_inputs(graph: fx.Graph, where: str) -> None:
    """Raise ValueError for a graph with several inputs, of which ``where`` has data for one."""
    names = [node.name for node in free_inputs(graph)]
    if len(names) > 1:
        raise ValueError(
            f"{where}: the model has {len(names)} inputs ({', '.join(names)}) and the data give one: give the others a "
            f"value with MaseGraph(model, cf_args={{{names[-1]!r}: value}})"
        )


def is_fixed_input(node: fx.Node) -> bool:
    """Whether an input of a graph has one value only, which assertions alone read."""
    return node.op == "placeholder" and bool(node.args) and all(asserts(user) for user in node.users)


def asserts(node: fx.Node) -> bool:
    """Whether a node does nothing but watch over the value of a fixed input."""
    if node.target is operator.eq:
        return bool(node.users) and all(asserts(user) for user in node.users)
    return node.target in (torch._assert, _assert_is_none)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside wrappers of torch that compute the same: compiled and data-parallel ones.

    Raises:
        ConfigError: a wrapper with hooks of its own, or a scripted model.
    """
    while True:
        if isinstance(model, torch.jit.ScriptModule):
            raise ConfigError(
                f"a scripted model ({model.original_name}) has no Python that could be traced: give the module that "
                "it was made from, or put it into one, nn.Sequential(model), where it is a single node"
            )
        inside = _inside(model)
        if inside is None:
            return model
        if why := hooked_code(model):
            raise ConfigError(
                f"the wrapper {type(model).__name__} {why}: hang it on the module inside, "
                f"{'._orig_mod' if hasattr(model, '_orig_mod') else '.module'}"
            )
        model = inside


def _inside(model: nn.Module) -> nn.Module | None:
    if isinstance(model, (DataParallel, DistributedDataParallel)):
        return model.module
    return getattr(model, "_orig_mod", None) if type(model).__name__ == "OptimizedModule" else None


__all__ = [
    "asserts",
    "free_inputs",
    "has_nested_placeholders",
    "is_fixed_input",
    "refuse_inputs",
    "root_call",
    "unwrapped",
]
