"""A function applied to every value that metadata keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.passes.graph.registry import pass_table, register_pass
from chop.tools.errors import ConfigError


@register_pass("metadata_value_type_cast", "transform")
def metadata_value_type_cast_transform_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Replace each ``value`` in the common metadata by ``fn(value)``, e.g. to make NumPy arrays of tensors.

    Args:
        graph: a graph with common metadata.
        pass_args: ``fn``, a function of one value; never changed.

    Raises:
        ConfigError: no such function.
    """
    function = pass_table(pass_args, "metadata_value_type_cast").get("fn")
    if not callable(function):
        raise ConfigError(f"metadata_value_type_cast: fn must be a function of one value, got {function!r}")
    holders = [node.meta.get("mase") for node in graph.nodes] + [graph.meta.get("mase")]
    for meta in holders:
        if isinstance(meta, MaseMetadata):
            for group in ("args", "results"):
                for entry in meta["common"].get(group, {}).values():
                    if isinstance(entry, dict) and "value" in entry:
                        entry["value"] = function(entry["value"])
    return graph, {}
