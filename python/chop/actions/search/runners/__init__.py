"""Runners measure a configuration: software runners on data, hardware runners from the config alone.

A runner is a class with ``metrics`` (names that it can yield; those in ``context.asked`` are wanted),
``Options`` (a strict table), ``__init__(context, options)`` and ``__call__(config) -> dict of metric name to
float``. Register one of your own in ``SW_RUNNERS`` or ``HW_RUNNERS``. A software runner with ``trains = True`` changes
the weights of its context's graph; then, and where the space changes the model, runners are made anew for each trial on
a copy of the graph, those that train first.

Optional: ``many(configs)`` of a software runner, the list of what ``__call__`` returns for each, where that is faster
in one go; and ``first_batch``, how many configs may be measured at once before it is known how long one takes (1
without it). Where every runner has ``parallel = True`` (``__call__`` of several of them, each on a graph of its own,
may run in threads at once; they are made one at a time, and nothing may trace or draw random numbers), trials that
train do so in parallel.
"""

# Each member registers itself when its file is imported.
from chop.actions.search.runners import (
    average_bitwidth,  # noqa: F401
    basic_evaluation,  # noqa: F401
    basic_train,  # noqa: F401
    cost,  # noqa: F401
    latency,  # noqa: F401
    luts,  # noqa: F401
)
from chop.actions.search.runners.registry import HW_RUNNERS, SW_RUNNERS, NamesNow, Runner

__all__ = ["HW_RUNNERS", "SW_RUNNERS", "NamesNow", "Runner"]
