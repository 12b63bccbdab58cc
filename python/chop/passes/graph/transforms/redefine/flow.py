"""How many channels come out of each node, before and after, and how operations hand them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.op_rows import OP_ROWS, OpRow
from chop.ir.graph.ops import find_row, is_number, source_text
from chop.passes.graph.node_inputs import recorded_result
from chop.tools.errors import ConfigError

# (channels before, channels after) of one stretch of neighbouring channels; a concatenation has several.
Segment = tuple[int, int]

LAST, CHANNELS_1D, CHANNELS_2D = -1, -2, -3

_ELEMENTWISE = {row.mase_op for row in OP_ROWS if row.methods == (row.mase_op, f"{row.mase_op}_")}
_ELEMENTWISE = (_ELEMENTWISE - {"prelu"}) | {
    "dropout", "identity", "contiguous", "detach", "clone", "to", "neg", "abs", "exp", "log", "sqrt", "rsqrt",
    "square", "sign", "round", "floor", "clamp",
}  # fmt: skip
_POOLS = {"avg_pool1d": 1, "max_pool1d": 1, "adaptive_avg_pool1d": 1, "adaptive_max_pool1d": 1}
_POOLS |= {"avg_pool2d": 2, "max_pool2d": 2, "adaptive_avg_pool2d": 2, "adaptive_max_pool2d": 2}
_JOINS = {"add", "sub", "mul", "div", "pow", "minimum", "maximum"}


@dataclass(frozen=True, slots=True)
class Flow:
    """The channels of one tensor.

    Attributes:
        maker: the node that decided how many there are.
        segments: stretches of channels; None: how many is not known, and none has changed.
        axis: which axis counts them, from the end.
        layered: whether a layer lies between here and the model's input.
        tiled: None before a flattening; after it, whether the stretches repeat (features last) instead of
            each channel becoming a block of neighbours (channels first).
    """

    maker: str
    segments: tuple[Segment, ...] | None = None
    axis: int = LAST
    layered: bool = False
    tiled: bool | None = None

    @property
    def old(self) -> int | None:
        return None if self.segments is None else sum(before for before, _ in self.segments)

    @property
    def new(self) -> int | None:
        return None if self.segments is None else sum(after for _, after in self.segments)

    @property
    def changed(self) -> bool:
        return self.segments is not None and any(before != after for before, after in self.segments)

    @property
    def ratio(self) -> Fraction:
        """Channels after over channels before."""
        return Fraction(1) if not self.segments else Fraction(self.new or 0, self.old or 1)


def hand_on(node: fx.Node, flows: Mapping[fx.Node, Flow], modules: Mapping[str, nn.Module]) -> Flow:
    """Return the channels of a node that is neither a layer with channels of its own nor a batch norm.

    Raises:
        ConfigError: two inputs that disagree, or changed channels that go into something that does not hand
            them on as they are.
    """
    sources = [s for s in node.all_input_nodes if not _is_scalar(s, modules)]
    inputs = [flows[source] for source in sources]
    if not inputs:
        return Flow(node.name)
    row = find_row(node, modules)
    mase_op = row.mase_op if row is not None else ""
    if mase_op == "cat":  # one tensor may be there twice
        tensors = [each for each in joined_tensors(node) if isinstance(each, fx.Node)]
        inputs = _counted(node, {each: flows[each] for each in tensors}, tensors, modules)
    first = inputs[0]
    if mase_op in _ELEMENTWISE and len(inputs) == 1:
        return first
    if mase_op == "prelu" and len(inputs) == 1 and _num_parameters(node, modules) == 1:
        return first
    if mase_op in _JOINS:
        return _joined(node, inputs)
    if not any(flow.changed for flow in inputs):
        return _unchanged(node, row, inputs)
    made = _reshaped(node, mase_op, inputs)
    if made is None:
        _refuse_changed(node, mase_op, inputs)
    assert made is not None
    return made


def recorded_rank(node: fx.Node) -> int | None:
    """Number of axes of a node's result, where metadata tell."""
    entry = recorded_result(node)
    shape = None if entry is None else entry.get("shape")
    return len(shape) if isinstance(shape, list) else None


def _is_scalar(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if is_number(node, modules):
        return True
    if node.op != "get_attr":
        return False
    value: Any = node.graph.owning_module
    for part in str(node.target).split("."):
        value = getattr(value, part, None)
    return isinstance(value, torch.Tensor) and value.numel() == 1


def _num_parameters(node: fx.Node, modules: Mapping[str, nn.Module]) -> int:
    return getattr(modules.get(str(node.target)), "num_parameters", 0) if node.op == "call_module" else 0


def _unchanged(node: fx.Node, row: OpRow | None, inputs: list[Flow]) -> Flow:
    layered = any(flow.layered for flow in inputs)
    if row is not None and (made := _reshaped(node, row.mase_op, inputs)) is not None:
        return made
    return Flow(node.name, layered=layered)


def _joined(node: fx.Node, inputs: list[Flow]) -> Flow:
    """Sum, product, … of tensors: their channels must agree."""
    known = [flow for flow in inputs if flow.segments is not None]
    result = next((flow for flow in known if flow.changed), known[0] if known else inputs[0])
    if not any(flow.changed for flow in inputs):
        return replace(result, layered=any(flow.layered for flow in inputs))
    for flow in inputs:
        alone = flow.old == 1 and not flow.changed  # one channel is spread over all
        same = flow.old == result.old and flow.axis == result.axis
        if alone or (same and flow.new == result.new):
            if same and flow.segments != result.segments:
                result = replace(result, segments=((result.old or 0, result.new or 0),))
            continue
        width = flow.new if flow.segments is not None else result.old
        raise ConfigError(
            f"redefine: node {node.name}{source_text(node)} joins {result.maker} with {result.new} channels "
            f"(of {result.old}) and {flow.maker} with {width} (of {flow.old or result.old}); both must have "
            "as many"
        )
    return replace(result, layered=True)


def _reshaped(node: fx.Node, mase_op: str, inputs: list[Flow]) -> Flow | None:
    """The channels behind a pool, a flattening, a concatenation or a mean; None where they are not known."""
    flow = inputs[0]
    if mase_op in _POOLS:
        return flow if flow.axis < -_POOLS[mase_op] else None
    if mase_op == "flatten":
        return _flattened(node, flow)
    if mase_op in ("view", "reshape"):
        return _flattened(node, flow) if _keeps_rows_and_infers(node) else None
    if mase_op == "cat":
        return _concatenated(node, inputs)
    if mase_op == "mean":
        return _averaged(node, flow)
    return None


def _flattened(node: fx.Node, flow: Flow) -> Flow | None:
    module = node.graph.owning_module
    start, end = 0, -1
    if node.op == "call_module" and module is not None:
        layer = module.get_submodule(str(node.target))
        start, end = layer.start_dim, layer.end_dim  # type: ignore[assignment]
    elif getattr(node.target, "__name__", node.target) == "flatten":
        start = _argument(node, 1, "start_dim", 0)
        end = _argument(node, 2, "end_dim", -1)
    else:
        start = 1
    if (start, end) != (1, -1):
        return None
    rank = recorded_rank(node.all_input_nodes[0])
    first = flow.axis in (CHANNELS_1D, CHANNELS_2D) and (rank is None or rank + flow.axis == 1)
    if not first and flow.axis != LAST:
        return None
    return replace(flow, axis=LAST, tiled=not first if flow.tiled is None else flow.tiled)


def _keeps_rows_and_infers(node: fx.Node) -> bool:
    """True for ``x.view(rows, -1)``: a written-out width would not follow the channels."""
    shape = node.args[1:]
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    return bool(len(shape) == 2 and shape[1] == -1 and shape[0] != -1)


def joined_tensors(node: fx.Node) -> tuple[Any, ...]:
    """Return what a concatenation joins."""
    tensors = node.args[0] if node.args else node.kwargs.get("tensors", ())
    return tuple(tensors) if isinstance(tensors, (tuple, list)) else ()


def _counted(
    node: fx.Node, flows: Mapping[fx.Node, Flow], tensors: list[fx.Node], modules: Mapping[str, nn.Module]
) -> list[Flow]:
    """The channels of what is joined, also of a tensor that no layer made, such as the input of the model."""
    axis = next((flow.axis for flow in flows.values() if flow.segments is not None), LAST)
    widths = {each: recorded_width(each, axis) for each, flow in flows.items() if flow.segments is None}
    open_ = [each for each, width in widths.items() if width is None]
    if len(open_) == 1 and (total := _width_read(node, modules)) is not None:
        known = sum((flows[each].old or widths.get(each) or 0) for each in tensors)
        rest, times = total - known, tensors.count(open_[0])
        widths[open_[0]] = rest // times if rest > 0 and rest % times == 0 else None
    return [
        flow if (width := widths.get(each)) is None else replace(flow, segments=((width, width),), axis=axis)
        for each, flow in ((each, flows[each]) for each in tensors)
    ]


def recorded_width(node: fx.Node, axis: int) -> int | None:
    """Channels of a node's result on an axis from the end, where metadata tell."""
    entry = recorded_result(node)
    shape = None if entry is None else entry.get("shape")
    return int(shape[axis]) if isinstance(shape, list) and len(shape) >= -axis else None


def _width_read(node: fx.Node, modules: Mapping[str, nn.Module]) -> int | None:
    """Channels that the first layer behind a node takes, with only elementwise operations between."""
    for user in node.users:
        module = modules.get(str(user.target)) if user.op == "call_module" else None
        row = find_row(user, modules)
        for name in ("in_features", "in_channels", "num_features"):
            if isinstance(found := getattr(module, name, None), int):
                return found
        if (
            row is not None
            and row.mase_op in _ELEMENTWISE
            and (found := _width_read(user, modules)) is not None
        ):
            return found
    return None


def _concatenated(node: fx.Node, inputs: list[Flow]) -> Flow | None:
    axis = _argument(node, 1, "dim", 0)
    tensors = joined_tensors(node)
    axes = {flow.axis for flow in inputs}
    whole = isinstance(tensors, (list, tuple)) and len(tensors) == len(inputs)
    if not whole or len(axes) > 1 or any(flow.segments is None or flow.tiled is not None for flow in inputs):
        return None
    rank = recorded_rank(node.all_input_nodes[0]) or {LAST: 2, CHANNELS_1D: 3, CHANNELS_2D: 4}[inputs[0].axis]
    if not isinstance(axis, int) or (axis if axis < 0 else axis - rank) != inputs[0].axis:
        return None
    segments = tuple(segment for flow in inputs for segment in flow.segments or ())
    return Flow(node.name, segments, inputs[0].axis, any(flow.layered for flow in inputs))


def _averaged(node: fx.Node, flow: Flow) -> Flow | None:
    dims = _argument(node, 1, "dim", None)
    dims = (dims,) if isinstance(dims, int) else dims
    behind = {CHANNELS_1D: ({2}, {-1}), CHANNELS_2D: ({2, 3}, {-2, -1})}.get(flow.axis, ())
    if not isinstance(dims, (tuple, list)) or set(dims) not in behind:
        return None
    return flow if _argument(node, 2, "keepdim", False) else replace(flow, axis=LAST)


def _argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _refuse_changed(node: fx.Node, mase_op: str, inputs: list[Flow]) -> None:
    flow = next(flow for flow in inputs if flow.changed)
    what = mase_op or getattr(node.target, "__name__", str(node.target))
    raise ConfigError(
        f"redefine: node {flow.maker} would give {flow.new} channels instead of {flow.old}, and node "
        f"{node.name}{source_text(node)} ({what}) takes {flow.old}: how other widths pass it is not known"
    )
