"""Three values: -a, 0 and a.

Source: Li, Zhang and Liu, "Ternary Weight Networks", arXiv:1605.04711; MASE's ``ternary_quantizer``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from chop.nn.quantizers.binary import weights_only
from chop.nn.quantizers.fields import Field, Flag, Ignored, Real, Whole
from chop.nn.quantizers.number_format import NumberFormat, pairs
from chop.nn.quantizers.spec import QUANTIZERS
from chop.nn.quantizers.value_spec import Biases, ValueSpec, quantize_by


def ternary_quantizer(
    x: Tensor,
    threshold: float | None = None,
    maximum: float | None = None,
    median: float | None = None,
    mean: float | None = None,
    scaling_factor: bool = False,
) -> Tensor:
    """Bring ``x`` to its sign where its magnitude is above a threshold, to 0 elsewhere.

    Args:
        x: real tensor of any shape; the dtype stays.
        threshold: None means three quarters of the mean of ``|x|`` over all dimensions but the first (of one
            dimension: over all).
        maximum, median, mean: read and without effect, as in MASE.
        scaling_factor: times the mean of the magnitudes above the threshold, of the same first index.

    Returns:
        Same shape; NaN gives 0. The gradient is that of the identity.

    Raises:
        ConfigError: an argument of another kind.

    >>> import torch
    >>> ternary_quantizer(torch.tensor([[0.9, -0.1, -0.5]]), scaling_factor=True)
    tensor([[ 0.7000,  0.0000, -0.7000]])
    """
    return quantize_by(
        SPEC,
        ternary_quantizer,
        x,
        threshold=threshold,
        maximum=maximum,
        median=median,
        mean=mean,
        scaling_factor=scaling_factor,
    )


class TernarySpec(ValueSpec):
    """Fields of an operand: ``width`` (what the averages count; 2 is right), ``scaling_factor``.

    Optional: ``mean``, ``median``, ``max``, which change nothing, and ``threshold``. The layers quantize what those of
    ``binary`` do.
    """

    name = "ternary"
    class_suffix = "Ternary"
    fields = ("width", "scaling_factor")
    optional_fields: ClassVar[Mapping[str, Any]] = {
        "mean": None,
        "median": None,
        "max": None,
        "threshold": None,
    }
    kinds: ClassVar[Mapping[str, Field]] = {
        "width": Whole(1, 32),
        "scaling_factor": Flag(),
        "mean": Real(),
        "median": Real(),
        "max": Real(),
        "threshold": Real(),
    }
    arguments: ClassVar[Mapping[str, str]] = {"max": "maximum"}
    extra_keys: ClassVar[Mapping[str, tuple[str, Field]]] = {"node_meta_stat": ("data_in", Ignored())}
    listed = ("width", "scaling_factor", "mean", "median", "max")
    function = staticmethod(ternary_quantizer)

    def make_format(
        self,
        where: str,
        threshold: float | None = None,
        scaling_factor: bool = False,
        width: int = 2,
        **unused: Any,
    ) -> NumberFormat:
        numbers = math.nan if threshold is None else threshold, float(scaling_factor)
        arguments = {"threshold": threshold, "scaling_factor": scaling_factor}
        by_block = scaling_factor or threshold is None
        return NumberFormat(
            self.name,
            pairs(arguments),
            numbers,
            width,
            32 if scaling_factor else 0,
            (-1,) if by_block else (),
            "rows",
        )

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        flags = [entries["scaling_factor"]] if "scaling_factor" in entries else (False, True)
        return [{"width": 2, **entries, "scaling_factor": flag} for flag in flags]

    def layer_operands(self, mase_op: str) -> frozenset[str]:
        return weights_only(mase_op)


SPEC = TernarySpec()
QUANTIZERS[SPEC.name] = SPEC
