"""The model of one trial, where trials differ in more than a quantization config."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from chop.actions.search.context import SearchContext
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.tracing import TRACING
from chop.tools.errors import ConfigError

Passes = Mapping[str, Mapping[str, Any]]

FLOAT_CONFIG: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}


class TrialFailedError(RuntimeError):
    """A trial that gives no figures: its layers do not fit together, or its training diverged."""


@contextlib.contextmanager
def trial_context(context: SearchContext, passes: Passes, threads: int) -> Iterator[SearchContext]:
    """Give a context whose graph is a copy of the original one, redefined as the trial asks.

    The copy has its own weights, so nothing of a trial reaches another one; they are gone when the block ends, unless
    somebody keeps them. One thread at a time makes a copy: fx and torch's random stream belong to all.

    Args:
        context: of the search.
        passes: pass name -> arguments, as ``[passes]`` of a config has them; the quantize pass is not run.
        threads: for the trial's evaluator.

    Raises:
        TrialFailedError: the redefinition is refused.
    """
    with TRACING:
        graph = _redefined(copy.deepcopy(context.graph), passes)
    marks = dict(context.fingerprint)
    try:
        yield dataclasses.replace(context, graph=graph, evaluator=None, fingerprint=marks, threads=threads)
    finally:
        # Model and graph refer to each other: else the weights stay until the garbage collector comes by.
        graph.fx_graph.owning_module = None


def _redefined(graph: MaseGraph, passes: Passes) -> MaseGraph:
    from chop.passes.graph import redefine_transform_pass

    if "redefine" not in passes:
        return graph
    try:
        return redefine_transform_pass(graph, passes["redefine"])[0]
    except ConfigError as error:
        raise TrialFailedError(str(error)) from error


def quantization_of(passes: Passes) -> Mapping[str, Any]:
    """Return the quantize config among the passes of a trial; one that quantizes nothing where there is none.

    >>> quantization_of({"redefine": {}})["default"]
    {'config': {'name': None}}
    """
    return passes.get("quantize", FLOAT_CONFIG)
