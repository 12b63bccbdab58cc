"""What runs in a worker: it builds a state once, works on items with it, and says with each result what it is."""

from __future__ import annotations

import builtins
import dataclasses
import json
import threading
from collections.abc import Mapping
from typing import Any

from chop.pool.recipe import Source, facts_of_process, named
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

_kept: dict[str, tuple[Any, str]] = {}  # the newest recipe -> its state and identity
_building = threading.Lock()
_TOLD_AS_THEY_ARE = {kind.__name__: kind for kind in (ConfigError, UnknownNameError)}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What comes back for an item.

    Attributes:
        worker: its name.
        facts: what it is, ``identity`` included once the state is built.
        result: of the function.
        raised: kind and text of what was raised instead; None.
        unbuilt: whether that happened before the state was there.
    """

    worker: str
    facts: Mapping[str, str]
    result: Any = None
    raised: tuple[str, str] | None = None
    unbuilt: bool = False


def answer(worker: str, source: tuple[str, str], function: str, item: Any) -> Answer:
    """Return ``function(state, item)``, the state being what the source builds.

    Args:
        worker: name of this worker.
        source: ``MODULE:NAME`` of what builds the state, and its options as JSON.
        function: ``MODULE:NAME``.
        item: its second argument.
    """
    facts = facts_of_process()
    try:
        state, identity = _state(*source)
    except Exception as error:  # whatever a user's own file raises
        return Answer(worker, facts, raised=_told(error), unbuilt=True)
    facts = {**facts, "model, rows or config": identity}
    try:
        return Answer(worker, facts, named(function)(state, item))
    except Exception as error:  # as text: its class may be known here only
        return Answer(worker, facts, raised=_told(error))


def _state(build: str, options: str) -> tuple[Any, str]:
    import torch

    key = f"{build} {options}"
    with _building:
        if key not in _kept:
            torch.set_num_threads(1)
            _kept.clear()
            _kept[key] = Source(build, json.loads(options)).call()
        return _kept[key]


def _told(error: Exception) -> tuple[str, str]:
    single = (
        error.args[0] if len(error.args) == 1 else None
    )  # KeyError would put it in quotes, twice in the end
    return type(error).__name__, single if isinstance(single, str) else str(error)


def as_error(kind: str, text: str) -> Exception:
    """Return the exception that a worker told of, as near as it is known here.

    >>> as_error("ValueError", "no"), as_error("TheirError", "no")
    (ValueError('no'), RuntimeError('TheirError: no'))
    """
    known = _TOLD_AS_THEY_ARE.get(kind) or getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        return known(text)
    return RuntimeError(f"{kind}: {text}")
