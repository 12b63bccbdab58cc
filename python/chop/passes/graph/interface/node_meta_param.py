"""Node metadata as a TOML file: ``[<node>.common]``, ``[<node>.software]``, ``[<node>.hardware]``."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import fx

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.passes.graph.registry import path_argument, register_pass
from chop.registry import did_you_mean
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

_TYPES = (bool, int, float, str, tuple, list, dict, torch.Size, torch.dtype, torch.device)
_KINDS: dict[str, Any] = {str(kind): kind for kind in _TYPES}
_SEAL = "# SHA-256 of what follows: "
_KINDS |= {str(d): d for d in vars(torch).values() if isinstance(d, torch.dtype)}


@register_pass("save_node_meta_param", "interface")
def save_node_meta_param_interface_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | str | Path | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Write the metadata of all nodes, without stored tensors; None is written as ``"NA"``.

    Args:
        graph: a graph with metadata.
        pass_args: the path, or a table with ``save_path``.

    Raises:
        ConfigError: no path, or a node without metadata.
    """
    import tomlkit

    table = {}
    for node in graph.nodes:
        meta = node.meta.get("mase")
        if not isinstance(meta, MaseMetadata):
            raise ConfigError(
                f"save_node_meta_param: node {node.name} has no metadata; run init_metadata first"
            )
        table[node.name] = _plain(meta.parameters)
    text = tomlkit.dumps(table)
    path = path_argument(pass_args, "save_path", "save_node_meta_param")
    atomic_write(path, f"{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    return graph, {}


@register_pass("load_node_meta_param", "interface")
def load_node_meta_param_interface_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | str | Path | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Read metadata that :func:`save_node_meta_param_interface_pass` wrote; every node must be in the file.

    Args:
        graph: a graph with the same nodes.
        pass_args: the path, or a table with ``load_path``.

    Raises:
        ConfigError: no path, not TOML, changed since it was written, or nodes that do not agree with the graph's.
        FileNotFoundError: no such file.
    """
    path = Path(path_argument(pass_args, "load_path", "load_node_meta_param"))
    try:
        text = path.read_bytes().decode()
        _check_seal(text, path)
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"load_node_meta_param: {path} is no TOML file: {error}") from None
    nodes = {node.name: node for node in graph.nodes}
    for name in table:
        if name not in nodes:
            raise ConfigError(
                f"load_node_meta_param: {path} has an unknown node {name!r}{did_you_mean(name, nodes)}"
            )
    missing = [name for name in nodes if not isinstance(table.get(name), dict)]
    if missing:
        raise ConfigError(f"load_node_meta_param: {path} lacks node {missing[0]!r}")
    for name, node in nodes.items():
        meta = node.meta.setdefault("mase", MaseMetadata(node, graph.model))
        meta.parameters = {
            part: _restore(table[name].get(part, {})) for part in ("common", "software", "hardware")
        }
    return graph, {}


def _check_seal(text: str, path: Path) -> None:
    """The first line is a comment with the SHA-256 of the others; a file without it was written by hand."""
    first, _, rest = text.partition("\n")
    if first.startswith(_SEAL) and first[len(_SEAL) :] != hashlib.sha256(rest.encode()).hexdigest():
        raise ConfigError(
            f"load_node_meta_param: {path} was changed since it was written, or is damaged: its SHA-256 does not "
            "agree; if the change is yours, remove the first line"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k != "value" or not hasattr(v, "dtype")}
        return {str(k): _plain(v) for k, v in kept.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None:
        return "NA"
    if type(value) in (bool, int, float, str):
        return value
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # a statistic may be a tensor or an array
        return value.tolist()
    return value.name if isinstance(value, fx.Node) else str(value)


def _restore(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _restore(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore(item) for item in value]
    if value == "NA":
        return None
    return _KINDS.get(value, value) if isinstance(value, str) else value
