"""Batches of model inputs from whatever a user has: a generator, a loader, a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, fx

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.tensors import tensors_in


def rows_of(batch: Mapping[str, Any]) -> int:
    """Return the number of rows of a batch: the first size of its first tensor."""
    tensor = next(value for value in batch.values() if isinstance(value, Tensor))
    return tensor.shape[0] if tensor.dim() > 0 else 1


def batches(source: Any, inputs: list[fx.Node], where: str) -> Iterator[dict[str, Any]]:
    """Yield input name -> value for each batch of ``source``.

    Args:
        source: an iterator, an iterable, or a function that returns one. A batch is a mapping of input names,
            one tensor, or a tuple in the order of the model's inputs (more, such as labels, is ignored).
        inputs: the placeholders of the graph.
        where: opens the messages.

    Raises:
        ConfigError: ``source`` is nothing of the kind, or a batch that does not suit the inputs.
    """
    if callable(source) and not hasattr(source, "__iter__") and not hasattr(source, "__next__"):
        source = source()
    # A generator with state goes on where it stands, as next() would.
    iterator = source if hasattr(source, "__next__") else None
    try:
        iterator = iter(source) if iterator is None else iterator
    except TypeError:
        raise ConfigError(f"{where} must yield batches of inputs, got {source!r}") from None
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        yield _named(batch, inputs, where)


def _named(batch: Any, inputs: list[fx.Node], where: str) -> dict[str, Any]:
    names = [str(node.target) for node in inputs]
    batch = tensors_in(batch, where)
    if isinstance(batch, Tensor):
        batch = (batch,)
    if isinstance(batch, (tuple, list)):
        batch = dict(zip(names, batch, strict=False))
    if not isinstance(batch, Mapping) or not any(isinstance(value, Tensor) for value in batch.values()):
        raise ConfigError(f"{where}: a batch must be a tensor, a tuple or a table of inputs, got {batch!r}")
    if len(names) == 1 and len(batch) == 1:
        return {names[0]: next(iter(batch.values()))}  # MASE's generators say "x" whatever the model calls it
    for name, node in zip(names, inputs, strict=True):
        if name not in batch and not node.args:
            hint = did_you_mean(name, list(batch))
            raise ConfigError(f"{where}: a batch lacks input {name!r} of the model{hint}")
    return {name: batch[name] for name in names if name in batch}
