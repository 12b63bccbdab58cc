"""The statistics by name: those of the core, and whatever a program registers beside them.

Source: MASE behaviour (names, arguments, exports). A statistic of one's own needs three methods::

    @STAT_NAME_TO_CLS.register("peak")
    class Peak(StatBase):
        def __init__(self):
            self.peak = 0.0

        def update_a_sample(self, sample):
            self.peak = max(self.peak, float(torch.as_tensor(sample).abs().max()))

        def compute(self):
            return {"peak": self.peak}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chop.passes.graph.analysis.statistical_profiler.native import (
    AbsMean,
    Histogram,
    Moments,
    RangeMinMax,
    RangeNSigma,
    RangeQuantile,
    Record,
    VarianceOnline,
    VariancePrecise,
)
from chop.passes.graph.analysis.statistical_profiler.stat_base import STAT_NAME_TO_CLS, StatBase
from chop.tools.errors import ConfigError

__all__ = [
    "STAT_NAME_TO_CLS",
    "AbsMean",
    "Histogram",
    "Moments",
    "RangeMinMax",
    "RangeNSigma",
    "RangeQuantile",
    "Record",
    "StatBase",
    "VarianceOnline",
    "VariancePrecise",
    "check_statistics",
    "create_new_stat",
]


def create_new_stat(stat_name: str, **stat_kwargs: Any) -> Any:
    """Make a statistic.

    Args:
        stat_name: a name of ``STAT_NAME_TO_CLS``.
        stat_kwargs: its arguments.

    Raises:
        UnknownNameError: the name is not registered.
        ConfigError: an unknown argument or a bad value.

    >>> from chop.passes.graph.analysis.statistical_profiler import create_new_stat
    >>> stat = create_new_stat("range_min_max", abs=True)
    >>> stat.update_a_sample([-3.0, 1.0])
    >>> stat.export()
    {'range_min_max': {'min': 1.0, 'max': 3.0, 'range': 2.0, 'count': 2}}
    """
    return STAT_NAME_TO_CLS[stat_name](**stat_kwargs)


def check_statistics(table: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return the checked table statistic -> arguments, each of which was tried once.

    Raises:
        UnknownNameError: a name that is not registered.
        ConfigError: no table of tables, or arguments that the statistic does not take.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of statistic -> arguments, got {table!r}")
    checked: dict[str, dict[str, Any]] = {}
    for name, arguments in table.items():
        STAT_NAME_TO_CLS[name]
        if not isinstance(arguments, Mapping):
            raise ConfigError(f"{where}.{name} must be a table of arguments, got {arguments!r}")
        try:
            create_new_stat(name, **arguments)
        except TypeError as error:
            raise ConfigError(f"{where}.{name}: {error}") from None
        checked[name] = dict(arguments)
    return checked
