"""The grid that the results of a quantized node lie on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import fx, nn

from chop.ir.graph.ops import find_row, node_quantizer_config
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import QUANTIZERS, ElementFormat, IntegerFormat

Formats = Mapping[str, IntegerFormat]


def _layer(formats: Formats, has_bias: bool) -> int:
    product = formats["data_in"].frac_width + formats["weight"].frac_width
    return max(product, formats["bias"].frac_width) if has_bias else product


def _product(formats: Formats, has_bias: bool) -> int:
    return formats["data_in"].frac_width + formats["weight"].frac_width


def _input(formats: Formats, has_bias: bool) -> int:
    return formats["data_in"].frac_width


def _square(formats: Formats, has_bias: bool) -> int:
    return 2 * formats["data_in"].frac_width


_FRACTION_BITS: Mapping[str, Callable[[Formats, bool], int]] = {
    "add": _input,
    "bmm": _product,
    "conv1d": _layer,
    "conv2d": _layer,
    "linear": _layer,
    "matmul": _product,
    "mul": _square,
    "relu": _input,
    "sub": _input,
}


def output_step(node: fx.Node, modules: Mapping[str, nn.Module]) -> float | None:
    """Return the step of the finest grid that every exact result of a node lies on; None for a float node.

    A linear layer's results are sums of products of its input and weight grids and of its bias.

    >>> from chop import MaseGraph
    >>> from chop.nn.quantized.modules import ReLUInteger
    >>> relu = ReLUInteger(config={"name": "integer", "data_in_width": 8, "data_in_frac_width": 4})
    >>> graph = MaseGraph(nn.Sequential(relu))
    >>> [output_step(node, graph.modules) for node in graph.nodes]
    [None, 0.0625, None]
    """
    config, row = node_quantizer_config(node, modules), find_row(node, modules)
    if config is None or row is None or row.mase_op not in _FRACTION_BITS or config.get("bypass", False):
        return None
    if "alpha" in node.kwargs:  # a factor that need not lie on any grid
        return None
    module = modules[str(node.target)] if node.op == "call_module" else None
    name = module.quantizer_name if isinstance(module, QuantizedModule) else config.get("name")
    if name not in QUANTIZERS:
        return None
    formats = QUANTIZERS[str(name)].parse(row.mase_op, config, f"compare: {node.name}")
    # What lies on the elements' grids lies on their common one.
    formats = {name: f.common if isinstance(f, ElementFormat) else f for name, f in formats.items()}
    if not all(isinstance(format, IntegerFormat) for format in formats.values()):
        return None
    has_bias = getattr(module, "bias", None) is not None
    return float(2.0 ** -_FRACTION_BITS[row.mase_op](formats, has_bias))
