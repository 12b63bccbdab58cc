"""Metrics for the tests on workers: one takes its time, one ends its process for some configs."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from chop.actions.search.metrics import METRICS, SearchMetric

if "nap" not in METRICS:

    @METRICS.register("nap")
    class Nap(SearchMetric):
        """The data width, which takes 30 ms to find out; an error where it is asked for."""

        kind, direction, unit = "hardware", "minimize", "bit"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            time.sleep(0.03)
            return float(config["seq_blocks_2"]["config"]["data_in_width"])

    @METRICS.register("deadly")
    class Deadly(SearchMetric):
        """Ends its worker for one of the configs."""

        kind, direction, unit = "hardware", "minimize", "bit"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            time.sleep(0.03)
            tables = [config[node]["config"] for node in ("seq_blocks_2", "seq_blocks_4")]
            widths = {(table["data_in_width"], table["weight_width"]) for table in tables}
            if widths == {(4, 2)} and _in_a_worker():
                os.kill(os.getpid(), signal.SIGKILL)
            return 0.0

    @METRICS.register("wrong")
    class Wrong(SearchMetric):
        """Raises."""

        kind, direction, unit = "hardware", "minimize", "bit"

        def compute(self, config: Any, measured: Any, context: Any) -> float:
            raise ZeroDivisionError("the metric of the test")


def _in_a_worker() -> bool:
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True
