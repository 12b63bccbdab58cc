"""What pictures are drawn from, as one table: CSV files, pandas tables, mappings, sweeps and Optuna studies."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FEASIBLE = "feasible"  # column: whether a result keeps all constraints; absent where there are none


@dataclasses.dataclass(frozen=True)
class Points:
    """Results, one a row.

    Attributes:
        frame: the columns; :data:`FEASIBLE` too, where the results had constraints.
        objectives: name -> "maximize" or "minimize", where the source says so.
        parameters: names of the columns that were chosen, not measured.
    """

    frame: pd.DataFrame
    objectives: dict[str, str]
    parameters: tuple[str, ...] = ()


def feasible_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return bool [rows]: which results keep their constraints; all of them where there are none.

    >>> feasible_rows(frame_of([{"a": 1, "feasible": False}, {"a": 2, "feasible": True}])).tolist()
    [False, True]
    """
    import numpy as np

    return frame[FEASIBLE].to_numpy(dtype=bool) if FEASIBLE in frame else np.ones(len(frame), dtype=bool)


def frame_of(table: Any, what: str = "table") -> pd.DataFrame:
    """Return a pandas table of a path of a CSV file, a pandas table, columns by name or rows as mappings.

    Raises:
        ConfigError: nothing of these, or a file that is no CSV with a heading.
        FileNotFoundError: the file is not there.

    >>> frame_of([{"a": 1, "b": 2}, {"a": 3, "b": 4}])["a"].tolist()
    [1, 3]
    """
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, (str, os.PathLike)):
        try:
            return pd.read_csv(Path(table))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise ConfigError(f"{what}: {str(table)!r} is no CSV file with a heading: {error}") from None
    if isinstance(table, Mapping):
        return pd.DataFrame(dict(table))
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return pd.DataFrame(list(table))
    raise ConfigError(
        f"{what} must be a CSV file, a pandas table, columns by name or a list of rows, got {type(table).__name__}"
    )


def need_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    """Raise ConfigError that names the first column that is not there."""
    for name in names:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise ConfigError(
                f"{what}: no column {name!r}{did_you_mean(name, list(map(str, frame.columns)))}; it has: {known}"
            )


def points_of(points: Any, what: str = "points") -> Points:
    """Return results as a table with what is known of it.

    Args:
        points: a ``SweepReport``, a search's result or an Optuna study (completed trials only, without repeats of
            an earlier one), or what :func:`frame_of` takes.
        what: name of the argument in messages.
    """
    import pandas as pd

    if isinstance(points, Points):
        return points
    if hasattr(points, "results") and hasattr(points, "objectives"):
        parameters = getattr(points, "parameters", {})
        frame = pd.DataFrame({**points.results, **parameters})
        if getattr(points, "constraints", None):
            frame[FEASIBLE] = points.feasible
        return Points(frame, dict(points.objectives), tuple(parameters))
    study = getattr(points, "study", points)
    if hasattr(study, "get_trials") and hasattr(study, "directions"):
        return points_of_study(study)
    return Points(frame_of(points, what), {})


def points_of_study(study: Any) -> Points:
    """Return the completed trials of an Optuna study, one a row, in order, without repeats.

    Columns: ``number``, ``seconds`` since the study's first trial started (at the trial's end), the parameters, and
    each objective as measured: a study of ``ch search`` keeps choices beside the indexes that Optuna suggests, and
    measured numbers beside the scaled ones. ``feasible`` where trials have constraints: False for one that breaks any.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> study = optuna.create_study()
    >>> study.optimize(lambda trial: trial.suggest_int("a", 1, 1) * 2.0, n_trials=1)
    >>> points_of_study(study).frame[["number", "a", "value"]].values.tolist()
    [[0.0, 1.0, 2.0]]
    """
    import pandas as pd

    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    fresh = [trial for trial in trials if "repeat_of" not in trial.user_attrs]
    directions = [direction.name.lower() for direction in study.directions]
    names = _objective_names(study, fresh, len(directions))
    objectives, flipped = {}, [False] * len(names)
    for k, (name, direction) in enumerate(zip(names, directions, strict=True)):
        flipped[k] = any(_scale(trial, name, k) < 0 for trial in fresh)
        objectives[name] = _OPPOSITE[direction] if flipped[k] else direction
    parameters = tuple(dict.fromkeys(name for trial in fresh for name in trial.params))
    started = min((t.datetime_start for t in fresh if t.datetime_start is not None), default=None)
    rows = []
    for trial in fresh:
        row: dict[str, Any] = {"number": trial.number, "seconds": _seconds(started, trial.datetime_complete)}
        row |= {name: _choice(trial, name) for name in trial.params}
        row |= {name: _measured(trial, name, k) for k, name in enumerate(names)}
        rows.append(row)
    columns = ["number", "seconds", *(p for p in parameters if p not in names), *names]
    frame = pd.DataFrame(rows, columns=columns)
    if any(trial.constraints for trial in fresh):
        frame[FEASIBLE] = [all(value <= 0 for value in trial.constraints.values()) for trial in fresh]
    return Points(frame, objectives, parameters)


_OPPOSITE = {"maximize": "minimize", "minimize": "maximize"}


def _seconds(started: Any, ended: Any) -> float:
    return float("nan") if started is None or ended is None else (ended - started).total_seconds()


def _objective_names(study: Any, trials: Sequence[Any], count: int) -> list[str]:
    scaled: Mapping[str, Any] = next(
        (trial.user_attrs["scaled_metrics"] for trial in trials if _has_metrics(trial)), {}
    )
    if len(scaled) == count:
        return list(scaled)
    if study.metric_names:
        return list(study.metric_names)
    return ["value"] if count == 1 else [f"value {k}" for k in range(count)]


def _has_metrics(trial: Any) -> bool:
    return isinstance(trial.user_attrs.get("scaled_metrics"), Mapping)


def _measured(trial: Any, name: str, k: int) -> float:
    """The number before it was scaled, where the trial has it."""
    for table in ("software_metrics", "hardware_metrics"):
        found = trial.user_attrs.get(table)
        if isinstance(found, Mapping) and found.get(name) is not None:
            return float(found[name])
    return float(trial.values[k])


def _choice(trial: Any, parameter: str) -> Any:
    """What was chosen: a study of ``ch search`` suggests indexes, and keeps the config that they mean."""
    found = trial.user_attrs.get("sampled_config")
    for part in parameter.split("/"):
        if not isinstance(found, Mapping) or part not in found:
            return trial.params[parameter]
        found = found[part]
    return "NA" if found is None else found if isinstance(found, (int, float, str)) else str(found)


def _scale(trial: Any, name: str, k: int) -> float:
    measured = _measured(trial, name, k)
    return trial.values[k] / measured if measured else 1.0


# Of what a search measures besides the metrics of logits, and of the cost model that is better when larger.
_DIRECTIONS = {
    "memory_density": "maximize",
    **dict.fromkeys(
        ("latency", "latency_spread", "luts", "luts_circuit", "luts_estimate", "perplexity"), "minimize"
    ),
}


def direction_of(name: str, given: Mapping[str, str]) -> str:
    """Return "maximize" or "minimize": as given, else that of a registered metric or cost model.

    Raises:
        ConfigError: unknown, or something else was given.

    >>> direction_of("accuracy", {}), direction_of("average_bitwidth", {})
    ('maximize', 'minimize')
    """
    from chop.cost import COST_MODELS
    from chop.metrics import METRICS

    found = given.get(name)
    if found is None and name in METRICS:
        found = METRICS[name].direction
    if found is None:
        found = _DIRECTIONS.get(name, "minimize" if name in COST_MODELS else None)
    if found not in _OPPOSITE:
        raise ConfigError(
            f"directions: is more {name} better or worse? Give directions={{{name!r}: 'maximize'}} or 'minimize'"
            + (f", not {found!r}" if found is not None else "")
        )
    return found
