"""Average widths of layers that are given one by one, of models that are not traced: the cost models' definition."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from chop import _core

MODELS = {"all": "average_bitwidth", "mase": "average_bitwidth_mase"}


def average_bitwidth(layers: Iterable[tuple[Tensor, float | None, bool]], count: str = "all") -> float:
    """Return the figure of the cost model ``average_bitwidth``, or of ``average_bitwidth_mase``.

    Args:
        layers: weight, its width (None for a float layer), and whether the layer is a linear one.
        count: ``"all"`` for every layer, ``"mase"`` for linear ones only.

    >>> import torch
    >>> a, b = torch.zeros(3, 2), torch.zeros(1, 2)
    >>> average_bitwidth([(a, 4, True), (b, 8, True)]), average_bitwidth([(a, None, True)])
    (5.0, 32.0)
    """
    rows, widths = [], []
    parameters: dict[int, tuple[float, list[tuple[int, str]]]] = {}
    for position, (weight, bits, linear) in enumerate(layers):
        kind = "linear" if linear else "layer"
        rows.append(_NO_SHAPES | {"name": f"layer{position}", "kind": kind})
        parameters.setdefault(id(weight), (float(weight.numel()), []))[1].append((position, "weight"))
        if bits is not None:
            stored = (float(bits),) * 3
            widths.append(_core.NodeWidths(position, True, _FLOAT, stored, _FLOAT, None, float(bits)))
    model = MODELS[count]
    costs = _core.Costs(rows, [], list(parameters.values()), [model])
    return float(_core.NamedTotals(costs, [model]).of(widths)[model])


_FLOAT = (32.0, 32.0, 32.0)
_NO_SHAPES = {
    "inputs": [],
    "products": [],
    "work": 0.0,
    "output_elements": 0.0,
    "features": 0.0,
    "weights_used": 0.0,
}
