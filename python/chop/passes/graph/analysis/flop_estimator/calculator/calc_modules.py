"""Work, parameters and buffers of one module: MASE's calculator with the cost models' counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop.cost import Costs
from chop.ir.graph.lowering_rules import LOWERING
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import find_row
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.nn.quantizers import QUANTIZERS, ElementFormat
from chop.tools.errors import ConfigError
from chop.tools.tensors import tensors_in

Data = Tensor | Sequence[Tensor]


def calculate_modules(
    module: nn.Module,
    in_data: Data,
    out_data: Data,
    type: str | None = None,
    precision: int | Sequence[int | None] | None = None,
) -> dict[str, float]:
    """Return what one call of a module is worth in work, parameters and buffers (definitions as in MASE).

    Args:
        module: any layer that the core knows, float or quantized.
        in_data, out_data: its input and its output, a tensor or a list that starts with it; the first size
            is the batch. Only shapes are read, so meta tensors do.
        type: arithmetic of the input, ``"float"`` or a quantizer's name; None asks the module.
        precision: bits of the input, alone or first of a list as metadata keeps it; None asks the module.

    Returns:
        ``total_parameters`` (weights of linear layers and convolutions without biases; a batch norm's two per
        channel), ``computations``, ``backward_computations``, ``input_buffer_size`` and
        ``output_buffer_size`` (elements), ``flop_computations`` (the computations if the input is float,
        else 0), ``bit_computations`` (computations times bits of the input).

    Raises:
        ConfigError: there is no rule for such a module.
        ValueError: the module does not take an input of that shape.

    >>> linear = calculate_modules(nn.Linear(16, 5), [torch.zeros(8, 16)], [torch.zeros(8, 5)])
    >>> linear["computations"], linear["bit_computations"]
    (640.0, 20480.0)
    >>> found = calculate_modules(nn.Linear(16, 5), torch.zeros(8, 16), torch.zeros(8, 5), "integer", [8, 4])
    >>> found["flop_computations"], found["bit_computations"]
    (0, 5120.0)
    """
    source, result = _first(in_data), _first(out_data)
    mase_op = _op_of(module)
    computations = _work(module, mase_op, source)
    parameters, backward, buffers = _as_mase(module, mase_op, source, computations)
    if type is None or precision is None:
        own_type, own_bits = _input_format(module, mase_op, source)
        type = own_type if type is None else type
        precision = own_bits if precision is None else precision
    bits = precision if isinstance(precision, int) else precision[0]
    if bits is None:
        raise ConfigError("calculate_modules: precision must open with the width in bits")
    return {
        "total_parameters": parameters,
        "computations": computations,
        "backward_computations": backward,
        "input_buffer_size": source.numel() if buffers else 0,
        "output_buffer_size": result.numel() if buffers else 0,
        "flop_computations": computations if type == "float" else 0,
        "bit_computations": computations * bits,
    }


def _first(data: Data) -> Tensor:
    given = tensors_in(data, "calculate_modules")
    return given if isinstance(given, Tensor) else given[0]


def _op_of(module: nn.Module) -> str:
    node = fx.Graph().call_module("module")
    row = find_row(node, {"module": module})
    if row is None or row.mase_op not in LOWERING:
        raise ConfigError(f"calculate_modules: there is no rule for {module.__class__.__name__}")
    return row.mase_op


def _work(module: nn.Module, mase_op: str, source: Tensor) -> float:
    # A single sample without its batch is a batch of one.
    shape = [1, *source.shape] if source.dim() < _least_rank(mase_op) else list(source.shape)
    if not shape[0]:
        return 0.0 if mase_op == "linear" else 0
    x = torch.empty(shape, dtype=source.dtype, device="meta")
    graph = MaseGraph(nn.Sequential(module))
    work = Costs(graph, x=x, models=("macs",)).operations[-1]["work"]
    return float(work) if mase_op == "linear" else int(work)  # MASE's linear layers count in floats


def _least_rank(mase_op: str) -> int:
    if mase_op.startswith("conv"):
        return int(mase_op[-2]) + 2
    if mase_op.endswith("pool2d"):
        return 4
    return 3 if mase_op.endswith("pool1d") else 2


def _as_mase(module: Any, mase_op: str, source: Tensor, work: float) -> tuple[int, float, bool]:
    """Parameters, backward work, and whether there are buffers."""
    elements = source.numel()
    if mase_op == "linear":
        return module.weight.numel(), 2 * work, True
    if mase_op.startswith("conv"):
        window = module.weight[0].numel()
        return module.weight.numel(), 2 * elements * window, True
    if mase_op.startswith(("avg_pool", "max_pool")):
        spatial = int(mase_op[-2])
        kernel = module.kernel_size
        window = kernel**spatial if isinstance(kernel, int) else math.prod(kernel)
        return 0, elements * window, True
    if mase_op == "embedding":  # the rows that are looked up; MASE gives them no buffers
        return module.embedding_dim * elements, 0, False
    if mase_op.startswith("batch_norm"):
        return 2 * module.num_features, work, True
    if mase_op == "group_norm":
        return sum(p.numel() for p in module.parameters()), work, True
    return 0, work, True


def _input_format(module: nn.Module, mase_op: str, source: Tensor) -> tuple[str, int]:
    if isinstance(module, QuantizedModule) and not module.bypass:
        config: Mapping[str, Any] = module.config
        format = QUANTIZERS[config["name"]].parse(mase_op, config, "calculate_modules").get("data_in")
        if format is None:  # the layer takes its input as it is
            return "float", torch.finfo(source.dtype).bits if source.is_floating_point() else 32
        if isinstance(format, ElementFormat):
            raise ConfigError(
                f"calculate_modules: {mase_op}: data_in has a width for each channel, and one is counted here: give "
                "precision, or ask chop.costs"
            )
        return str(config["name"]), int(format.width)
    return "float", torch.finfo(source.dtype).bits if source.is_floating_point() else 32
