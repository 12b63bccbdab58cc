"""Binary numbers in several levels: the residual of each is made binary again.

Source: Ghasemzadeh, Samragh and Koushanfar, "ReBNet: Residual Binarized Neural Network", arXiv:1711.01243; MASE's
``residual_sign_quantizer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

from chop.nn.quantizers.binary import BinarySpec
from chop.nn.quantizers.fields import Field, Flag, Whole
from chop.nn.quantizers.spec import QUANTIZERS


class _Sign(torch.autograd.Function):
    """The sign, 0 for 0; the gradient passes inside [-1, 1]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] * (x.abs() <= 1)


def residual_levels(levels: int, means: Tensor, x: Tensor) -> Tensor:
    """Return the stack ``[levels, *x.shape]`` of ``sign(r) * |mean|``, ``r`` what the levels before have left of ``x``.

    >>> residual_levels(2, torch.tensor([1.0, 0.5]), torch.tensor([0.8, -2.0])).sum(0)
    tensor([ 0.5000, -1.5000])
    """
    found, rest = [], x
    for level in range(levels):
        found.append(_Sign.apply(rest) * means[level].abs())
        rest = rest - found[-1]
    return torch.stack(found)


def residual_sign_quantizer(levels: int, x_quantizer: Any, means: Tensor, x: Tensor) -> Tensor:
    """Return the levels of ``x``: one tensor for one level, else the stack of them.

    Args:
        levels: how many, 1 or more.
        x_quantizer: ignored, as in MASE.
        means: a scale for each level; its magnitude counts.
        x: float tensor of any shape.

    >>> residual_sign_quantizer(1, None, torch.tensor([2.0]), torch.tensor([0.8, 0.0]))
    tensor([2., 0.])
    """
    stack = residual_levels(levels, means, x)
    return stack[0] if levels == 1 else stack


class BinaryResidualSpec(BinarySpec):
    """Fields as for ``binary``; of layers only, and only linear ones and two-dimensional convolutions.

    Optional: ``data_in_levels`` (2), ``data_in_residual_sign`` (true: the input is made binary in levels),
    ``binary_training`` (true: the weight is binary; else clipped to [-1, 1]).
    """

    name = "binary_residual"
    class_suffix = "BinaryResidualSign"
    operations = frozenset({"linear", "conv2d"})
    is_a_quantizer = False
    extra_keys: ClassVar[Mapping[str, tuple[str, Field]]] = MappingProxyType(
        {
            "data_in_levels": ("data_in", Whole(1, 16)),
            "data_in_residual_sign": ("data_in", Flag()),
            "binary_training": ("weight", Flag()),
        }
    )


QUANTIZERS["binary_residual"] = BinaryResidualSpec()
