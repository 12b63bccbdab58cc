"""The model of one trial, where trials differ in more than a quantization config."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from chop.actions.search.context import SearchContext
from chop.tools.errors import ConfigError

Passes = Mapping[str, Mapping[str, Any]]

FLOAT_CONFIG: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}


class TrialFailedError(RuntimeError):
    """A trial that gives no figures: its layers do not fit together, or its training diverged."""


def trial_context(context: SearchContext, passes: Passes) -> SearchContext:
    """Return a context whose graph is a copy of the original one, redefined as the trial asks.

    The copy has its own weights, so nothing of a trial reaches another one.

    Args:
        context: of the search.
        passes: pass name -> arguments, as ``[passes]`` of a config has them; the quantize pass is not run.

    Raises:
        TrialFailedError: the redefinition is refused.
    """
    from chop.passes.graph import redefine_transform_pass

    graph = copy.deepcopy(context.graph)
    if "redefine" in passes:
        try:
            graph, _ = redefine_transform_pass(graph, passes["redefine"])
        except ConfigError as error:
            raise TrialFailedError(str(error)) from error
    return dataclasses.replace(context, graph=graph, evaluator=None, fingerprint=dict(context.fingerprint))


def quantization_of(passes: Passes) -> Mapping[str, Any]:
    """Return the quantize config among the passes of a trial; one that quantizes nothing where there is none.

    >>> quantization_of({"redefine": {}})["default"]
    {'config': {'name': None}}
    """
    return passes.get("quantize", FLOAT_CONFIG)
