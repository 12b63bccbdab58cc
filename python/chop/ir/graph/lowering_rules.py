"""One row an operation: how a node of that kind becomes an operation of the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import fx

from chop.ir.graph.lowering_call import Attributes, Call, Lowered, LoweringRule
from chop.ir.graph.lowering_functions import FUNCTION_RULES
from chop.ir.graph.lowering_slices import SLICE_RULES
from chop.ir.graph.ops import QUANTIZEABLE_OP, source_text


def _same(call: Call) -> Lowered:
    return call.lowered()


def _identity(call: Call) -> Lowered:
    return call.lowered("identity")


def _dropout(call: Call) -> Lowered:
    """The lowered graph is the model in eval mode, in which a module drops nothing; a function may."""
    if call.module is None:
        always = call.get("training", call.get("train", True))
        if call.get("p", 0.5) and always:
            raise ValueError(
                f"lower: node {call.node.name} ({call.mase_op}){source_text(call.node)} drops numbers at random in "
                "eval mode, too; give it training=self.training, or use nn.Dropout"
            )
    return call.lowered("identity")


def _linear(call: Call) -> Lowered:
    return call.lowered(None, call.tensors("weight", "bias"))


def _conv(call: Call) -> Lowered:
    spatial = int(call.mase_op[-2])
    parameters = call.tensors("weight", "bias")
    weight = parameters["weight"]
    kernel = list(weight if isinstance(weight, list) else weight.shape)[2:]
    dilation = call.numbers("dilation", spatial, 1)
    return call.lowered(
        None,
        parameters,
        stride=call.numbers("stride", spatial, 1),
        padding=_conv_padding(call, kernel, dilation),
        dilation=dilation,
        groups=float(call.get("groups", 1)),
    )


def _conv_padding(call: Call, kernel: list[int], dilation: list[int]) -> list[int]:
    """Padding before and after each dimension; torch's "same" puts the odd one behind."""
    padding = call.get("padding", 0)
    if padding == "valid":
        return [0, 0] * len(kernel)
    if padding == "same":
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [side for total in reach for side in (total // 2, total - total // 2)]
    return [side for p in call.numbers("padding", len(kernel), 0) for side in (p, p)]


def _batch_norm(call: Call) -> Lowered:
    return call.lowered(
        None, call.tensors("weight", "bias", "running_mean", "running_var"), eps=float(call.get("eps", 1e-5))
    )


def _layer_norm(call: Call) -> Lowered:
    return call.lowered(
        None,
        call.tensors("weight", "bias"),
        eps=float(call.get("eps", 1e-5)),
        normalized_shape=call.numbers("normalized_shape", 1),
    )


def _group_norm(call: Call) -> Lowered:
    return call.lowered(
        None,
        call.tensors("weight", "bias"),
        eps=float(call.get("eps", 1e-5)),
        num_groups=float(call.get("num_groups")),
    )


def _embedding(call: Call) -> Lowered:
    call.refuse("max_norm")
    return call.lowered(None, call.tensors("weight"))


def _pool(call: Call, more: Attributes | None = None) -> Lowered:
    spatial = int(call.mase_op[-2])
    kernel = call.numbers("kernel_size", spatial)
    stride = call.get("stride")
    attributes: Attributes = {
        "kernel_size": kernel,
        # An empty stride is what F.avg_pool's own default looks like.
        "stride": kernel if stride in (None, (), []) else call.numbers("stride", spatial),
        "padding": call.numbers("padding", spatial, 0),
        "dilation": call.numbers("dilation", spatial, 1),
        "ceil_mode": float(bool(call.get("ceil_mode", False))),
    }
    return Lowered(call.mase_op, [call.source()], {}, attributes | (more or {}))


def _avg_pool(call: Call) -> Lowered:
    padding = float(bool(call.get("count_include_pad", True)))
    divisor = float(call.get("divisor_override") or 0)
    return _pool(call, {"count_include_pad": padding, "divisor_override": divisor})


def _max_pool(call: Call) -> Lowered:
    call.refuse("return_indices")
    return _pool(call)


def _adaptive_pool(call: Call) -> Lowered:
    call.refuse("return_indices")
    spatial = int(call.mase_op[-2])
    size = call.get("output_size")
    sizes = list(size) if isinstance(size, (tuple, list)) else [size] * spatial
    return call.lowered(output_size=[-1 if s is None else int(s) for s in sizes])


def _numbers(**defaults: float) -> Callable[[Call], Lowered]:
    def make(call: Call) -> Lowered:
        return call.lowered(
            None, None, **{name: float(call.get(name, value)) for name, value in defaults.items()}
        )

    return make


def _softmax(call: Call) -> Lowered:
    call.refuse("dtype")
    dim = call.get("dim")
    if dim is None:
        raise ValueError(f"lower: node {call.node.name} ({call.mase_op}) names no dim")
    return call.lowered(dim=float(dim))


def _flatten(call: Call) -> Lowered:
    start = call.get("start_dim", 0)
    return call.lowered(start_dim=float(start), end_dim=float(call.get("end_dim", -1)))


def _view(call: Call) -> Lowered:
    shape = call.arguments.get("shape", call.arguments.get("rest"))
    return call.lowered("view", None, shape=call.sizes(shape))


def _permute(call: Call) -> Lowered:
    return call.lowered(dims=call.sizes(call.arguments.get("dims", call.arguments.get("rest"))))


def _transpose(call: Call) -> Lowered:
    return call.lowered(dim0=float(call.get("dim0")), dim1=float(call.get("dim1")))


def _dims(call: Call) -> list[int]:
    dim = call.get("dim")
    return [] if dim is None else call.sizes(dim)


def _squeeze(call: Call) -> Lowered:
    return call.lowered(dims=_dims(call))


def _reduce(call: Call) -> Lowered:
    call.refuse("dtype")
    return call.lowered(dims=_dims(call), keepdim=float(bool(call.get("keepdim", False))))


def _binary(call: Call) -> Lowered:
    call.refuse("alpha", 1)
    call.refuse("rounding_mode")
    operands = call.arguments.get("input"), call.arguments.get("other")
    if all(isinstance(operand, fx.Node) for operand in operands):
        return Lowered(call.mase_op, [call.named(operand) for operand in operands])
    reversed_ = not isinstance(operands[0], fx.Node)
    number, source = operands if reversed_ else operands[::-1]
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(
            f"lower: node {call.node.name} ({call.mase_op}) needs a tensor or a number, got {number!r}"
        )
    attributes: Attributes = {"other": float(number), "reversed": float(reversed_)}
    if call.mase_op in QUANTIZEABLE_OP:
        attributes["whole"] = float(isinstance(number, int))
    return Lowered(f"{call.mase_op}_scalar", [call.named(source)], {}, attributes)


def _matrices(call: Call) -> Lowered:
    return Lowered(call.mase_op, [call.named(call.arguments.get(name)) for name in ("input", "other")])


def _join(call: Call) -> Lowered:
    tensors: Any = call.arguments.get("input")
    return Lowered(
        call.mase_op, [call.named(t) for t in tensors], {}, {"dim": float(call.arguments.get("dim", 0))}
    )


_CONV = "input weight bias stride padding dilation groups"
_AVG_POOL = "input kernel_size stride padding ceil_mode count_include_pad divisor_override"
_MAX_POOL = "input kernel_size stride padding dilation ceil_mode"
_SCALED = ("add", "sub", "mul", "div")

LOWERING: Mapping[str, LoweringRule] = {
    "linear": LoweringRule(_linear, "input weight bias"),
    "conv1d": LoweringRule(_conv, _CONV),
    "conv2d": LoweringRule(_conv, _CONV),
    "batch_norm1d": LoweringRule(_batch_norm),
    "batch_norm2d": LoweringRule(_batch_norm),
    "layer_norm": LoweringRule(_layer_norm, "input normalized_shape weight bias eps"),
    "group_norm": LoweringRule(_group_norm, "input num_groups weight bias eps"),
    "embedding": LoweringRule(
        _embedding,
        "input weight padding_idx max_norm norm_type",
        ignored=(
            "padding_idx",
            "norm_type",
            "scale_grad_by_freq",
            "sparse",
        ),  # of training alone, but norm_type
    ),
    **{op: LoweringRule(_same) for op in ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "tanh")},
    **{op: LoweringRule(_same) for op in ("silu", "neg")},
    "leaky_relu": LoweringRule(_numbers(negative_slope=0.01), "input negative_slope"),
    "hardtanh": LoweringRule(_numbers(min_val=-1.0, max_val=1.0), "input min_val max_val"),
    "softmax": LoweringRule(_softmax, "input dim"),
    "log_softmax": LoweringRule(_softmax, "input dim"),
    "dropout": LoweringRule(_dropout, "input p train", ("identity",)),
    "identity": LoweringRule(_identity),
    "detach": LoweringRule(_identity, ops=("identity",)),
    **{
        op: LoweringRule(_identity, ops=("identity",), ignored=("memory_format",))
        for op in ("contiguous", "clone")
    },
    **{f"avg_pool{n}d": LoweringRule(_avg_pool, _AVG_POOL) for n in (1, 2)},
    **{f"max_pool{n}d": LoweringRule(_max_pool, _MAX_POOL) for n in (1, 2)},
    **{
        f"adaptive_{k}_pool{n}d": LoweringRule(_adaptive_pool, "input output_size")
        for k in ("avg", "max")
        for n in (1, 2)
    },
    "flatten": LoweringRule(_flatten, "input start_dim end_dim"),
    "view": LoweringRule(_view),
    "reshape": LoweringRule(_view, ops=("view",)),
    "permute": LoweringRule(_permute),
    "transpose": LoweringRule(_transpose, "input dim0 dim1"),
    "unsqueeze": LoweringRule(_numbers(dim=0), "input dim"),
    "squeeze": LoweringRule(_squeeze, "input dim"),
    "mean": LoweringRule(_reduce, "input dim keepdim"),
    "sum": LoweringRule(_reduce, "input dim keepdim"),
    **{op: LoweringRule(_binary, "input other", (op, f"{op}_scalar")) for op in _SCALED},
    "matmul": LoweringRule(_matrices, "input other"),
    "bmm": LoweringRule(_matrices, "input other"),
    "cat": LoweringRule(_join, "input dim"),
    "stack": LoweringRule(_join, "input dim"),
    **FUNCTION_RULES,
    **SLICE_RULES,
}
