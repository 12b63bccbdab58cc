"""A study on disk: an Optuna journal file that holds finished trials only.

The sampler works on a study in memory; each finished trial is appended here as one record and one fsync
(Optuna itself would write one for each parameter). A run that dies leaves no trial half done.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chop.tools.logger import get_logger

logger = get_logger(__name__)

JOURNAL_NAME = "study_journal.log"
SAMPLER_STATE = "chop:sampler_attrs"


class StudyJournal:
    """One study of a journal file, made if it is not there.

    Args:
        path: the file; several studies may share it.
        name: of the study.
        directions: "minimize" or "maximize" for each objective.
        metric_names: shown by Optuna's own tools.
    """

    def __init__(self, path: Path, name: str, directions: Sequence[Any], metric_names: Sequence[str]) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        from chop.actions.search.strategies.journal_lock import journal_lock

        path.parent.mkdir(parents=True, exist_ok=True)
        drop_torn_tail(path)
        self.path, self.name = path, name
        self._storage = optuna.storages.JournalStorage(JournalFileBackend(str(path), journal_lock(path)))
        known = {study.study_name for study in self._storage.get_all_studies()}
        self._study = optuna.create_study(
            storage=self._storage, study_name=name, directions=list(directions), load_if_exists=True
        )
        self._id = self._storage.get_study_id_from_name(name)
        if name not in known:
            self._study.set_metric_names(list(metric_names))
        self._count = len(self._study.get_trials(deepcopy=False))

    def trials(self) -> list[Any]:
        """The finished trials, by number."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]

    def append(self, trial: Any) -> None:
        """Write one finished trial; it is on disk when this returns.

        Raises:
            RuntimeError: another process appended to the same study in the meantime.
        """
        trial_id = self._storage.create_new_trial(self._id, template_trial=trial)
        number = self._storage.get_trial_number_from_id(trial_id)
        if number != self._count:
            raise RuntimeError(
                f"another process writes to study {self.name!r} in {self.path}: stop one of the two"
            )
        self._count += 1

    def sampler_state(self) -> dict[str, Any]:
        """Study attributes that the sampler left, as saved last."""
        return dict(self._storage.get_study_system_attrs(self._id).get(SAMPLER_STATE, {}))

    def save_sampler_state(self, attributes: dict[str, Any]) -> None:
        """Save study attributes of the sampler (NSGA's parents), where they have changed."""
        if attributes != self.sampler_state():
            self._storage.set_study_system_attr(self._id, SAMPLER_STATE, attributes)


def drop_torn_tail(path: Path) -> int:
    """Cut a last record that was not written to its end (full disk, kill); return the bytes dropped.

    Without this the next record would be glued to the torn one, and the file could never be read again.

    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "j.log"
    >>> _ = log.write_bytes(b'{"op_code":0}' + bytes([10]) + b'{"op_co')
    >>> drop_torn_tail(log), log.read_bytes()
    (7, b'{"op_code":0}\\n')
    """
    if not path.exists():
        return 0
    from chop.actions.search.strategies.journal_lock import journal_lock

    lock = journal_lock(path)
    lock.acquire()
    try:
        with path.open("r+b") as file:
            content = file.read()
            torn = len(content) - (content.rfind(b"\n") + 1)
            if torn:
                file.truncate(len(content) - torn)
                os.fsync(file.fileno())
    finally:
        lock.release()
    if torn:
        logger.warning("%s ended in a torn record: %d bytes dropped, every whole trial is kept", path, torn)
    return torn
