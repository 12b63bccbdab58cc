"""A study written to another Optuna storage, for tools that read one, such as optuna-dashboard."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from chop.actions.search.journal.study import IDENTITY
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.actions.search.journal.storage import StorageAddress

CONSTRAINTS = (
    "constraints"  # system attribute where Optuna 4 had a list of them, and where optuna-dashboard looks
)


def open_copy(address: StorageAddress, name: str, identity: str, directions: list[Any]) -> Any:
    """Return the study to copy into, made if it is not there.

    Raises:
        ConfigError: a study of that name is there and belongs to another search, or the storage cannot be used.
    """
    import optuna

    with address.failures(ConfigError):
        study = optuna.create_study(
            storage=address.open(), study_name=name, directions=directions, load_if_exists=True
        )
        known = study.user_attrs.get(IDENTITY)
        if known is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(IDENTITY, identity)
        elif known != identity:
            raise ConfigError(
                f"study {name!r} in {address.label} belongs to another search: config, weights, rows or seed differ; "
                "give this one another name (study_name, --study)"
            )
    return study


def copy_study(study: Any, into: Any, address: StorageAddress) -> None:
    """Add the trials that the copy lacks, and the attributes.

    Raises:
        ConnectionError: the storage failed; what is there is a study with fewer trials.
    """
    with address.failures(ConnectionError):
        if study.metric_names:
            into.set_metric_names(study.metric_names)
        for key, value in study.user_attrs.items():
            if into.user_attrs.get(key) != value:
                into.set_user_attr(key, value)
        there = len(into.get_trials(deepcopy=False))
        backend: Any = getattr(into._storage, "_backend", None)
        with backend.gathered() if hasattr(backend, "gathered") else contextlib.nullcontext():
            into.add_trials([_readable(trial) for trial in study.get_trials(deepcopy=False)[there:]])


def _readable(trial: Any) -> Any:
    if not trial.constraints:
        return trial
    made = copy.copy(trial)
    made._system_attrs = {**trial.system_attrs, CONSTRAINTS: list(trial.constraints.values())}
    return made
