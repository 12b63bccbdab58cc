"""Lowering rules of what takes a part of a tensor, puts constants around it, or repeats its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from chop.ir.graph.lowering_call import BATCH, Call, Lowered, LoweringRule
from chop.ir.graph.ops import find_row

# Operations that give several tensors.
PIECES = frozenset({"split", "chunk"})


@dataclass
class _Slice:
    """A part of a tensor of ``shape``: start, step and size of each dimension, and the shape of the result."""

    shape: list[int]
    start: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    result: list[int] = field(default_factory=list)

    def take(self, start: int, size: int, step: int = 1, keep: bool = True) -> None:
        """Take ``size`` numbers of the next dimension."""
        self.start.append(start)
        self.step.append(step)
        self.size.append(size)
        if keep:
            self.result.append(size)

    def take_whole(self, dims: int = 1) -> None:
        for _ in range(dims):
            self.take(0, self.shape[len(self.size)])

    def lowered(self, source: str) -> Lowered:
        self.take_whole(len(self.shape) - len(self.size))
        lists = {"start": self.start, "step": self.step, "size": self.size, "shape": self.result}
        return Lowered("slice", [source], {}, dict(lists))


def _refuse(call: Call, why: str) -> ValueError:
    return ValueError(f"lower: node {call.node.name} ({call.mase_op}) {why}")


def _dimension(call: Call, dim: int, rank: int) -> int:
    if not -rank <= dim < rank:
        raise _refuse(call, f"has no dimension {dim} among {rank}")
    return dim % rank


def _take_index(call: Call, part: _Slice, index: Any) -> None:
    """One entry of ``x[…]`` that is neither None nor an ellipsis."""
    if len(part.size) >= len(part.shape):
        raise _refuse(call, f"has more indices than {len(part.shape)} dimensions")
    extent = part.shape[len(part.size)]
    if isinstance(index, slice):
        bounds = slice(
            *(None if b is None else call.size_of(b) for b in (index.start, index.stop, index.step))
        )
        if extent == BATCH:
            if (bounds.start or 0, bounds.stop, bounds.step or 1) != (0, None, 1):
                raise _refuse(call, "takes some of the rows only")
            part.take_whole()
            return
        positions = range(*bounds.indices(extent))
        part.take(positions.start if len(positions) else 0, len(positions), positions.step)
        return
    if isinstance(index, bool) or not isinstance(index, (int, fx.Node)):
        raise _refuse(call, f"is indexed with {index!r}; numbers, slices, None and ... are known to the core")
    position = call.size_of(index)
    if extent == BATCH:
        raise _refuse(call, "takes one of the rows only")
    part.take(_dimension(call, position, extent), 1, keep=False)


def _getitem(call: Call) -> Lowered:
    source, index = call.arguments.get("input"), call.arguments.get("index")
    row = find_row(source, {}) if isinstance(source, fx.Node) and source.op != "call_module" else None
    if row is not None and row.mase_op in PIECES:
        return _piece(call, source, row.mase_op, index)  # type: ignore[arg-type]
    indices = index if isinstance(index, tuple) else (index,)
    part = _Slice(call.shape_of(source))
    open_dims = len(part.shape) - sum(entry is not None and entry is not Ellipsis for entry in indices)
    for entry in indices:
        if entry is None:
            part.result.append(1)
        elif entry is Ellipsis:
            part.take_whole(open_dims)
        else:
            _take_index(call, part, entry)
    return part.lowered(call.named(source))


def _along(call: Call, source: Any, dim: int, start: int, size: int, keep: bool = True) -> Lowered:
    """A part of one dimension of ``source``, the others whole."""
    part = _Slice(call.shape_of(source))
    dim = _dimension(call, dim, len(part.shape))
    if part.shape[dim] == BATCH:
        raise _refuse(call, "takes some of the rows only")
    if min(start, size) < 0 or start + size > part.shape[dim]:
        raise _refuse(call, f"takes {size} numbers from {start} out of {part.shape[dim]}")
    part.take_whole(dim)
    part.take(start, size, keep=keep)
    return part.lowered(call.named(source))


def _piece(call: Call, source: fx.Node, mase_op: str, index: Any) -> Lowered:
    """The tensor with that index among those that a split or chunk gives."""
    given: dict[str, Any] = dict(zip(("input", "parts", "dim"), source.args, strict=False))
    for name, value in source.kwargs.items():
        given["input" if name == "tensor" else name if name in ("input", "dim") else "parts"] = value
    tensor, dim, parts = given["input"], int(given.get("dim", 0)), given["parts"]
    shape = call.shape_of(tensor)
    extent = shape[_dimension(call, dim, len(shape))]
    if isinstance(parts, (list, tuple)):
        sizes = [call.size_of(size) for size in parts]
    else:
        count = call.size_of(parts)
        most = -(-extent // count) if mase_op == "chunk" else count
        sizes = [min(most, extent - at) for at in range(0, extent, max(most, 1))]
    if not isinstance(index, int) or not -len(sizes) <= index < len(sizes):
        raise _refuse(call, f"takes number {index} of {len(sizes)} parts")
    index %= len(sizes)
    return _along(call, tensor, dim, sum(sizes[:index]), sizes[index])


def _select(call: Call) -> Lowered:
    source = call.arguments.get("input")
    dim, shape = call.get("dim"), call.shape_of(source)
    extent = shape[_dimension(call, dim, len(shape))]
    index = call.size_of(call.arguments.get("index"))
    return _along(call, source, dim, index + extent if index < 0 else index, 1, keep=False)


def _narrow(call: Call) -> Lowered:
    start, length = (call.size_of(call.arguments.get(name)) for name in ("start", "length"))
    return _along(call, call.arguments.get("input"), call.get("dim"), start, length)


def _swapped(call: Call) -> Lowered:
    return call.lowered("transpose", None, dim0=0.0, dim1=1.0)


def _attribute(call: Call) -> Lowered:
    if call.get("name") != "mT":
        raise _refuse(call, f"is not known to the core: .{call.get('name')}")
    return call.lowered("transpose", None, dim0=-2.0, dim1=-1.0)


def _pad(call: Call) -> Lowered:
    """torch lists the sides from the last dimension on: before, after, before, after, …"""
    module = call.module is not None
    if call.get("mode", "constant") != "constant":
        raise _refuse(call, f"has the mode {call.get('mode')!r}; the core knows constants")
    sides = list(call.get("padding")) if module else call.sizes(call.arguments.get("pad"))
    rank = len(call.input_shape())
    if len(sides) % 2 or len(sides) > 2 * rank:
        raise _refuse(call, f"has {len(sides)} sides for {rank} dimensions")
    around = [[0] * (rank - len(sides) // 2) + sides[first::2][::-1] for first in (0, 1)]
    return call.lowered(before=around[0], after=around[1], value=float(call.get("value", 0.0) or 0.0))


def _upsample(call: Call) -> Lowered:
    if (mode := call.get("mode", "nearest")) != "nearest":
        raise _refuse(call, f"has the mode {mode!r}; the core knows nearest")
    extents = call.input_shape()[2:]
    size, factor = call.get("size"), call.get("scale_factor")
    if size is not None:
        sizes = list(size) if isinstance(size, (tuple, list)) else [size] * len(extents)
    else:
        factors = list(factor) if isinstance(factor, (tuple, list)) else [factor] * len(extents)
        if any(f != int(f) for f in factors):
            raise _refuse(call, f"scales by {factor}; the core knows whole numbers")
        sizes = [extent * int(f) for extent, f in zip(extents, factors, strict=True)]
    return call.lowered("upsample_nearest", None, output_size=[int(s) for s in sizes])


SLICE_RULES: Mapping[str, LoweringRule] = {
    "getitem": LoweringRule(_getitem, "input index", ("slice",)),
    "select": LoweringRule(_select, "input dim index", ("slice",)),
    "narrow": LoweringRule(_narrow, "input dim start length", ("slice",)),
    "t": LoweringRule(_swapped, ops=("transpose",)),
    "getattr": LoweringRule(_attribute, "input name", ("transpose",)),
    "pad": LoweringRule(_pad, "input pad mode value"),
    "upsample": LoweringRule(_upsample, "input size scale_factor mode", ("upsample_nearest",)),
}
