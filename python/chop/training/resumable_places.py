"""Whether a checkpoint of Lightning's says of loops and callbacks what Lightning says at the end of that epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chop.training.checkpoints import lightning_loops
from chop.training.resumable_values import Values

__all__ = ["check_places"]

_PATHS = ("best_model_path", "dirpath", "kth_best_model_path", "last_model_path")
_SCORES = ("best_model_score", "current_score", "kth_value")


def check_places(values: Values) -> None:
    """Check where the loops stand, and what the callback that keeps the best epoch remembers.

    Raises:
        ConfigError: a value that is missing, of a wrong kind, or at odds with the epoch.
    """
    epoch, step = int(values.content["epoch"]), int(values.content["global_step"])
    wanted = lightning_loops(epoch, step, 1)["fit_loop"]
    loops = values.table("loops", values.content.get("loops"), ["fit_loop"])
    _check_counts(values, "loops", loops)
    given = values.table("loops.fit_loop", loops["fit_loop"], list(wanted))
    _check_layout(values, "loops.fit_loop", given, wanted)
    values.equal("loops.fit_loop.epoch_progress", given["epoch_progress"], wanted["epoch_progress"])
    key = "epoch_loop.automatic_optimization.optim_progress"
    found: Any = given[key]
    for name in ("optimizer", "step", "total", "completed"):
        found = values.table(f"loops.fit_loop.{key}", found, [name])[name]
    values.equal(f"loops.fit_loop.{key}.optimizer.step.total.completed", found, step)
    for name, state in values.table("callbacks", values.content.get("callbacks")).items():
        _check_callback(values, f"callbacks.{name!s:.20}", state)


def _check_counts(values: Values, key: str, found: Mapping[Any, Any]) -> None:
    for name, value in found.items():
        where = f"{key}.{name}"
        if isinstance(value, Mapping) and (value or str(name).endswith("state_dict")):
            _check_counts(values, where, value)
        elif not isinstance(value, bool) or name != "is_last_batch":
            values.whole(where, value, 0)


def _check_layout(values: Values, key: str, found: Any, wanted: Mapping[str, Any]) -> None:
    """A table where Lightning keeps a table, a count where it keeps a count: it adopts whatever stands there."""
    given = values.table(key, found, list(wanted))
    for name, own in wanted.items():
        where = f"{key}.{name}"
        if isinstance(own, Mapping):
            _check_layout(values, where, given[name], own)
        elif isinstance(own, bool) and not isinstance(given[name], bool):
            raise values.wrong(where, "true or false", given[name])
        elif not isinstance(own, bool):
            values.whole(where, given[name], 0)


def _check_callback(values: Values, key: str, state: Any) -> None:
    """The states of ModelCheckpoint; what other callbacks keep is theirs to judge."""
    found = values.table(key, state)
    if "best_k_models" not in found:
        return
    for name in _PATHS:
        if not isinstance(found.get(name), str):
            raise values.wrong(f"{key}.{name}", "a text", found.get(name))
    best = values.content["chop_run"]["best"]["loss"]
    for name in _SCORES:
        score = _number(values, f"{key}.{name}", found.get(name))
        if score is not None and name != "current_score" and abs(score - best) > 1e-6 * abs(best):
            raise values.wrong(f"{key}.{name}", repr(best), found[name])
    for name, score in values.table(f"{key}.best_k_models", found["best_k_models"]).items():
        if not isinstance(name, str) or _number(values, f"{key}.best_k_models", score) is None:
            raise values.wrong(f"{key}.best_k_models", "figures under paths", found["best_k_models"])


def _number(values: Values, key: str, found: Any) -> float | None:
    if found is not None and not (isinstance(found, Tensor) and found.numel() == 1 and found.dim() == 0):
        raise values.wrong(key, "one number as a tensor", found)
    return None if found is None else float(found)
