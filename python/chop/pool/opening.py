"""Which pool two options stand for."""

from __future__ import annotations

import importlib.util

from chop.pool.recipe import Pool
from chop.pool.this_process import ThisProcess
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

MOST_WORKERS = 4096


def open_pool(workers: int = 0, cluster: str | None = None, threads: int = 1) -> Pool:
    """Return the pool to work with; as a context manager it ends what it started.

    Args:
        workers: processes to start on this machine; 0: none.
        cluster: address or scheduler file of a Dask cluster that is there; None: none.
        threads: of this process, where there are neither.

    Raises:
        ConfigError: both, a number out of range, no such form of address, or ``distributed`` is not installed.

    >>> open_pool().remote
    False
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or not 0 <= workers <= MOST_WORKERS:
        raise ConfigError(f"workers must be an integer in 0..{MOST_WORKERS}, got {workers!r}")
    if workers and cluster is not None:
        raise ConfigError("--workers and --cluster do not go together: a cluster has workers of its own")
    if not workers and cluster is None:
        return ThisProcess(threads)
    if importlib.util.find_spec("distributed") is None:
        option = "--workers" if workers else "--cluster"
        raise ConfigError(
            f"{option} needs distributed, which is not installed: {how_to_install('dist', ['distributed'])}"
        )
    from chop.pool.dask_pool import DaskPool

    return DaskPool(workers, cluster)
