"""What a search leaves behind: ``log.json``, ``best.json`` and the printed table.

Source: layout and columns are MASE's (a pandas frame written with ``orient="index"``); the numbers are
written in full instead of ten digits.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.actions.search.best_table import best_table
from chop.actions.search.constraints import is_feasible
from chop.tools.atomic_write import atomic_write
from chop.tools.text_tables import html_table, text_table

if TYPE_CHECKING:
    from chop.actions.search.objective import Objective

METRIC_COLUMNS = ("software_metrics", "hardware_metrics", "scaled_metrics")


@dataclasses.dataclass(frozen=True, repr=False)
class SearchResult:
    """What :func:`chop.actions.search` returns.

    Attributes:
        study: the Optuna study, in memory.
        study_name: its name in the journal.
        best: the entries of ``best.json``: number, value (a list), the metrics and ``sampled_config``.
        folder: where ``log.json`` and ``best.json`` lie; None where nothing was written.
        journal: the Optuna journal file; None where the study is in another storage.
        storage: URL of the storage without its password; empty for the journal in ``folder``.
        float_metrics: figures of the float model, as far as runners know them.
    """

    study: Any
    study_name: str
    best: list[dict[str, Any]]
    folder: Path | None
    journal: Path | None
    storage: str = ""
    float_metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Trials, and what the best of them measured."""
        figures: dict[str, float] = {"trials": len(self.study.get_trials(deepcopy=False))}
        for entry in self.best[:1]:
            measured = {**(entry["software_metrics"] or {}), **(entry["hardware_metrics"] or {})}
            figures |= {
                name: measured[name] for name in entry.get("scaled_metrics") or {} if name in measured
            }
        return figures

    def __repr__(self) -> str:
        return f"{self._words()}\n{text_table(*self._table())}"

    def _repr_html_(self) -> str:
        return html_table(*self._table(), self._words())

    def _words(self) -> str:
        trials = len(self.study.get_trials(deepcopy=False))
        place = self.folder if self.journal is not None else self.storage or self.folder
        return f"Study {self.study_name}: {trials} trials, {len(self.best)} best; {place}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Heading and rows: the float model and each best trial, as measured, with its formats."""
        heading, rows, _ = best_table(self.best, self.float_metrics)
        return heading, rows


def best_entries(study: Any) -> list[dict[str, Any]]:
    """Return the best trial of a study with one objective, or the Pareto front of one with several, best first.

    First is what is best in the first objective that is measured on data, such as accuracy (in the first at all, where
    none is); equal ones are ordered by the others.

    A trial that repeats an earlier config is left out: its twin is there. So is one that breaks a constraint. Empty
    where none is left.
    """
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trials = [trial for trial in trials if is_feasible(trial)]
    if not trials:
        return []
    best = _front(trials, study.directions) if len(study.directions) > 1 else [_best(trials, study.direction)]
    entries = []
    for trial in _best_first(best, study.directions):
        entry: dict[str, Any] = {"number": trial.number, "value": list(trial.values)}
        entry.update((name, trial.user_attrs.get(name)) for name in (*METRIC_COLUMNS, "sampled_config"))
        if trial.constraints:
            entry["constraints"] = trial.user_attrs.get("constraints")
        for name in ("passes", "weights", "formats"):
            if name in trial.user_attrs:
                entry[name] = trial.user_attrs[name]
        entries.append(entry)
    return entries


def _best_first(trials: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
    names = list(trials[0].user_attrs.get("scaled_metrics") or ())
    on_data = trials[0].user_attrs.get("software_metrics") or {}
    order = list(range(len(directions)))
    if len(names) == len(order):
        order.sort(key=lambda place: names[place] not in on_data)
    signs = [-1.0 if way.name == "MAXIMIZE" else 1.0 for way in directions]
    return sorted(trials, key=lambda trial: ([signs[k] * trial.values[k] for k in order], trial.number))


def _best(trials: Sequence[Any], direction: Any) -> Any:
    """The first of the best."""
    from optuna.study import StudyDirection

    choose = max if direction == StudyDirection.MAXIMIZE else min
    return choose(trials, key=lambda trial: trial.value)


def _front(trials: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
    """The trials that no other dominates, without repeats; Optuna's own copies every trial deeply first."""
    import numpy as np

    from chop.search import pareto_front

    fresh = [trial for trial in trials if "repeat_of" not in trial.user_attrs]
    values = np.array([trial.values for trial in fresh], dtype=np.float64).reshape(-1, len(directions))
    return [fresh[i] for i in pareto_front(values, [way.name.lower() for way in directions])]


def trials_log(study: Any) -> dict[str, dict[str, Any]]:
    """Return ``log.json``: trial number -> columns; times in milliseconds, since 1970 or lasting."""
    trials = study.get_trials(deepcopy=False)
    attributes = sorted({name for trial in trials for name in trial.user_attrs})
    several = len(study.directions) > 1
    log = {}
    for trial in trials:
        row: dict[str, Any] = {"number": trial.number}
        values = trial.values or [None] * len(study.directions)
        row.update(
            {f"values_{i}": value for i, value in enumerate(values)} if several else {"value": values[0]}
        )
        row.update((f"user_attrs_{name}", trial.user_attrs.get(name)) for name in attributes)
        row["state"] = trial.state.name
        row["datetime_start"] = _milliseconds(trial.datetime_start)
        row["datetime_complete"] = _milliseconds(trial.datetime_complete)
        lasted = trial.duration
        row["duration"] = None if lasted is None else round(lasted.total_seconds() * 1000)
        log[str(trial.number)] = row
    return log


def _milliseconds(moment: Any) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def write_results(study: Any, folder: Path) -> None:
    """Write ``log.json`` and ``best.json``."""
    best = {str(index): entry for index, entry in enumerate(best_entries(study))}
    atomic_write(folder / "log.json", to_json(trials_log(study)))
    atomic_write(folder / "best.json", to_json(best))


def leave_results(
    study: Any, folder: Path | None, visualizer: Any, objective: Objective, ended: bool = False
) -> None:
    """Write the files, where there is a folder, and let a visualizer that can ``draw`` show the last state.

    Args:
        study: whose results they are.
        folder: for them.
        visualizer: as given to the search.
        objective: has the weights that trials trained.
        ended: whether the study came to its end; else nothing is trained again and no file of weights deleted.
    """
    entries = best_entries(study) if ended and folder is not None else []
    try:
        objective.weights.complete(entries, lambda entry: objective.train_again(entry["sampled_config"]))
    finally:
        if folder is not None:
            write_results(study, folder)
    if ended:
        objective.weights.tidy(study.get_trials(deepcopy=False), entries)
    if hasattr(visualizer, "draw"):
        visualizer.draw(study)


def to_json(value: Any) -> str:
    """Return JSON in pandas' layout; what is not a finite number becomes null.

    >>> to_json({"loss": float("nan")})
    '{\\n    "loss":null\\n}'
    """
    return json.dumps(_finite(value), indent=4, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def best_trials_text(best: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that MASE prints: a title, then one row a trial with its metrics rounded to three digits.

    >>> print(best_trials_text([{"number": 3, "software_metrics": {"loss": 0.12345}}]))
    Best trial(s):
    |    |   number | software_metrics   | hardware_metrics   | scaled_metrics   |
    |----+----------+--------------------+--------------------+------------------|
    |  0 |        3 | {'loss': 0.123}    | {}                 | {}               |
    """
    from tabulate import tabulate

    rows = [
        [index, entry["number"], *(str(_rounded(entry.get(name))) for name in METRIC_COLUMNS)]
        for index, entry in enumerate(best)
    ]
    return "Best trial(s):\n" + tabulate(rows, headers=["", "number", *METRIC_COLUMNS], tablefmt="orgtbl")


def _rounded(metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: round(x, 3) if isinstance(x, float) else x for key, x in (metrics or {}).items()}
