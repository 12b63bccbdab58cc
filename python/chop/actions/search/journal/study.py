"""A study on disk: an Optuna journal file that holds finished trials only.

The sampler works on a study in memory; each finished trial is appended here as one record and one fsync
(Optuna itself would write one for each parameter). A run that dies leaves no trial half done. One command at a time
writes; its workers write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.tools.best_file import JOURNAL_NAME
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective

__all__ = [
    "ABOUT", "IDENTITY", "JOURNAL_NAME", "NoJournal", "StudyIsShared", "StudyJournal", "about_study", "filled_study",
]  # fmt: skip

SAMPLER_STATE = "chop:sampler_attrs"
_GIVEN_UP = "abandoned"
ABOUT = "chop:about"
IDENTITY = "chop:identity"


def about_study(
    strategy: str, seed: int | None = None, subject: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a study's attribute ``chop:about`` holds: what it is about, who proposes, seed and versions.

    >>> sorted(about_study("random", 3))
    ['chop', 'optuna', 'sampler', 'seed', 'torch']
    """
    import optuna
    import torch

    from chop import __version__

    versions = {"chop": __version__, "optuna": optuna.__version__, "torch": str(torch.__version__)}
    return {**(subject or {}), "sampler": strategy, "seed": seed, **versions}


class StudyIsShared(RuntimeError):
    """Another command is at work on the study."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(f"another command is at work on study {name} in {path}: wait for its end")


class StudyJournal:
    """One study of a journal file, made if it is not there.

    Args:
        path: the file; several studies may share it.
        name: of the study.
        directions: "minimize" or "maximize" for each objective.
        metric_names: shown by Optuna's own tools.
        about: how the study was made, see :func:`about_study`.
        identity: digest of all that the study depends on, where its name does not say it.

    Raises:
        ConfigError: a study of that name is there and belongs to another search.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        directions: Sequence[Any],
        metric_names: Sequence[str],
        about: Mapping[str, Any] | None = None,
        identity: str | None = None,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.name = path, name
        self._file, self._study, self._count = _opened(path, name, directions, metric_names, about)
        self._storage = self._study._storage
        self._id = self._study._study_id
        if self._count == 0:
            if identity is not None:
                self._study.set_user_attr(IDENTITY, identity)
        elif identity is not None and self._study.user_attrs.get(IDENTITY) != identity:
            raise ConfigError(
                f"study {name!r} in {path} belongs to another search: config, weights, rows or seed differ; give this "
                "one another name (study_name, --study)"
            )
        self._size = -1  # of the file, as this process left it
        self._state: dict[str, Any] = {}  # of the sampler, as read or saved last

    def trials(self) -> list[Any]:
        """The trials, by number; all of them are finished.

        Raises:
            ConfigError: some are not, or were given up: several processes of chop 0.1 wrote them.
        """
        trials = self._study.get_trials(deepcopy=False)
        if any(not trial.state.is_finished() or _GIVEN_UP in trial.user_attrs for trial in trials):
            raise ConfigError(
                f"study {self.name!r} in {self.path} holds trials that are not finished, as several processes of "
                "chop 0.1 left them: give this one another name (study_name, --study)"
            )
        self._count = len(trials)
        return trials

    def append_all(self, trials: Sequence[Any]) -> None:
        """Write finished trials with one write and one fsync; they are on disk when this returns.

        Raises:
            StudyIsShared: another command made a trial in the meantime; nothing is written.
        """
        with self._file.locked():
            # A file of the same size was not written to: then nothing has to be counted.
            if self._file.size() != self._size and len(self._study.get_trials(deepcopy=False)) != self._count:
                raise StudyIsShared(self.name, self.path)
            with self._file.gathered():
                for trial in trials:
                    self._storage.create_new_trial(self._id, template_trial=trial)
            self._size = self._file.size()
        self._count += len(trials)

    def sampler_state(self) -> dict[str, Any]:
        """Study attributes that the sampler left, as saved last."""
        self._state = dict(self._storage.get_study_system_attrs(self._id).get(SAMPLER_STATE, {}))
        return self._state

    def save_sampler_state(self, attributes: dict[str, Any]) -> None:
        """Save study attributes of the sampler (NSGA's parents), where they have changed."""
        if attributes != self._state:
            self._state = attributes
            with self._file.locked():
                alone = self._file.size() == self._size
                self._storage.set_study_system_attr(self._id, SAMPLER_STATE, attributes)
                self._size = self._file.size() if alone else -1


def _opened(
    path: Path,
    name: str,
    directions: Sequence[Any],
    metric_names: Sequence[str],
    about: Mapping[str, Any] | None,
) -> tuple[Any, Any, int]:
    """The file, its study of that name, made if it is not there, and how many trials that has."""
    import optuna

    from chop.actions.search.journal.file import JournalFile

    file = JournalFile(path)
    storage = optuna.storages.JournalStorage(file)
    study = optuna.create_study(
        storage=storage, study_name=name, directions=list(directions), load_if_exists=True
    )
    count = len(study.get_trials(deepcopy=False))
    if count == 0:  # new, or its maker was ended before the first trial
        study.set_metric_names(list(metric_names))
        if about is not None:
            study.set_user_attr(ABOUT, dict(about))
    return file, study, count


def filled_study(
    path: Path,
    name: str,
    objective: Objective,
    about: Mapping[str, Any],
    trials_from: Callable[[int], Sequence[Any]],
) -> Any:
    """Return a study of a journal file after adding, in one go, the trials that it lacks; made if it is not there.

    Args:
        path, name, about: see :class:`StudyJournal`.
        objective: says what a trial's values are.
        trials_from: returns the trials from a number on.
    """
    file, study, there = _opened(path, name, objective.study_directions, objective.value_names, about)
    trials = trials_from(there)
    with file.locked():
        added = len(study.get_trials(deepcopy=False)) - there  # by another run of this command
        with file.gathered():
            study.add_trials(trials[added:])
    return study


class NoJournal:
    """Stands for the journal of a study that is kept in memory only.

    Args:
        name: of the study.
    """

    path = None

    def __init__(self, name: str) -> None:
        self.name = name

    def trials(self) -> list[Any]:
        """None: the study is new."""
        return []

    def append_all(self, trials: Sequence[Any]) -> None:
        """Written nowhere."""

    def sampler_state(self) -> dict[str, Any]:
        """Return nothing: no run was before."""
        return {}

    def save_sampler_state(self, attributes: dict[str, Any]) -> None:
        """Written nowhere."""
