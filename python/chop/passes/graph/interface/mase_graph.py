"""A whole graph in files, without pickles: structure, layers, weights, metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.ir.graph.graph_check import difference
from chop.ir.graph.graph_file import describe_graph, rebuild_graph
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.interface.node_meta_param import save_node_meta_param_interface_pass
from chop.passes.graph.registry import path_argument, register_pass
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.mz_file import mz_payload, parts_of, read_mz_parts

logger = get_logger(__name__)
_GRAPH, _STATE = "graph_module.mz", "state_dict.pt"


@register_pass("save_mase_graph", "interface")
def save_mase_graph_interface_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | str | Path | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Write a graph to a folder: ``graph_module.mz``, ``state_dict.pt`` and ``node_meta_param.toml``.

    The first file holds everything (safetensors with a JSON description, see
    :mod:`chop.tools.mz_file`); the others are for other programs and for readers. ``state_dict.pt`` has the weights as
    the graph computes with them: those of quantized layers lie on their grids (the first file has them as they were
    before, too). The metadata file is left out where nodes have no metadata.

    Args:
        graph: any traced graph, quantized or not; it stays as it is.
        pass_args: the folder, or a table with ``save_dir``.

    Raises:
        ConfigError: no folder, or something that would not come back from a file as it is (a function that no table
            has, a value, a tensor); the node, layer or tensor is named, and nothing is written.

    >>> import tempfile
    >>> graph = MaseGraph(torch.nn.Sequential(torch.nn.Linear(2, 3)))
    >>> folder = tempfile.mkdtemp()
    >>> graph, _ = save_mase_graph_interface_pass(graph, {"save_dir": folder})
    >>> again, _ = load_mase_graph_interface_pass(None, {"load_dir": folder})
    >>> x = torch.ones(1, 2)
    >>> torch.equal(again.model(x), graph.model(x))
    True
    """
    folder = Path(path_argument(pass_args, "save_dir", "save_mase_graph"))
    payload = _graph_payload(graph)
    atomic_write(folder / _GRAPH, payload)
    on_grid = _quantized_weights(graph)
    buffer = io.BytesIO()
    torch.save({name: tensor.cpu() for name, tensor in graph.model.state_dict().items()} | on_grid, buffer)
    atomic_write(folder / _STATE, buffer.getvalue())
    if on_grid:
        logger.info("%s holds quantized weights, %s those before quantization", _STATE, _GRAPH)
    if all(isinstance(node.meta.get("mase"), MaseMetadata) for node in graph.nodes):
        save_node_meta_param_interface_pass(graph, folder / "node_meta_param.toml")
    return graph, {}


def _quantized_weights(graph: MaseGraph) -> dict[str, Tensor]:
    """Weights and biases of quantized layers, quantized, by their names in the state dict."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, module in graph.model.named_modules(remove_duplicate=False):
            if not isinstance(module, QuantizedModule):
                continue
            for part, quantizer in (("weight", module.w_quantizer), ("bias", module.b_quantizer)):
                tensor = getattr(module, part, None)
                if quantizer is not None and isinstance(tensor, Tensor):
                    found[f"{name}.{part}"] = quantizer(tensor.detach()).cpu()
    return found


def _graph_payload(graph: MaseGraph) -> bytes:
    """The bytes of the graph's file; they are read back first, so what cannot be loaded is never written."""
    try:
        description, tensors = describe_graph(graph)
        payload = mz_payload(graph.model, {"graph": description}, tensors)
        parts = parts_of(payload, _GRAPH)
        again = rebuild_graph(parts.extra["graph"], parts.state, parts.tensors, graph)
    except (ConfigError, ValueError, RecursionError) as error:
        raise ConfigError(f"save_mase_graph: {error}") from error
    if found := difference(graph, again):
        raise ConfigError(f"save_mase_graph: a file cannot hold this graph: {found}")
    if own := [f"{n} ({m['name']})" for n, m in description["modules"].items() if m["kind"] == "own"]:
        logger.warning(
            "no file holds the layers %s: load_mase_graph takes them from the graph it is given",
            ", ".join(own),
        )
    return payload


@register_pass("load_mase_graph", "interface")
def load_mase_graph_interface_pass(
    graph: MaseGraph | None, pass_args: Mapping[str, Any] | str | Path | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Read a graph that :func:`save_mase_graph_interface_pass` wrote.

    Args:
        graph: gives copies of layers of the user's own classes, which no file holds; it stays as it is.
            None will do for models of torch's layers.
        pass_args: the folder (or its ``graph_module.mz``), or a table with ``load_dir``.

    Returns:
        A new graph with the same structure, quantized layers, metadata and outputs, on the CPU, and an empty
        dict.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: a truncated, altered or foreign file, one without a graph, or one that needs a class that
            ``graph`` does not have.
    """
    path = Path(path_argument(pass_args, "load_dir", "load_mase_graph"))
    path = path / _GRAPH if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"load_mase_graph: {path} does not exist")
    return load_graph(path, graph), {}


def load_graph(path: Path, donor: MaseGraph | None = None) -> MaseGraph:
    """Read the graph in one ``.mz`` file; see :func:`load_mase_graph_interface_pass`."""
    parts = read_mz_parts(path)
    description = parts.extra.get("graph") if isinstance(parts.extra, Mapping) else None
    if not isinstance(description, Mapping):
        raise ConfigError(f"load_mase_graph: {path} holds weights without a graph")
    try:
        return rebuild_graph(description, parts.state, parts.tensors, donor)
    except ConfigError as error:
        raise ConfigError(f"load_mase_graph: {path}: {error}") from error
