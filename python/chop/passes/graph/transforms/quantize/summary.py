"""Which nodes a quantize pass changed: a table of nodes and a histogram of their types."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import describe_target, mase_type_and_op
from chop.passes.graph.registry import register_pass
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def graph_iterator_compare_nodes(
    ori_graph: MaseGraph, graph: MaseGraph, save_path: str | Path | None = None, silent: bool = False
) -> pd.DataFrame:
    """Compare two graphs of one model node by node.

    Args:
        ori_graph: the graph before.
        graph: the graph after a transform; its nodes are paired with the original's in order.
        save_path: csv file to write, None for none.
        silent: True logs nothing; else the table goes to the log at DEBUG.

    Returns:
        A table with the columns Ori name, New name, MASE_TYPE, Mase_OP, Original type, Quantized type,
        Changed.

    Raises:
        ConfigError: the graphs have different numbers of nodes.
    """
    import pandas as pd

    before, after = list(ori_graph.nodes), list(graph.nodes)
    if len(before) != len(after):
        raise ConfigError(f"summarize_quantization: the graphs have {len(before)} and {len(after)} nodes")
    ori_modules, modules = ori_graph.modules, graph.modules
    rows = [_row(old, new, ori_modules, modules) for old, new in zip(before, after, strict=True)]
    table = pd.DataFrame(rows)
    if not silent:
        logger.debug("Compare nodes:")
        logger.debug("\n%s", _text(table))
    if save_path is not None:
        atomic_write(save_path, table.to_csv())
    return table


def _row(
    old: fx.Node, new: fx.Node, ori_modules: Mapping[str, nn.Module], modules: Mapping[str, nn.Module]
) -> dict[str, Any]:
    kind = mase_type_and_op(old, ori_modules)
    types = describe_target(old, ori_modules), describe_target(new, modules)
    return {
        "Ori name": old.name,
        "New name": new.name,
        "MASE_TYPE": kind.mase_type,
        "Mase_OP": kind.mase_op,
        "Original type": types[0],
        "Quantized type": types[1],
        "Changed": types[0] != types[1],
    }


def graph_iterator_node_histogram(
    ori_graph: MaseGraph, graph: MaseGraph, save_path: str | Path | None = None
) -> pd.DataFrame:
    """Count changed and unchanged nodes by original type; the table goes to the log at INFO.

    Args:
        ori_graph, graph, save_path: as for :func:`graph_iterator_compare_nodes`.

    Returns:
        A table with the columns Original type, OP, Total, Changed, Unchanged, sorted by type.
    """
    compared = graph_iterator_compare_nodes(ori_graph, graph, silent=True)
    groups = compared.groupby(["Original type", "Mase_OP"])["Changed"]
    histogram = groups.agg(Total="count", Changed="sum").astype(int).reset_index()
    histogram = histogram.rename(columns={"Mase_OP": "OP"})
    histogram["Unchanged"] = histogram["Total"] - histogram["Changed"]
    logger.info("Quantized graph histogram:")
    logger.info("\n%s", _text(histogram))
    if save_path is not None:
        atomic_write(save_path, histogram.to_csv(index=False))
    return histogram


@register_pass("summarize_quantization", "analysis")
def summarize_quantization_analysis_pass(
    ori_graph: MaseGraph, graph: MaseGraph, save_dir: str | Path | None = None
) -> None:
    """Log which nodes differ between a graph and its quantized twin.

    Args:
        ori_graph: the graph before.
        graph: the graph after the quantize pass.
        save_dir: folder for ``quantize_table.csv`` and ``quantize_histogram.csv``, None for no files.
    """
    folder = None if save_dir is None else Path(save_dir)
    graph_iterator_compare_nodes(ori_graph, graph, folder and folder / "quantize_table.csv")
    graph_iterator_node_histogram(ori_graph, graph, folder and folder / "quantize_histogram.csv")


def _text(table: pd.DataFrame) -> str:
    from tabulate import tabulate

    return tabulate(table, headers="keys", tablefmt="orgtbl", showindex=False)
