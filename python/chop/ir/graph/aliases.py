"""What a call writes into, and which tensors its result shares memory with."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import fx, nn

from chop.ir.graph.layout import is_method_or_twin, name_of, reshapes
from chop.ir.graph.lowering_arguments import Arguments
from chop.ir.graph.ops import is_number
from chop.ir.graph.own_code import own_code
from chop.ir.graph.pieces import piece_of, results, schemas
from chop.ir.graph.proxies import IN_PLACE
from chop.ir.graph.stop_gradient import stop_gradient
from chop.ir.graph.write_view import STEPS
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule

# same: the very tensor; view: the same memory, seen otherwise; reshaped: the tensor itself has another shape
# afterwards; maybe: one of these, a copy, or something else, as sizes and modes will have it.
Kind = Literal["fresh", "same", "view", "reshaped", "maybe"]


class Effect(NamedTuple):
    """What a call does with memory.

    Attributes:
        kind: how its result lies in that of ``sources``.
        sources: nodes; one, unless ``kind`` is maybe, or reshaped into the memory of a second.
        written: nodes whose numbers it overwrites.
    """

    kind: Kind = "fresh"
    sources: tuple[fx.Node, ...] = ()
    written: tuple[fx.Node, ...] = ()


_FRESH = Effect()
_MAYBE_MODULES = (
    nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
    nn.FeatureAlphaDropout, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle,
)  # fmt: skip
_MAYBE = frozenset(
    {
        "contiguous", "to", "type", "type_as", "float", "double", "half", "bfloat16", "long", "int", "short", "bool",
        "cpu", "cuda", "einsum", "broadcast_tensors", "meshgrid", "pixel_shuffle", "pixel_unshuffle",
    }
)  # fmt: skip
_HARMLESS = frozenset({"requires_grad_", "retain_grad"})
_MASKS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "isnan", "isinf", "isfinite", "bool", "logical_not"})
_ATTRIBUTES = frozenset({"data", "T", "mT", "H", "mH", "real"})


def effect(node: fx.Node, modules: Mapping[str, nn.Module]) -> Effect:
    """Return what a node does with memory.

    >>> graph = fx.Graph()
    >>> h = graph.placeholder("h")
    >>> effect(graph.call_method("relu_", (h,)), {})
    Effect(kind='same', sources=(h,), written=(h,))
    >>> effect(graph.call_method("t", (h,)), {}).kind, effect(graph.call_method("reshape", (h, 2)), {}).kind
    ('view', 'maybe')
    """
    if node.op == "call_module":
        return _of_module(node, modules.get(str(node.target)))
    if node.op == "call_method":
        return _of_torch(node, str(node.target))
    return _of_function(node, modules) if node.op == "call_function" else _FRESH


def step_of(node: fx.Node) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """Return a view as a step of :func:`chop.ir.graph.write_view.write_view`, None for what is none."""
    if node.op == "call_module":
        return None
    attribute = node.op == "call_function" and node.target is getattr
    called = "__getattr__" if attribute else name_of(node)
    name = "__getitem__" if called == "getitem" else called
    if reshapes(name):
        name = name.removesuffix("_")
    args = node.args[1:]
    kwargs = {k: v for k, v in node.kwargs.items() if node.args or k not in ("input", "tensor")}
    if "split_size_or_sections" in kwargs:  # of the function; the method has another name for it
        args = (*args, kwargs.pop("split_size_or_sections"))
    known = name in STEPS and (name.startswith("__") or is_method_or_twin(node, called))
    return (name, args, kwargs) if known else None


def _of_module(node: fx.Node, module: Any) -> Effect:
    sources = tuple(node.all_input_nodes)
    is_torchs = type(module).__module__.startswith("torch.nn")
    if not isinstance(module, QuantizedModule) and not is_torchs:
        return Effect("maybe", sources)
    if own_code(module, (type(module),)):  # a hook gives something else than the layer
        return Effect("maybe", sources, sources[:1] if _is_inplace_layer(module) else ())
    if isinstance(module, QuantizedModule):
        written = getattr(module, "inplace", False) and module.config.get("bypass", False)
        return Effect("same", sources[:1], sources[:1]) if written else _FRESH
    if _is_inplace_layer(module):
        return Effect("same", sources[:1], sources[:1])
    if isinstance(module, nn.Identity):
        return Effect("same", sources[:1])
    return Effect("maybe", sources) if isinstance(module, _MAYBE_MODULES) else _FRESH


def _is_inplace_layer(module: nn.Module) -> bool:
    """Whether it is told to work in place and does: torch's alpha dropouts take ``inplace`` and never look at it."""
    read = getattr(getattr(type(module).forward, "__code__", None), "co_names", ("inplace",))
    return getattr(module, "inplace", False) is True and "inplace" in read


def _of_function(node: fx.Node, modules: Mapping[str, nn.Module]) -> Effect:
    target: Any = node.target
    first = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
    if quantized_function_op(target) is not None:
        written = node.kwargs.get("inplace") and dict(node.kwargs.get("config") or {}).get("bypass")  # type: ignore[arg-type]
        return Effect("same", (first,), (first,)) if written and first else _FRESH
    if target in IN_PLACE:
        return Effect("same", (first,), (first,)) if first and not is_number(first, modules) else _FRESH
    if target is operator.pos and first is not None:
        return Effect("same", (first,))  # torch gives the tensor itself
    if target is stop_gradient:
        return Effect("maybe", tuple(node.all_input_nodes))
    if target is operator.setitem:
        return Effect(written=(first,)) if first else _FRESH
    if target in (operator.getitem, getattr) and first is not None:
        return _of_part(node, first, node.args[1], modules)
    package = (getattr(target, "__module__", None) or "torch").partition(".")[0]
    if package not in ("torch", "chop", "_operator", "builtins", "math"):
        return Effect("maybe", tuple(node.all_input_nodes))
    return _of_torch(node, name_of(node)) if package == "torch" else _FRESH


def _of_part(node: fx.Node, source: fx.Node, key: Any, modules: Mapping[str, nn.Module]) -> Effect:
    names = results(source, modules)
    if names is None or (len(names) > 1 and piece_of(node, modules) is None):
        return Effect("maybe", (source,))
    if len(names) > 1:
        return _FRESH
    if node.target is getattr:
        return Effect("view", (source,)) if key in _ATTRIBUTES else _FRESH
    return _of_index(source, key, modules)


def _of_index(source: fx.Node, index: Any, modules: Mapping[str, nn.Module]) -> Effect:
    kinds = {_index_kind(each, modules) for each in (index if isinstance(index, tuple) else (index,))}
    if "copy" in kinds:
        return _FRESH
    return Effect("maybe" if "maybe" in kinds else "view", (source,))


def _index_kind(index: Any, modules: Mapping[str, nn.Module]) -> str:
    if isinstance(index, fx.Node):
        if is_number(index, modules):
            return "view"
        return "copy" if name_of(index) in _MASKS else "maybe"
    plain = index is None or index is Ellipsis or isinstance(index, slice) or type(index) is int
    return "view" if plain else "copy"


def _of_torch(node: fx.Node, name: str) -> Effect:
    arguments = Arguments(node)
    first = node.args[0] if node.args else arguments.get("input", arguments.get("tensor"))
    source = (first,) if isinstance(first, fx.Node) else ()
    out = node.kwargs.get("out")
    if out is not None:
        return _of_out(out)
    if name in _HARMLESS:
        return Effect("same", source)
    if reshapes(name):
        other = node.args[1:2] if name == "set_" else ()
        return Effect("reshaped", (*source, *_nodes(other)))
    if (
        arguments.get("inplace") is True
        or _is_inplace_method(node, name)
        or _writes_self(name, isinstance(first, (list, tuple)))
    ):
        found = source or _nodes(first)
        return Effect("same" if source else "maybe", found, found)
    if name in STEPS and is_method_or_twin(node, name):
        return Effect("view", source)
    shares = name in _MAYBE or "dropout" in name or _returns_alias(name)
    return Effect("maybe", source or tuple(node.all_input_nodes)) if shares else _FRESH


def _of_out(out: Any) -> Effect:
    if isinstance(out, fx.Node):
        return Effect("same", (out,), (out,))
    found = _nodes(out)
    return Effect("maybe", found, found)


def _nodes(value: Any) -> tuple[fx.Node, ...]:
    found: dict[fx.Node, None] = {}
    fx.node.map_arg(value, lambda node: found.setdefault(node))
    return tuple(found)


def _is_inplace_method(node: fx.Node, name: str) -> bool:
    return node.op == "call_method" and (
        (name.endswith("_") and not name.endswith("__")) or (name.startswith("__i") and name[3:] in _DUNDERS)
    )


_DUNDERS = {f"{function.__name__[1:]}__" for function in IN_PLACE}


def _writes_self(name: str, is_list: bool) -> bool:
    """torch's own word: the first argument of ``relu_(Tensor(a!) self)`` is written.

    ``sort`` is one name for tensors and for Python's lists.
    """
    wanted = "List[Tensor]" if is_list else "Tensor"
    first = [schema.arguments[0] for schema in schemas(name) if schema.arguments]
    return any(
        each.alias_info is not None and each.alias_info.is_write and str(each.type) == wanted
        for each in first
    )


def _returns_alias(name: str) -> bool:
    return any(
        result.alias_info is not None and not result.alias_info.is_write
        for schema in schemas(name)
        for result in schema.returns
    )
