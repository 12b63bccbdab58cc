"""Whether something computes a metric, asked before the first trial."""

from __future__ import annotations

from collections.abc import Collection

from chop.actions.search.metrics import metric_class
from chop.actions.search.runners import HW_RUNNERS, SW_RUNNERS
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

MOST_NAMED = 12


def check_computed(name: str, software: Collection[str], hardware: Collection[str], where: str) -> None:
    """Check that a metric, and what it is made of, is computed by one of the runners.

    Args:
        name: of the metric, registered.
        software, hardware: names of the runners of the config.
        where: key path of the metric.

    Raises:
        ConfigError: nothing computes it; the message says which runner would, and what there is.
    """
    metric = metric_class(name)
    given = {m for runner in software for m in SW_RUNNERS[runner].metrics}
    given |= {m for runner in hardware for m in HW_RUNNERS[runner].metrics}
    if metric.computes_itself():
        for needed in metric.needs:
            if needed not in given:
                raise ConfigError(f"{where}: {name!r} is made of {needed!r}, and {_nobody(needed, given)}")
    elif name not in given:
        raise ConfigError(f"{where}: {_nobody(name, given)}")


def _nobody(name: str, given: Collection[str]) -> str:
    makers = [f"sw_runner.{runner}" for runner in SW_RUNNERS if name in SW_RUNNERS[runner].metrics]
    makers += [f"hw_runner.{runner}" for runner in HW_RUNNERS if name in HW_RUNNERS[runner].metrics]
    hint = f"add {' or '.join(makers)}" if makers else "no registered runner does"
    near = did_you_mean(name, set(given) - {name})
    computed = ", ".join(sorted(given)[:MOST_NAMED]) or "none"
    more = f", … ({len(given)} in all)" if len(given) > MOST_NAMED else ""
    return f"no configured runner computes {name!r}{near} ({hint}); computed: {computed}{more}"
