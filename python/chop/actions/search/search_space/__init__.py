"""Search spaces: what a trial may choose, as lists of choices by flat name.

A space is a class with ``Setup`` (a strict table), ``__init__(graph, setup, seed)``, the two ``*_flattened``
mappings and ``flattened_indexes_to_config``. Register one of your own in ``SEARCH_SPACES``.

Optional: ``changes_model = True`` with ``passes_of(config, seed)`` (pass name -> arguments) for a space whose
trials redefine layers, and ``key_of(indexes)`` where different indexes can mean the same trial.
"""

# Each member registers itself when its file is imported.
from chop.actions.search.search_space import channel_size, quantization  # noqa: F401
from chop.actions.search.search_space.registry import SEARCH_SPACES, SearchSpace

__all__ = ["SEARCH_SPACES", "SearchSpace"]
