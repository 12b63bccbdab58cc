"""What the block formats share: their blocks, and which operands skip the first dimension."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from chop.nn.quantizers.fields import BlockSize, Flag
from chop.nn.quantizers.value_spec import ValueSpec

# Which operands of a layer skip the first dimension; functions skip it for more than two dimensions.
_SKIPPED = {
    "linear": ("data_in",),
    "conv1d": ("data_in", "weight"),
    "conv2d": ("data_in", "weight"),
    "relu": ("data_in",),
}
BLOCK_SIZE, SKIP_FIRST_DIM = BlockSize(), Flag(or_none=True)


class BlockSpec(ValueSpec):
    """A format with a ``block_size``, aligned to the right of a shape; see :class:`ValueSpec`.

    Optional: ``<operand>_skip_first_dim``: whether blocks hold one first index only, instead of what MASE does with
    that operand.
    """

    optional_fields: ClassVar[Mapping[str, Any]] = MappingProxyType({"skip_first_dim": None})
    broadcasts = True

    def at_operand(
        self, mase_op: str, operand: str, values: dict[str, Any], as_layer: bool
    ) -> dict[str, Any]:
        if values.get("skip_first_dim") is None:
            values["skip_first_dim"] = operand in _SKIPPED[mase_op] if as_layer else None
        return values


def first_dim(skip_first_dim: bool | None) -> str:
    """Return the core's word for it; None: as the number of dimensions says."""
    return "by_dims" if skip_first_dim is None else "skip" if skip_first_dim else "keep"
