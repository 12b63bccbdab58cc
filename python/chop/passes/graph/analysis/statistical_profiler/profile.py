"""Statistics of weights and of what flows into nodes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from chop.ir.graph import MaseGraph, MaseMetadata
from chop.ir.graph.mase_graph import forward_inputs
from chop.passes.graph.analysis.add_software_metadata import add_software_metadata_analysis_pass
from chop.passes.graph.analysis.dummy_run import unchanged
from chop.passes.graph.analysis.statistical_profiler.batches import batches, rows_of
from chop.passes.graph.analysis.statistical_profiler.stat import (
    StatBase,
    check_statistics,
    create_new_stat,
)
from chop.passes.graph.analysis.statistical_profiler.targets import inputs_of, target_nodes, weights_of
from chop.passes.graph.registry import pass_table, register_pass
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

logger = logging.getLogger(__name__)

_WHERE = "profile_statistics"
_DEFAULTS: dict[str, Any] = {
    "by": "name",
    "target_weight_nodes": (),
    "target_activation_nodes": (),
    "weight_statistics": {},
    "activation_statistics": {},
    "input_generator": None,
    "num_samples": None,
}

# node -> name of its tensor -> statistics
_Collected = dict[fx.Node, dict[str, list[StatBase]]]


@register_pass("profile_statistics", "analysis")
def profile_statistics_analysis_pass(
    graph: MaseGraph, pass_args: Mapping[str, Any] | None = None
) -> tuple[MaseGraph, dict[str, Any]]:
    """Write statistics of weights and inputs to ``software.args.<tensor>.stat`` of the target nodes.

    The model runs in its current mode; its buffers and the random state are put back. Inputs are seen before
    the node runs, so before an in-place layer changes them. A second profile replaces the results of its
    targets.

    Args:
        graph: a traced graph; software metadata is added where it is missing.
        pass_args: ``by`` ("name" or "type"); ``target_weight_nodes`` and ``target_activation_nodes`` (lists);
            ``weight_statistics`` and ``activation_statistics`` (statistic -> its arguments);
            ``input_generator`` (anything that yields batches, of any size) and ``num_samples``: whole batches
            are taken until there are that many rows. Each row ``[1, ...]`` is a sample.

    Raises:
        ConfigError: an unknown key, a bad value, or a generator without a single batch. One that ends before
            num_samples is a warning: the counts in the results say how much there was.
        UnknownNameError: an unknown node, type or statistic.

    >>> graph = MaseGraph(torch.nn.Sequential(torch.nn.Linear(2, 3)))
    >>> graph, _ = profile_statistics_analysis_pass(graph, {
    ...     "by": "type", "target_weight_nodes": ["linear"],
    ...     "weight_statistics": {"range_min_max": {"dims": "all"}}})
    >>> list(graph.nodes)[1].meta["mase"]["software"]["args"]["bias"]["stat"]["range_min_max"]["count"]
    3
    """
    args = _read_pass_args(pass_args)
    weight_nodes, activation_nodes = _targets(graph, args)
    collected: _Collected = {}
    if weight_nodes and args["weight_statistics"]:
        _profile_weights(graph, weight_nodes, args["weight_statistics"], collected)
    if activation_nodes and args["activation_statistics"]:
        _profile_activations(graph, activation_nodes, args, collected)
    _write(graph, collected)
    return graph, {}


def check_profile_statistics(graph: MaseGraph, pass_args: Mapping[str, Any] | None = None) -> None:
    """Check the arguments of a profile against a graph without running anything; raises as the pass does."""
    _targets(graph, _read_pass_args(pass_args), warn=False)


def _targets(
    graph: MaseGraph, args: Mapping[str, Any], warn: bool = True
) -> tuple[list[fx.Node], list[fx.Node]]:
    """The nodes whose weights, and those whose inputs are looked at."""
    weights, activations = "target_weight_nodes", "target_activation_nodes"
    return (
        target_nodes(graph, args["by"], args[weights], f"{_WHERE}.{weights}", warn),
        target_nodes(graph, args["by"], args[activations], f"{_WHERE}.{activations}", warn),
    )


def _read_pass_args(pass_args: Mapping[str, Any] | None) -> dict[str, Any]:
    given = pass_table(pass_args, _WHERE)
    for key in given:
        if key not in _DEFAULTS:
            hint = did_you_mean(key, _DEFAULTS)
            raise ConfigError(f"{_WHERE}: key {key!r} is not known{hint}; known: {', '.join(_DEFAULTS)}")
    args = {**_DEFAULTS, **{key: value for key, value in given.items() if value is not None}}
    if args["by"] not in ("name", "type"):
        hint = did_you_mean(args["by"], ("name", "type"))
        raise ConfigError(f"{_WHERE}.by must be name or type, got {args['by']!r}{hint}")
    for key in ("weight_statistics", "activation_statistics"):
        args[key] = check_statistics(args[key], f"{_WHERE}.{key}")
    wanted = args["num_samples"]
    if wanted is not None and (type(wanted) is not int or wanted < 1):
        raise ConfigError(f"{_WHERE}.num_samples must be a whole number from 1 on, got {wanted!r}")
    return args


def _make_all(statistics: Mapping[str, Mapping[str, Any]]) -> list[StatBase]:
    return [create_new_stat(name, **arguments) for name, arguments in statistics.items()]


def _update(stats: list[StatBase], value: Tensor, node: fx.Node, tensor: str, batch: bool = False) -> None:
    for stat in stats:
        try:
            if not batch:
                stat.update_a_sample(value)
            elif hasattr(stat, "update_a_batch"):
                stat.update_a_batch(value)
            else:  # a student's statistic need not have our base class
                StatBase.update_a_batch(stat, value)
        except ConfigError as error:
            raise ConfigError(f"{_WHERE}: node {node.name}, {tensor}: {error}") from None


def _profile_weights(
    graph: MaseGraph, nodes: list[fx.Node], statistics: Mapping[str, Any], collected: _Collected
) -> None:
    from tqdm.auto import tqdm

    modules = graph.modules
    for node in tqdm(nodes, desc="Profiling weight statistics"):
        weights = weights_of(node, modules)
        if not weights:
            logger.warning("%s: node %s has no weights", _WHERE, node.name)
        for name, tensor in weights.items():
            stats = collected.setdefault(node, {})[name] = _make_all(statistics)
            _update(stats, tensor, node, name)


class _Listener(fx.Interpreter):
    """Shows each target's inputs to its statistics before the node runs."""

    def __init__(
        self, module: fx.GraphModule, inputs: dict[fx.Node, dict[str, fx.Node]], collected: _Collected
    ):
        super().__init__(module)
        self.inputs = inputs
        self.collected = collected

    def run_node(self, n: fx.Node) -> Any:
        for name, source in self.inputs.get(n, {}).items():
            value = self.env[source]
            if isinstance(value, Tensor):
                _update(self.collected[n][name], value, n, name, batch=True)
        return super().run_node(n)


def _profile_activations(
    graph: MaseGraph, nodes: list[fx.Node], args: Mapping[str, Any], collected: _Collected
) -> None:
    from tqdm.auto import tqdm

    for key in ("input_generator", "num_samples"):
        if args[key] is None:
            raise ConfigError(f"{_WHERE}: activation statistics need {key}")
    inputs = {node: inputs_of(node) for node in nodes}
    for node, sources in inputs.items():
        if not sources:
            logger.warning("%s: node %s has no inputs", _WHERE, node.name)
        collected.setdefault(node, {}).update(
            {name: _make_all(args["activation_statistics"]) for name in sources}
        )
    listener = _Listener(graph.model, inputs, collected)
    placeholders = forward_inputs(graph.fx_graph)
    wanted, rows = args["num_samples"], 0
    bar = tqdm(total=wanted, desc="Profiling act statistics", unit="sample")
    with bar, torch.no_grad(), unchanged(graph.model):
        for batch in batches(args["input_generator"], placeholders, f"{_WHERE}.input_generator"):
            values = [batch.get(str(node.target), *node.args[:1]) for node in placeholders]
            # A first layer may be in place.
            values = [value.clone() if isinstance(value, Tensor) else value for value in values]
            _show(listener, values)
            rows += rows_of(batch)
            bar.update(min(rows, wanted) - bar.n)
            if rows >= wanted:
                break
    if rows == 0:
        raise ConfigError(f"{_WHERE}.input_generator gave no batch, {wanted} samples are needed")
    if rows < wanted:
        logger.warning("%s: input_generator ended after %d of %d samples", _WHERE, rows, wanted)


def _show(listener: _Listener, values: list[Any]) -> None:
    try:
        listener.run(*values, enable_io_processing=False)
    except ConfigError as error:  # the interpreter adds lines of its own to each exception
        raise ConfigError(str(error).splitlines()[0]) from error


def _write(graph: MaseGraph, collected: _Collected) -> None:
    if any(
        not isinstance(node.meta.get("mase"), MaseMetadata) or not node.meta["mase"]["software"]
        for node in graph.nodes
    ):
        add_software_metadata_analysis_pass(graph)
    for node, tensors in collected.items():
        entries = node.meta["mase"]["software"].setdefault("args", {})
        for name, stats in tensors.items():
            results: dict[str, Any] = {}
            for stat in stats:
                results.update(stat.export())
            entries.setdefault(name, {})["stat"] = results
