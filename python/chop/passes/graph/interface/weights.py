"""Weights of a file put into a graph, as those that a trial of a search trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chop.ir.graph import MaseGraph
from chop.passes.graph.registry import path_argument, register_pass
from chop.tools.best_file import SavedWeights


@register_pass("load_weights", "interface")
def load_weights_interface_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | str | Path | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Put the weights of a file into the graph's model, in place; names and shapes must be those of the model.

    Args:
        graph: any graph; its structure and formats stay.
        pass_args: the file, or a table with ``load_name`` and, if the file is to be a certain one, its ``sha256`` in
            hexadecimal digits.

    Raises:
        ConfigError: no such file, one with another digest, or of another model; the graph is unchanged then.

    >>> import tempfile
    >>> from torch import nn
    >>> from chop.tools.checkpoint_load import save_mz
    >>> path = save_mz(nn.Sequential(nn.Linear(2, 3)), Path(tempfile.mkdtemp()) / "trained.safetensors")
    >>> graph, _ = load_weights_interface_pass(MaseGraph(nn.Sequential(nn.Linear(2, 3))), path)
    """
    path = Path(path_argument(pass_args, "load_name", "load_weights"))
    digest = pass_args.get("sha256") if isinstance(pass_args, Mapping) else None
    SavedWeights(path, digest).load_into(graph.model)
    return graph, {}
