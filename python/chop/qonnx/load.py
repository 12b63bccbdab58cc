"""From a QONNX file to a graph with formats."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from chop.ir.graph.lowering import lower
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantize_config import resolve_quantize_config
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
)
from chop.qonnx.builder import Builder
from chop.qonnx.file import QonnxGraph, UnreadableError, read_file
from chop.qonnx.operations import MAKERS
from chop.tools.errors import ConfigError


class QonnxModel(NamedTuple):
    """What a QONNX file says.

    Attributes:
        graph: the model in float32, with the shapes of its values as metadata; weights as trained where chop's
            format rounds them as the file does.
        config: the quantize config that makes of it what the file computes.
    """

    graph: MaseGraph
    config: dict[str, Any]


def load_qonnx(path: str | os.PathLike[str], one_batch_norm: bool = False) -> QonnxModel:
    """Read a QONNX file as a graph and the config that quantizes it, equal to what qonnx computes.

    Where :meth:`Evaluator.certificate` finds every layer exact, outputs equal those of qonnx' execution as numbers:
    only the sign of a zero may differ.

    Args:
        path: of the file: of chop's targets ``qonnx`` and ``qonnx-hls4ml``, of Brevitas' ``export_qonnx``, or another
            with the same operations. Opset 13 or newer.
        one_batch_norm: a BatchNormalization becomes one layer, which can be trained on. torch rounds its product and
            sum together where onnxruntime rounds each, so outputs may differ by that. False: a layer for the product
            and a layer for the sum, which is equal.

    Returns:
        ``(graph, config)``, as :class:`Evaluator`, ``quantize_transform_pass``, searches and :func:`chop.export` take
        them.

    Raises:
        ConfigError: no such file, a damaged or foreign one, or a node that no format of chop says (scales that are
            no power of two, zero points, one signed bit, narrow ranges of activations); the node is named.

    >>> import tempfile
    >>> from torch import nn
    >>> import chop
    >>> fixed = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 6,
    ...          "weight_frac_width": 4}
    >>> config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": fixed}}
    >>> x, folder = torch.randn(100, 2), tempfile.mkdtemp()
    >>> path = chop.export(nn.Sequential(nn.Linear(2, 3)), config, "qonnx", folder, x=x).path
    >>> graph, found = load_qonnx(path)
    >>> found["_0"]["config"] == fixed | {"bias_width": 6, "bias_frac_width": 4}
    True
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(f"{os.fspath(path)}: reading it needs onnx: pip install onnx")
    try:
        return _model(read_file(Path(path)), one_batch_norm)
    except UnreadableError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def _model(file: QonnxGraph, one_batch_norm: bool) -> QonnxModel:
    b = Builder(file, one_batch_norm)
    for node in file.nodes:
        if node.op not in MAKERS:
            raise node.refuse("is an operation that is not read")
        made = MAKERS[node.op](b, node)
        if made is not None:
            b.values[node.output] = made
    graph = MaseGraph.from_graph_module(b.finish())
    given = {next(str(n.target) for n in graph.nodes if n.op == "placeholder"): torch.zeros(1, *file.shape)}
    graph, _ = init_metadata_analysis_pass(graph, None)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": given, "add_value": False})
    try:
        lower(graph, input_shapes=file.shape, values=False)
        resolve_quantize_config(graph, b.config)
    except ValueError as error:
        raise UnreadableError("", str(error).splitlines()[0]) from None
    return QonnxModel(graph, b.config)
