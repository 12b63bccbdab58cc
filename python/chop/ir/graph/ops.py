"""The op table: which torch modules, functions and methods are which MASE operation.

An operation is found from a node's target, never from its name: a user may call a variable ``relu``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, NamedTuple

from torch import fx, nn

from chop.ir.graph.op_rows import BUILTIN, MASE_TYPES, MODULE, OP_ROWS, RELATED, OpRow
from chop.ir.graph.own_code import replaced_code
from chop.nn.quantized.functional import FUNCTIONS, quantized_function_op
from chop.nn.quantized.modules import LAYERS
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import OPERANDS
from chop.tools.errors import ConfigError

# Operations that quantize_transform_pass can turn into a quantized twin.
QUANTIZEABLE_OP: tuple[str, ...] = tuple(OPERANDS)

# How torch's functions name the tensors that a quantized function takes by position.
OPERAND_KEYWORDS = ("input", "other", "mat2")
_OPTION_KEYWORDS = ("alpha", "inplace", "config")


class MaseOp(NamedTuple):
    """What a node is: e.g. ``("module_related_func", "linear")``."""

    mase_type: str
    mase_op: str


_BY_OP: dict[str, OpRow] = {row.mase_op: row for row in OP_ROWS}
_BY_MODULE: dict[type, OpRow] = {module: row for row in OP_ROWS for module in row.modules}
_BY_FUNCTION: dict[Callable[..., Any], OpRow] = {f: row for row in OP_ROWS for f in row.functions}
_BY_METHOD: dict[str, OpRow] = {method: row for row in OP_ROWS for method in row.methods}

# A live view: register_op adds to it.
KNOWN_OPS: Set[str] = _BY_OP.keys()


def register_op(
    mase_op: str,
    mase_type: str = RELATED,
    *,
    modules: Iterable[type[nn.Module]] = (),
    functions: Iterable[Callable[..., Any]] = (),
    methods: Iterable[str] = (),
    params: Iterable[str] = (),
) -> OpRow:
    """Teach the op table a new operation, or a known one another spelling.

    A registered function of the user's own, and a registered module, is kept as one node by graphs that are
    traced afterwards.

    Args:
        mase_op: name of the operation. With a known name the targets join that operation.
        mase_type: module_related_func, module, builtin_func or implicit_func.
        modules, functions, methods: what computes it.
        params: names of the arguments after the tensors, for metadata.

    Raises:
        ConfigError: an unknown mase_type, no target, or a target that has another operation already.

    >>> import torch
    >>> row = register_op("bessel_j0", functions=[torch.special.bessel_j0])
    >>> "bessel_j0" in KNOWN_OPS
    True
    """
    if mase_type not in MASE_TYPES:
        raise ConfigError(f"register_op: mase_type must be one of {', '.join(MASE_TYPES)}, got {mase_type!r}")
    targets = (tuple(modules), tuple(functions), tuple(methods))
    if not any(targets):
        raise ConfigError(f"register_op: {mase_op!r} needs modules, functions or methods that compute it")
    tables: tuple[dict[Any, OpRow], ...] = (_BY_MODULE, _BY_FUNCTION, _BY_METHOD)
    for table, new in zip(tables, targets, strict=True):
        for target in new:
            if target in table and table[target].mase_op != mase_op:
                raise ConfigError(f"register_op: {target} is operation {table[target].mase_op!r} already")
    row = _BY_OP.setdefault(mase_op, OpRow(mase_op, mase_type, *targets, tuple(params)))
    for table, new in zip(tables, targets, strict=True):
        table.update(dict.fromkeys(new, row))
    return row


def registered_functions() -> tuple[Callable[..., Any], ...]:
    """Return the table's functions that are not torch's: the tracer has to be told of them."""
    return tuple(f for f in _BY_FUNCTION if _package(f) not in ("torch", "_operator", "builtins", "math"))


def is_registered_module(module: nn.Module) -> bool:
    """True for a module outside torch and chop whose very class has a row of the table."""
    return type(module) in _BY_MODULE and _package(type(module)) not in ("torch", "chop")


def function_of(name: str) -> Callable[..., Any] | None:
    """Return the function of the table with that qualified name, see :func:`function_name`, else None."""
    return next((f for f in _BY_FUNCTION if function_name(f) == name), None)


def function_name(function: Callable[..., Any]) -> str:
    """Return ``module.name`` of a function.

    >>> function_name(nn.functional.relu)
    'torch.nn.functional.relu'
    """
    return f"{getattr(function, '__module__', None) or 'torch'}.{getattr(function, '__name__', function)}"


def known_method(name: str) -> bool:
    """True for a tensor method of the table."""
    return name in _BY_METHOD


def known_module_class(name: str) -> type[nn.Module] | None:
    """Return the module class of the table with that ``module.qualname``, else None."""
    return next((c for c in _BY_MODULE if f"{c.__module__}.{c.__qualname__}" == name), None)


def _package(target: Any) -> str:
    return str(getattr(target, "__module__", None) or "torch").partition(".")[0]


def find_row(node: fx.Node, modules: Mapping[str, nn.Module]) -> OpRow | None:
    """Return the op table's row of a node, None for placeholder, get_attr, output and what the table lacks.

    Args:
        node: a node of a traced graph.
        modules: name -> module of the model it belongs to.
    """
    if node.op == "call_module":
        module = modules.get(str(node.target))
        if isinstance(module, QuantizedModule):
            return _BY_OP[module.mase_op]
        return next((_BY_MODULE[c] for c in type(module).__mro__ if c in _BY_MODULE), None)
    if node.op == "call_function":
        quantized = quantized_function_op(node.target)
        return _BY_OP[quantized] if quantized else _BY_FUNCTION.get(node.target)  # type: ignore[arg-type]
    if node.op == "call_method":
        return _BY_METHOD.get(str(node.target))
    return None


def mase_type_and_op(node: fx.Node, modules: Mapping[str, nn.Module]) -> MaseOp:
    """Return ``(mase_type, mase_op)`` of a node.

    A layer that the table lacks is the operation of its class's name.

    Raises:
        ConfigError: the table has no row for a function or method; the message says where and what to do.
    """
    if node.op in ("placeholder", "get_attr", "output"):
        return MaseOp(node.op, node.op)
    row = find_row(node, modules)
    if row is not None:
        return MaseOp(row.mase_type, row.mase_op)
    if node.op == "call_module":
        return MaseOp(MODULE, _module_op_name(describe_target(node, modules)))
    kind = "functions" if node.op == "call_function" else "methods"
    what = describe_target(node, modules)
    raise ConfigError(
        f"node {node.name}{source_text(node)}: no operation is known for {node.op} {what}; name it with "
        f"chop.ir.graph.ops.register_op({what!r}, {kind}=[…]), or put it into a module of your own and trace "
        "with MaseGraph(model, leaf_modules=(ThatModule,))"
    )


def _module_op_name(class_name: str) -> str:
    """A layer that the table lacks is the operation of its class's name: ``MyBlock`` -> ``my_block``."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()
    return f"custom_{name}" if name in _BY_OP else name


def source_text(node: fx.Node) -> str:
    """Return `` (file:line)`` of the user's call that made a node, or nothing where that is not known."""
    place = node.meta.get("chop_source")
    return f" ({place[0]}:{place[1]})" if place else ""


def quantizeable_op(node: fx.Node, modules: Mapping[str, nn.Module]) -> str | None:
    """Return the node's mase_op if the quantize pass can replace the node, else None."""
    row = find_row(node, modules)
    if row is None or row.mase_op not in QUANTIZEABLE_OP:
        return None
    if node.op == "call_module":
        module = modules[str(node.target)]
        exact = type(module) is LAYERS[row.mase_op].float_type or isinstance(module, QuantizedModule)
        return row.mase_op if exact and replaced_code(module, (type(module),)) is None else None
    return row.mase_op if row.mase_op in FUNCTIONS and _replaceable_call(node, modules) else None


def _replaceable_call(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """False for calls whose meaning a quantized function would change."""
    if not set(node.kwargs) <= {*OPERAND_KEYWORDS, *_OPTION_KEYWORDS}:  # out=…
        return False
    sources = node.all_input_nodes
    if sources and all(is_number(source, modules) for source in sources):
        return False
    # A tensor of the model's own has to be written.
    return not (_writes_in_place(node) and sources[0].op == "get_attr")


def _writes_in_place(node: fx.Node) -> bool:
    name = getattr(node.target, "__name__", str(node.target))
    return name in ("iadd", "isub", "imul") or name.endswith("_")


def is_number(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """True for sizes and what is computed of them alone."""
    if node.op == "call_method" and node.target in ("size", "dim", "numel"):
        return True
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    row = find_row(node, modules)
    is_arithmetic = row is not None and (row.mase_type == BUILTIN or row.mase_op == "getitem")
    inputs = node.all_input_nodes
    return is_arithmetic and bool(inputs) and all(is_number(each, modules) for each in inputs)


def describe_target(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    """Return a readable name of what a node calls: class, function or method name, else the target."""
    if node.op == "call_module":
        return type(modules.get(str(node.target))).__name__
    return getattr(node.target, "__name__", str(node.target))


def node_quantizer_config(node: fx.Node, modules: Mapping[str, nn.Module]) -> Mapping[str, Any] | None:
    """Return the quantizer config that a node carries (a bypassed one too), None for a float node."""
    if node.op == "call_module":
        module = modules.get(str(node.target))
        return module.config if isinstance(module, QuantizedModule) else None
    if node.op == "call_function" and quantized_function_op(node.target):
        config = node.kwargs.get("config")
        return config if isinstance(config, Mapping) else None
    return None
