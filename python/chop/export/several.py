"""Several targets at once, and the pass that exports a graph as the passes before it left it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from chop.evaluator import Config, Evaluator
from chop.export.run import DEFAULT_ROWS, Exported, Job
from chop.export.target import TARGETS
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import node_quantizer_config
from chop.passes.graph import register_pass
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line


def targets_of(text: str) -> tuple[str, ...]:
    """Return the targets of a list with commas.

    Raises:
        UnknownNameError: there is no such target.

    >>> targets_of("cpp, torch")
    ('cpp', 'torch')
    """
    targets = tuple(name.strip() for name in text.split(","))
    for name in targets:
        TARGETS[name]
    return targets


def export_all(
    evaluator: Evaluator, config: Config, targets: Sequence[str], out: Path, rows: int
) -> list[Exported]:
    """Export to each target and tell what was proven; of several, each has a folder of its own.

    Raises:
        ConfigError: a target cannot say what the model computes.
        RuntimeError: a written model computes something else. All targets are written.
    """
    found, job = list[Exported](), Job(evaluator, config, rows)
    for target in targets:
        folder = out if len(targets) == 1 else out / target  # each has its export.json
        found.append(job.export(TARGETS[target], folder))
        write_line(str(found[-1]))
    unequal = [made for made in found if not made.equal and not made.unproven]
    if unequal:
        worst = max(p.largest_difference for made in unequal for p in made.proofs)
        far = f" by up to {worst:.3g}" if math.isfinite(worst) else ""
        raise RuntimeError(f"{unequal[0].path} computes something else{far}; see {unequal[0].record}")
    return found


def config_of(graph: MaseGraph) -> dict[str, Any]:
    """Return the quantize config, by name, that a quantized graph carries.

    Raises:
        ConfigError: no node of it is quantized.
    """
    found: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    modules = graph.modules
    for node in graph.nodes:
        table = node_quantizer_config(node, modules)
        if table is not None:
            found[node.name] = {"config": dict(table)}
    if len(found) == 2:
        raise ConfigError("export: no node of the graph is quantized; quantize it first ([passes.quantize])")
    return found


@register_pass("export", "interface")
def export_interface_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any]
) -> tuple[MaseGraph, dict[str, list[Exported]]]:
    """Export a quantized graph; ``[passes.export]`` of ``ch transform`` calls it.

    Args:
        graph: with quantized nodes.
        pass_args: ``to``: list of targets; ``out``: a folder; ``x``: rows to compare on, float32, shape
            [rows, ...]; ``rows``: at most so many of them (default 10,000).

    Returns:
        The graph as it is, and under ``"exported"`` what was written.

    Raises:
        ConfigError, UnknownNameError: as :func:`chop.export`, and where nothing is quantized.
        RuntimeError: a written model computes something else.
    """
    targets, rows = list(pass_args["to"]), int(pass_args.get("rows", DEFAULT_ROWS))
    x: Tensor = pass_args["x"]
    evaluator = Evaluator(graph, x[:rows])
    return graph, {"exported": export_all(evaluator, config_of(graph), targets, Path(pass_args["out"]), rows)}
