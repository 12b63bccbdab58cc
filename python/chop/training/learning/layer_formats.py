"""From widths and weights to the formats of a layer: the shortest that hold the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chop.training.learning.counts import COUNTS, lowest_bit
from chop.training.trained_widths import LayerWidths

Widths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LayerFormats:
    """Formats of one linear layer whose widths were learned, as a quantization config has them.

    A weight's format reaches from the highest to the lowest set bit of its code, with a sign; a weight of 0, and one
    whose feature has no bits, has the width 0.

    Attributes:
        weight_width, weight_frac_width: shape [outputs, inputs].
        data_in_width, data_in_frac_width: shape [inputs].
        spans: bits of the weights' codes, float64, shape as the weight.
        codes: of the weights, on the grids of ``weight_frac_width``, float64.
        input_bits: without the sign, float64, shape [inputs].
    """

    weight_width: Widths
    weight_frac_width: Widths
    data_in_width: Widths
    data_in_frac_width: Widths
    spans: Tensor
    codes: Tensor
    input_bits: Tensor

    @classmethod
    def of(cls, widths: LayerWidths, weight: Tensor) -> LayerFormats:
        """Return the formats.

        Args:
            widths: of the layer.
            weight: its float weight, shape [outputs, inputs].
        """
        inputs = weight.shape[1]
        input_bits = widths.input_bits.double().expand(inputs)
        input_fracs = widths.input_fractions.round().double().expand(inputs)
        codes = widths.codes(weight) * (input_bits > 0)
        lowest = lowest_bit(codes)
        spans = (torch.frexp(codes)[1] - lowest).double()
        fracs = widths.weight_fractions.round().double().expand_as(weight).long() - lowest
        used = codes != 0
        return cls(
            weight_width=torch.where(used, spans.long() + 1, 0).numpy(),
            weight_frac_width=torch.where(used, fracs, 0).numpy(),
            data_in_width=torch.where(input_bits > 0, input_bits.long() + 1, 0).numpy(),
            data_in_frac_width=torch.where(input_bits > 0, input_fracs.long(), 0).numpy(),
            spans=spans,
            codes=torch.from_numpy(np.ldexp(codes.numpy(), -lowest.numpy())),
            input_bits=input_bits,
        )

    def cost(self, count: str) -> float:
        """Return the figure of a cost model for this layer."""
        return COUNTS[count](self.spans, self.input_bits)

    def bound(self, bias: Tensor | None, bias_frac_width: int | Widths) -> float:
        """Return the largest absolute sum that any input can give, in units of the sums' grid, as a certificate does.

        Args:
            bias: float, shape [outputs]; None: none.
            bias_frac_width: of its format, or of that of each output.
        """
        fracs, grids = self.weight_frac_width, self.data_in_frac_width
        of_weight, of_input = self.weight_width > 0, self.data_in_width > 0
        if not of_weight.any():
            return 0.0
        weight_grid, input_grid = int(fracs[of_weight].max()), int(grids[of_input].max())
        bits = self.input_bits.numpy()
        sizes = np.ldexp(np.abs(self.codes.numpy()), weight_grid - fracs)
        largest = np.where(bits > 0, np.ldexp(1.0, bits.astype(np.int64) + input_grid - grids), 0.0)
        sums = sizes @ largest
        grid = weight_grid + input_grid
        if bias is not None:
            bias_fracs = np.asarray(bias_frac_width, np.int64)
            finest = max(grid, int(bias_fracs.max()))
            codes = np.abs(np.round(np.ldexp(bias.detach().double().numpy(), bias_fracs)))
            sums = np.ldexp(sums, finest - grid) + np.ldexp(codes, finest - bias_fracs)
        return float(sums.max())
