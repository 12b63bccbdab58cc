"""Two values: -1 and 1, or 0 and a scale; for certain or by chance.

Source: Courbariaux et al., arXiv:1602.02830; MASE's ``binary_quantizer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from chop.nn.quantizers.fields import Field, Flag, Whole
from chop.nn.quantizers.number_format import NumberFormat, NumberQuantizer, pairs, quantize_number
from chop.nn.quantizers.spec import QUANTIZERS, TensorFunction
from chop.nn.quantizers.value_spec import Biases, ValueSpec, quantize_by


def binary_quantizer(x: Tensor, stochastic: bool = False, bipolar: bool = False) -> Tensor:
    """Bring ``x`` to two values.

    Args:
        x: real tensor of any shape; the dtype stays.
        stochastic: the upper value comes with the probability ``clip((x + 1) / 2, 0, 1)``.
        bipolar: -1 and 1, where 0 and -0 give 1; else 0 and the mean of ``|x|`` over all dimensions but the first (of
            one dimension: over all), where what is above 0 gives the mean.

    Returns:
        Same shape; NaN gives the lower value. The gradient is that of the identity; half of it if stochastic, as the
        probability has it.

    Raises:
        ConfigError: a flag that is none.

    >>> import torch
    >>> binary_quantizer(torch.tensor([[0.3, -0.5]]), bipolar=True), binary_quantizer(torch.tensor([[0.3, -0.5]]))
    (tensor([[ 1., -1.]]), tensor([[0.4000, 0.0000]]))
    """
    return quantize_by(SPEC, binary_quantizer, x, stochastic=stochastic, bipolar=bipolar)


class _Stochastic(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, format: NumberFormat) -> Tensor:
        upper = torch.rand_like(x) < (x + 1) / 2
        if dict(format.arguments)["bipolar"]:
            return torch.where(upper, 1.0, -1.0).to(x.dtype)
        scale = x.abs().mean(dim=tuple(range(1, x.dim())), keepdim=True) if x.dim() > 1 else x.abs().mean()
        return torch.where(upper, scale, torch.zeros_like(scale))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0] / 2, None


class BinaryNumbers(NumberQuantizer):
    """Brings a tensor to two values; a picklable function of one tensor."""

    def __call__(self, x: Tensor) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(binary_quantizer, (x,), x, **dict(self.format.arguments))
        return _values(x, self.format)


def _values(x: Tensor, format: NumberFormat) -> Tensor:
    return _Stochastic.apply(x, format) if format.is_random else quantize_number(x, format)


class BinarySpec(ValueSpec):
    """Fields of an operand: ``width`` (what the averages count; 1 is right), ``stochastic``, ``bipolar``.

    Of layers only the weights are quantized, as in MASE; of one-dimensional convolutions input and bias too. ReLU
    layers quantize nothing. Functions quantize every operand.
    """

    name = "binary"
    class_suffix = "Binary"
    fields = ("width", "stochastic", "bipolar")
    kinds: ClassVar[Mapping[str, Field]] = {"width": Whole(1, 32), "stochastic": Flag(), "bipolar": Flag()}
    function = staticmethod(binary_quantizer)
    result_format = ("binary", (32, 0, 1))

    def make_format(
        self, where: str, stochastic: bool = False, bipolar: bool = False, width: int = 1
    ) -> NumberFormat:
        arguments = {"stochastic": stochastic, "bipolar": bipolar}
        return NumberFormat(
            "binary",
            pairs(arguments),
            (float(bipolar),),
            width,
            0 if bipolar else 32,
            () if bipolar else (-1,),
            "rows",
            is_random=stochastic,
        )

    def layer_operands(self, mase_op: str) -> frozenset[str]:
        return weights_only(mase_op)

    def _parse(self, mase_op: str, config: Mapping[str, Any], where: str, as_layer: bool) -> dict[str, Any]:
        if mase_op == "conv1d" and as_layer:  # MASE's layer goes by the flags of its input
            flags = {f: config[f"data_in_{f}"] for f in ("stochastic", "bipolar") if f"data_in_{f}" in config}
            given = [o for o in ("weight", "bias") if any(f"{o}_{f}" in config for f in self.fields)]
            config = {**config, **{f"{o}_{f}": value for o in given for f, value in flags.items()}}
        return super()._parse(mase_op, config, where, as_layer)

    def choices(self, entries: Mapping[str, Any], biases: Biases) -> list[dict[str, Any]]:
        flags = [entries["bipolar"]] if "bipolar" in entries else (True, False)
        return [{"width": 1, "stochastic": False, **entries, "bipolar": flag} for flag in flags]

    def quantizer(self, format: NumberFormat) -> TensorFunction:
        return BinaryNumbers(format)


def weights_only(mase_op: str) -> frozenset[str]:
    """Operands that a layer of two or three values quantizes."""
    whole = {"conv1d": ("data_in", "weight", "bias"), "relu": ()}
    return frozenset(whole.get(mase_op, ("weight",)))


SPEC = BinarySpec()
QUANTIZERS[SPEC.name] = SPEC
