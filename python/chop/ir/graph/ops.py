"""The op table: which torch modules, functions and methods are which MASE operation.

An operation is found from a node's target, never from its name: a user may call a variable ``relu``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional as F

from chop.nn.quantized.functional import FUNCTIONS, quantized_function_op
from chop.nn.quantized.modules import LAYERS
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import OPERANDS
from chop.tools.errors import ConfigError

RELATED, MODULE, BUILTIN, IMPLICIT = "module_related_func", "module", "builtin_func", "implicit_func"

# Operations that quantize_transform_pass can turn into a quantized twin.
QUANTIZEABLE_OP: tuple[str, ...] = tuple(OPERANDS)

# How torch's functions name the tensors that a quantized function takes by position.
OPERAND_KEYWORDS = ("input", "other", "mat2")
_OPTION_KEYWORDS = ("alpha", "inplace", "config")


@dataclass(frozen=True, slots=True)
class OpRow:
    """One operation.

    Args:
        mase_op: its name.
        mase_type: module_related_func, module, builtin_func or implicit_func.
        modules, functions, methods: what computes it in torch.
        params: names of positional arguments after the tensors, for metadata.
        varargs: name of arguments beyond ``params`` (``shape`` gives ``shape_0``, ``shape_1``, …).
    """

    mase_op: str
    mase_type: str
    modules: tuple[type[nn.Module], ...] = ()
    functions: tuple[Callable[..., Any], ...] = ()
    methods: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    varargs: str = "arg"


class MaseOp(NamedTuple):
    """What a node is: e.g. ``("module_related_func", "linear")``."""

    mase_type: str
    mase_op: str


def _elementwise(mase_op: str, module: type[nn.Module], *more: Callable[..., Any], **fields: Any) -> OpRow:
    return OpRow(mase_op, RELATED, (module,), more, (mase_op, f"{mase_op}_"), **fields)


OP_ROWS: tuple[OpRow, ...] = (
    OpRow("linear", RELATED, (nn.Linear,), (F.linear,)),
    OpRow("conv1d", RELATED, (nn.Conv1d,), (F.conv1d,), params=("stride", "padding", "dilation", "groups")),
    OpRow("conv2d", RELATED, (nn.Conv2d,), (F.conv2d,), params=("stride", "padding", "dilation", "groups")),
    OpRow("batch_norm1d", MODULE, (nn.BatchNorm1d,)),
    OpRow("batch_norm2d", MODULE, (nn.BatchNorm2d,)),
    OpRow("batch_norm", RELATED, (), (F.batch_norm,)),
    OpRow("layer_norm", RELATED, (nn.LayerNorm,), (F.layer_norm,), params=("normalized_shape",)),
    OpRow("group_norm", RELATED, (nn.GroupNorm,), (F.group_norm,), params=("num_groups",)),
    _elementwise("relu", nn.ReLU, F.relu, torch.relu, torch.relu_, params=("inplace",)),
    _elementwise("relu6", nn.ReLU6, F.relu6, params=("inplace",)),
    _elementwise("leaky_relu", nn.LeakyReLU, F.leaky_relu, params=("negative_slope", "inplace")),
    _elementwise("hardswish", nn.Hardswish, F.hardswish, params=("inplace",)),
    _elementwise("hardsigmoid", nn.Hardsigmoid, F.hardsigmoid, params=("inplace",)),
    _elementwise("hardtanh", nn.Hardtanh, F.hardtanh, params=("min_val", "max_val", "inplace")),
    _elementwise("sigmoid", nn.Sigmoid, torch.sigmoid, F.sigmoid),
    _elementwise("tanh", nn.Tanh, torch.tanh, F.tanh),
    _elementwise("gelu", nn.GELU, F.gelu, params=("approximate",)),
    _elementwise("silu", nn.SiLU, F.silu, params=("inplace",)),
    _elementwise("softmax", nn.Softmax, F.softmax, torch.softmax, params=("dim",)),
    _elementwise("log_softmax", nn.LogSoftmax, F.log_softmax, torch.log_softmax, params=("dim",)),
    OpRow(
        "dropout",
        RELATED,
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
        (F.dropout,),
        ("dropout", "dropout_"),
        ("p", "training", "inplace"),
    ),
    OpRow(
        "avg_pool1d", RELATED, (nn.AvgPool1d,), (F.avg_pool1d,), params=("kernel_size", "stride", "padding")
    ),
    OpRow(
        "avg_pool2d", RELATED, (nn.AvgPool2d,), (F.avg_pool2d,), params=("kernel_size", "stride", "padding")
    ),
    OpRow(
        "max_pool1d", RELATED, (nn.MaxPool1d,), (F.max_pool1d,), params=("kernel_size", "stride", "padding")
    ),
    OpRow(
        "max_pool2d", RELATED, (nn.MaxPool2d,), (F.max_pool2d,), params=("kernel_size", "stride", "padding")
    ),
    OpRow(
        "adaptive_avg_pool1d",
        RELATED,
        (nn.AdaptiveAvgPool1d,),
        (F.adaptive_avg_pool1d,),
        params=("output_size",),
    ),
    OpRow(
        "adaptive_avg_pool2d",
        RELATED,
        (nn.AdaptiveAvgPool2d,),
        (F.adaptive_avg_pool2d,),
        params=("output_size",),
    ),
    OpRow(
        "adaptive_max_pool1d",
        RELATED,
        (nn.AdaptiveMaxPool1d,),
        (F.adaptive_max_pool1d,),
        params=("output_size",),
    ),
    OpRow(
        "adaptive_max_pool2d",
        RELATED,
        (nn.AdaptiveMaxPool2d,),
        (F.adaptive_max_pool2d,),
        params=("output_size",),
    ),
    OpRow("add", BUILTIN, (), (operator.add, operator.iadd, torch.add), ("add", "add_"), ("other",)),
    OpRow("sub", BUILTIN, (), (operator.sub, operator.isub, torch.sub), ("sub", "sub_"), ("other",)),
    OpRow("mul", BUILTIN, (), (operator.mul, operator.imul, torch.mul), ("mul", "mul_"), ("other",)),
    OpRow("div", BUILTIN, (), (operator.truediv, torch.div), ("div", "div_"), ("other",)),
    OpRow("neg", BUILTIN, (), (operator.neg, torch.neg), ("neg",)),
    OpRow("sqrt", BUILTIN, (), (math.sqrt, torch.sqrt), ("sqrt",)),
    OpRow("matmul", BUILTIN, (), (operator.matmul, torch.matmul), ("matmul",)),
    OpRow("bmm", BUILTIN, (), (torch.bmm,), ("bmm",)),
    OpRow("embedding", IMPLICIT, (nn.Embedding,), (F.embedding,)),
    OpRow("identity", IMPLICIT, (nn.Identity,)),
    OpRow("flatten", IMPLICIT, (nn.Flatten,), (torch.flatten,), ("flatten",), ("start_dim", "end_dim")),
    OpRow("view", IMPLICIT, (), (), ("view",), varargs="shape"),
    OpRow("reshape", IMPLICIT, (), (torch.reshape,), ("reshape",), varargs="shape"),
    OpRow("size", IMPLICIT, (), (), ("size",), ("dim",)),
    OpRow("permute", IMPLICIT, (), (torch.permute,), ("permute",), varargs="dims"),
    OpRow("transpose", IMPLICIT, (), (torch.transpose,), ("transpose",), ("dim0", "dim1")),
    OpRow("contiguous", IMPLICIT, (), (), ("contiguous",)),
    OpRow("unsqueeze", IMPLICIT, (), (torch.unsqueeze,), ("unsqueeze",), ("dim",)),
    OpRow("squeeze", IMPLICIT, (), (torch.squeeze,), ("squeeze",), ("dim",)),
    OpRow("cat", IMPLICIT, (), (torch.cat,), (), ("dim",)),
    OpRow("stack", IMPLICIT, (), (torch.stack,), (), ("dim",)),
    OpRow("mean", IMPLICIT, (), (torch.mean,), ("mean",), ("dim", "keepdim")),
    OpRow("sum", IMPLICIT, (), (torch.sum,), ("sum",), ("dim", "keepdim")),
    OpRow("getattr", IMPLICIT, (), (getattr,), (), ("name",)),
    OpRow("eq", IMPLICIT, (), (operator.eq,), (), ("other",)),
    OpRow("assert", IMPLICIT, (), (torch._assert,), (), ("message",)),
    OpRow("getitem", IMPLICIT, (), (operator.getitem,), (), ("index",)),
)

_BY_OP: dict[str, OpRow] = {row.mase_op: row for row in OP_ROWS}
_BY_MODULE: dict[type, OpRow] = {module: row for row in OP_ROWS for module in row.modules}
_BY_FUNCTION: dict[Callable[..., Any], OpRow] = {f: row for row in OP_ROWS for f in row.functions}
_BY_METHOD: dict[str, OpRow] = {method: row for row in OP_ROWS for method in row.methods}

KNOWN_OPS: frozenset[str] = frozenset(_BY_OP)


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

    Raises:
        ConfigError: the op table has no row for the node's target.
    """
    if node.op in ("placeholder", "get_attr", "output"):
        return MaseOp(node.op, node.op)
    row = find_row(node, modules)
    if row is None:
        raise ConfigError(
            f"node {node.name}: no operation is known for {node.op} {describe_target(node, modules)}"
        )
    return MaseOp(row.mase_type, row.mase_op)


def quantizeable_op(node: fx.Node, modules: Mapping[str, nn.Module]) -> str | None:
    """Return the node's mase_op if the quantize pass can replace the node, else None."""
    row = find_row(node, modules)
    if row is None or row.mase_op not in QUANTIZEABLE_OP:
        return None
    if node.op == "call_module":
        module = modules[str(node.target)]
        exact = type(module) is LAYERS[row.mase_op].float_type or isinstance(module, QuantizedModule)
        return row.mase_op if exact else None
    return row.mase_op if row.mase_op in FUNCTIONS and _replaceable_call(node, modules) else None


def _replaceable_call(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """False for calls whose meaning a quantized function would change."""
    if not set(node.kwargs) <= {*OPERAND_KEYWORDS, *_OPTION_KEYWORDS}:  # out=…
        return False
    sources = node.all_input_nodes
    if sources and all(is_number(source, modules) for source in sources):
        return False
    # Written into its first operand, which somebody else reads as well: the new value would not arrive there.
    return not (_writes_in_place(node) and len(sources[0].users) > 1)


def _writes_in_place(node: fx.Node) -> bool:
    name = getattr(node.target, "__name__", str(node.target))
    return name in ("iadd", "isub", "imul") or (name.endswith("_") and name != "relu_")


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
