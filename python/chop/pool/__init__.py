"""Work in parts: in this process, or on workers of Dask on any number of machines.

``Pool.run(function, recipe, items)`` yields each item with ``function(state, item)``, in any order. The state is what
the recipe builds; a worker builds it once, keeps it, and may lose it at any time. Workers write nothing: whoever calls
keeps what comes back, so the same call goes on where an earlier one ended.
"""

from chop.pool.opening import open_pool
from chop.pool.recipe import LostItemsError, Pool, Recipe, Source
from chop.pool.this_process import ThisProcess

__all__ = ["LostItemsError", "Pool", "Recipe", "Source", "ThisProcess", "open_pool"]
