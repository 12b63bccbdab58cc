"""What a study depends on, as a digest: two searches share a study only if all of it is equal."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from chop.actions.search.config import SearchConfig
    from chop.actions.search.context import SearchContext

DIGITS = 12


def study_identity(config: SearchConfig, context: SearchContext, seed: int) -> str:
    """Return a short hexadecimal digest of config, seed, graph, weights and rows.

    Number of trials, time-out and threads do not count: they may change when a study is continued.
    """
    strategy = config.strategy
    setup = strategy.setup
    described: dict[str, Any] = {
        "space": [config.search_space.name, config.search_space.setup.model_dump(), config.search_space.seed],
        "strategy": strategy.name,
        "setup": setup.identity() if hasattr(setup, "identity") else setup.model_dump(),
        "runners": [
            {name: options.model_dump() for name, options in table.items()}
            for table in (strategy.sw_runner, strategy.hw_runner)
        ],
        "metrics": {name: table.model_dump() for name, table in sorted(strategy.metrics.items())},
        "constraints": {name: table.model_dump() for name, table in sorted(strategy.constraints.items())},
        "seed": seed,
        "graph": str(context.graph.fx_graph),
        "weights": weights_digest(context.graph.model),
        "data": context.fingerprint,
    }
    # The order of keys stays: in a space it decides which parameter is drawn first and which pattern matches
    # first.
    text = json.dumps(described, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:DIGITS]


def weights_digest(model: Any) -> str:
    """Return a digest of the names, shapes and values of a module's state."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
