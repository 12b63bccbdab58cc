"""The rows of the op table: what computes each operation in torch, and how metadata name its arguments."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx._symbolic_trace import _assert_is_none
from torch.nn import functional as F

from chop.ir.graph.by_mode import ByMode, TracedMode
from chop.ir.graph.stop_gradient import stop_gradient
from chop.ir.graph.write_view import write_view

RELATED, MODULE, BUILTIN, IMPLICIT = "module_related_func", "module", "builtin_func", "implicit_func"
MASE_TYPES = (RELATED, MODULE, BUILTIN, IMPLICIT)


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


def _layer(mase_op: str, module: type[nn.Module], *more: Callable[..., Any], params: str = "") -> OpRow:
    return OpRow(mase_op, RELATED, (module,), more, (), tuple(params.split()))


def _elementwise(mase_op: str, module: type[nn.Module], *more: Callable[..., Any], params: str = "") -> OpRow:
    return OpRow(mase_op, RELATED, (module,), more, (mase_op, f"{mase_op}_"), tuple(params.split()))


def _builtin(mase_op: str, *functions: Callable[..., Any], params: str = "", inplace: bool = False) -> OpRow:
    methods = (mase_op, f"{mase_op}_") if inplace else (mase_op,)
    return OpRow(mase_op, BUILTIN, (), functions, methods, tuple(params.split()))


def _reshape(mase_op: str, *functions: Callable[..., Any], params: str = "", varargs: str = "arg") -> OpRow:
    return OpRow(mase_op, IMPLICIT, (), functions, (mase_op,), tuple(params.split()), varargs)


_CONV = "stride padding dilation groups"
_TRANSPOSED = "stride padding output_padding groups dilation"
_POOL = "kernel_size stride padding"
_NORM = "training momentum eps"

_LAYERS: tuple[OpRow, ...] = (
    _layer("linear", nn.Linear, F.linear),
    _layer("bilinear", nn.Bilinear, F.bilinear),
    _layer("conv1d", nn.Conv1d, F.conv1d, params=_CONV),
    _layer("conv2d", nn.Conv2d, F.conv2d, params=_CONV),
    _layer("conv3d", nn.Conv3d, F.conv3d, params=_CONV),
    _layer("conv_transpose1d", nn.ConvTranspose1d, F.conv_transpose1d, params=_TRANSPOSED),
    _layer("conv_transpose2d", nn.ConvTranspose2d, F.conv_transpose2d, params=_TRANSPOSED),
    OpRow("batch_norm1d", MODULE, (nn.BatchNorm1d,)),
    OpRow("batch_norm2d", MODULE, (nn.BatchNorm2d,)),
    OpRow("batch_norm3d", MODULE, (nn.BatchNorm3d,)),
    OpRow("batch_norm", RELATED, (), (F.batch_norm, torch.batch_norm), params=tuple(_NORM.split())),
    _layer("layer_norm", nn.LayerNorm, F.layer_norm, torch.layer_norm, params="normalized_shape eps"),
    _layer("group_norm", nn.GroupNorm, F.group_norm, torch.group_norm, params="num_groups eps"),
    _layer("rms_norm", nn.RMSNorm, F.rms_norm, torch.rms_norm, params="normalized_shape eps"),
    OpRow("instance_norm", RELATED, (nn.InstanceNorm1d, nn.InstanceNorm2d), (F.instance_norm,)),
    _layer("avg_pool1d", nn.AvgPool1d, F.avg_pool1d, params=_POOL),
    _layer("avg_pool2d", nn.AvgPool2d, F.avg_pool2d, params=_POOL),
    _layer("max_pool1d", nn.MaxPool1d, F.max_pool1d, torch.max_pool1d, params=f"{_POOL} dilation"),
    _layer("max_pool2d", nn.MaxPool2d, F.max_pool2d, torch.max_pool2d, params=f"{_POOL} dilation"),
    _layer("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d, F.adaptive_avg_pool1d, params="output_size"),
    _layer("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, params="output_size"),
    _layer("adaptive_max_pool1d", nn.AdaptiveMaxPool1d, F.adaptive_max_pool1d, params="output_size"),
    _layer("adaptive_max_pool2d", nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d, params="output_size"),
    _layer("upsample", nn.Upsample, F.interpolate, params="size scale_factor mode"),
    OpRow("attention", RELATED, (), (F.scaled_dot_product_attention,), (), ("dropout_p", "is_causal")),
)

_ACTIVATIONS: tuple[OpRow, ...] = (
    _elementwise("relu", nn.ReLU, F.relu, torch.relu, torch.relu_, params="inplace"),
    _elementwise("relu6", nn.ReLU6, F.relu6, params="inplace"),
    _elementwise("leaky_relu", nn.LeakyReLU, F.leaky_relu, params="negative_slope inplace"),
    _elementwise("prelu", nn.PReLU, F.prelu),
    _elementwise("elu", nn.ELU, F.elu, params="alpha inplace"),
    _elementwise("selu", nn.SELU, F.selu, torch.selu, params="inplace"),
    _elementwise("celu", nn.CELU, F.celu, torch.celu, params="alpha inplace"),
    _elementwise("hardswish", nn.Hardswish, F.hardswish, params="inplace"),
    _elementwise("hardsigmoid", nn.Hardsigmoid, F.hardsigmoid, params="inplace"),
    _elementwise("hardtanh", nn.Hardtanh, F.hardtanh, params="min_val max_val inplace"),
    _elementwise("sigmoid", nn.Sigmoid, torch.sigmoid, F.sigmoid),
    _elementwise("logsigmoid", nn.LogSigmoid, F.logsigmoid),
    _elementwise("tanh", nn.Tanh, torch.tanh, F.tanh),
    _elementwise("gelu", nn.GELU, F.gelu, params="approximate"),
    _elementwise("silu", nn.SiLU, F.silu, params="inplace"),
    _elementwise("mish", nn.Mish, F.mish, params="inplace"),
    _elementwise("softplus", nn.Softplus, F.softplus, params="beta threshold"),
    _elementwise("softsign", nn.Softsign, F.softsign),
    _elementwise("softmax", nn.Softmax, F.softmax, torch.softmax, params="dim"),
    _elementwise("log_softmax", nn.LogSoftmax, F.log_softmax, torch.log_softmax, params="dim"),
    OpRow(
        "dropout",
        RELATED,
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
        (
            *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
            *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
        ),
        ("dropout", "dropout_"),
        ("p", "training", "inplace"),
    ),
)

_ARITHMETIC: tuple[OpRow, ...] = (
    _builtin("add", operator.add, operator.iadd, torch.add, params="other", inplace=True),
    _builtin("sub", operator.sub, operator.isub, torch.sub, params="other", inplace=True),
    _builtin("mul", operator.mul, operator.imul, torch.mul, params="other", inplace=True),
    _builtin("div", operator.truediv, operator.itruediv, torch.div, params="other", inplace=True),
    _builtin("floordiv", operator.floordiv, torch.floor_divide, params="other"),
    _builtin("remainder", operator.mod, torch.remainder, params="other"),
    _builtin("pow", operator.pow, operator.ipow, torch.pow, params="exponent"),
    _builtin("neg", operator.neg, torch.neg),
    _builtin("matmul", operator.matmul, torch.matmul),
    _builtin("bmm", torch.bmm),
    _builtin("mm", torch.mm),
    _builtin("einsum", torch.einsum, params="equation"),
    _builtin("abs", operator.abs, torch.abs),
    _builtin("exp", torch.exp),
    _builtin("log", torch.log),
    _builtin("sqrt", math.sqrt, torch.sqrt),
    _builtin("rsqrt", torch.rsqrt),
    _builtin("square", torch.square),
    _builtin("sign", torch.sign),
    _builtin("round", torch.round),
    _builtin("floor", torch.floor),
    _builtin("clamp", torch.clamp, params="min max", inplace=True),
    _builtin("clamp_min", torch.clamp_min, params="min", inplace=True),
    _builtin("clamp_max", torch.clamp_max, params="max", inplace=True),
    _builtin("minimum", torch.minimum),
    _builtin("maximum", torch.maximum),
    _builtin("min", torch.min, params="dim keepdim"),
    _builtin("max", torch.max, params="dim keepdim"),
    _builtin("amin", torch.amin, params="dim keepdim"),
    _builtin("amax", torch.amax, params="dim keepdim"),
    _builtin("argmax", torch.argmax, params="dim keepdim"),
    _builtin("mean", torch.mean, params="dim keepdim"),
    _builtin("sum", torch.sum, params="dim keepdim"),
    _builtin("var", torch.var, params="dim"),
    _builtin("std", torch.std, params="dim"),
    _builtin("norm", torch.norm, params="p dim keepdim"),
    _builtin("normalize", F.normalize, params="p dim eps"),
    _builtin("cumsum", torch.cumsum, params="dim"),
    _builtin("where", torch.where),
    _builtin("masked_fill", torch.masked_fill, params="value"),
    _builtin("eq", operator.eq, torch.eq, params="other"),
    _builtin("ne", operator.ne, torch.ne, params="other"),
    _builtin("gt", operator.gt, torch.gt, params="other"),
    _builtin("ge", operator.ge, torch.ge, params="other"),
    _builtin("lt", operator.lt, torch.lt, params="other"),
    _builtin("le", operator.le, torch.le, params="other"),
)

_RESHAPES: tuple[OpRow, ...] = (
    OpRow("embedding", IMPLICIT, (nn.Embedding,), (F.embedding,)),
    OpRow("identity", IMPLICIT, (nn.Identity,)),
    OpRow("flatten", IMPLICIT, (nn.Flatten,), (torch.flatten,), ("flatten",), ("start_dim", "end_dim")),
    OpRow("unflatten", IMPLICIT, (nn.Unflatten,), (torch.unflatten,), ("unflatten",), ("dim", "sizes")),
    OpRow("pad", IMPLICIT, (nn.ZeroPad1d, nn.ZeroPad2d), (F.pad,), (), ("pad", "mode", "value")),
    _reshape("view", varargs="shape"),
    _reshape("reshape", torch.reshape, varargs="shape"),
    _reshape("size", params="dim"),
    _reshape("dim"),
    _reshape("numel", torch.numel),
    _reshape("permute", torch.permute, varargs="dims"),
    _reshape("transpose", torch.transpose, params="dim0 dim1"),
    _reshape("t", torch.t),
    _reshape("contiguous"),
    _reshape("unsqueeze", torch.unsqueeze, params="dim"),
    _reshape("squeeze", torch.squeeze, params="dim"),
    _reshape("expand", varargs="shape"),
    _reshape("repeat", varargs="repeats"),
    _reshape("chunk", torch.chunk, params="chunks dim"),
    _reshape("split", torch.split, params="split_size dim"),
    _reshape("cat", torch.cat, torch.concat, params="dim"),
    _reshape("stack", torch.stack, params="dim"),
    _reshape("flip", torch.flip, varargs="dims"),
    _reshape("roll", torch.roll, params="shifts dims"),
    _reshape("select", torch.select, params="dim index"),
    _reshape("index_select", torch.index_select, params="dim"),
    _reshape("narrow", torch.narrow, params="dim start length"),
    _reshape("detach", torch.detach, stop_gradient),
    _reshape("clone", torch.clone),
    OpRow("to", IMPLICIT, (), (), ("to", "type_as", "float", "double", "half", "long", "int", "bool")),
    OpRow("getattr", IMPLICIT, (), (getattr,), (), ("name",)),
    OpRow("assert", IMPLICIT, (), (torch._assert, _assert_is_none), (), ("message",)),
    OpRow("write_view", IMPLICIT, (), (write_view,), (), ("steps",)),
    OpRow("by_mode", IMPLICIT, (ByMode,)),
    OpRow("traced_mode", IMPLICIT, (TracedMode,)),
    OpRow("setitem", IMPLICIT, (), (operator.setitem,), (), ("index", "value")),
    OpRow("getitem", IMPLICIT, (), (operator.getitem,), (), ("index",)),
)

OP_ROWS: tuple[OpRow, ...] = (*_LAYERS, *_ACTIVATIONS, *_ARITHMETIC, *_RESHAPES)
