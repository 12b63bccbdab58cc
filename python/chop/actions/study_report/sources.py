"""Finds the study or the sweep that is meant, and reads it without writing anything."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.actions.search.journal.storage import StorageAddress, _pickled
from chop.actions.search.journal.study import ABOUT, JOURNAL_NAME
from chop.actions.search.subject import FLOAT, OPTIONS
from chop.plotting.tables import FEASIBLE, Points, points_of_study
from chop.registry import did_you_mean
from chop.search.bounds import Bounds
from chop.search.parts import digest_of_columns
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    import pandas as pd

logger = get_logger(__name__)

WHAT = "a project's folder, its search_ckpts, a journal, an SQLite database, a sweep (.parquet, .npz) or a storage URL"
SWEEPS = ("sweep.parquet", "sweep.npz")
PICKLES = (".pkl", ".pickle")


@dataclasses.dataclass(frozen=True)
class Source:
    """What a report is made of.

    Attributes:
        title: name of the study.
        points: all results that can be drawn.
        table: the rows of the table of trials: those of the study, else of the sweep.
        configs: trial number -> what ``[passes]`` of ``ch transform`` takes; empty without a study.
        study: the Optuna study; None of a sweep's file alone.
        facts: name -> what is known: model, data, sampler, seed, versions, counts.
        float_metrics: figures of the float model.
        options: keys of a TOML file from which the model and the data are built again.
    """

    title: str
    points: Points
    table: Points
    configs: Mapping[int, Mapping[str, Any]]
    study: Any
    facts: Mapping[str, Any]
    float_metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def heading(self) -> str:
        """Model and data set, else the name of the study."""
        model, data = self.facts.get("model"), str(self.facts.get("data set", "")).partition(":")[0]
        return f"{model} on {data}" if model and data else self.title

    @property
    def is_sweep(self) -> bool:
        """True of a whole space."""
        return str(self.facts.get("sampler", "")).startswith("exhaustive")


def find_source(where: str, name: str | None = None) -> Source:
    """Return what there is at ``where``.

    Args:
        where: see :data:`WHAT`.
        name: of the study, where there are several; left out, the one whose last trial is the newest.

    Raises:
        ConfigError: nothing of the kind, a pickle, no study of that name, no completed trial.
        FileNotFoundError: nothing there.
    """
    if "://" in where:
        address = StorageAddress(where)
        if address.path is not None and not address.path.is_file():
            raise ConfigError(f"report: {address.label!r}: there is no file {str(address.path)!r}")
        address.check()
        return _of_address(address, name, address.label)
    path = Path(where)
    if not path.exists():
        raise ConfigError(f"report: {where!r} does not exist; STUDY is {WHAT}")
    if path.is_dir():
        return _of_folder(path, name)
    return _of_file(path, name)


def _of_folder(folder: Path, name: str | None) -> Source:
    places = (folder / "software" / "search_ckpts", folder / "search_ckpts", folder)
    for place in places:
        journal = place / JOURNAL_NAME
        sweep = next((place / file for file in SWEEPS if (place / file).is_file()), None)
        if not journal.is_file() and sweep is None:
            continue
        if not journal.is_file():
            return _of_sweep(sweep)  # type: ignore[arg-type]
        found = _of_file(journal, name)
        return _with_sweep(found, sweep) if sweep is not None and found.is_sweep else found
    old = next((path for place in places for kind in PICKLES for path in place.glob(f"*{kind}")), None)
    if old is not None:
        raise ConfigError(f"report: {_pickled(str(old))}")
    raise ConfigError(f"report: there is no study in {str(folder)!r}; STUDY is {WHAT}")


def _of_file(path: Path, name: str | None) -> Source:
    if path.suffix in (".parquet", ".npz"):
        return _of_sweep(path)
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix in PICKLES or head[:1] == b"\x80":
        raise ConfigError(f"report: {_pickled(str(path))}")
    if head.startswith(b"SQLite format 3\0"):
        return _of_address(StorageAddress(f"sqlite:///{path}"), name, str(path))
    if not head.startswith(b"{"):
        raise ConfigError(f"report: {str(path)!r} is no study; STUDY is {WHAT}")
    return _of_address(StorageAddress.of_journal(path), name, str(path))


def _of_address(address: StorageAddress, name: str | None, label: str) -> Source:
    import optuna

    from chop.actions.search.strategies.quiet import quiet_optuna

    with quiet_optuna(), tempfile.TemporaryDirectory() as folder, address.failures(ConfigError):
        if address.kind == "sqlite":
            address = _copied(Path(str(address.path)), Path(folder))
        storage = address.open(read_only=True)
        chosen = _choose(storage, name, label)
        return _of_study(_in_memory(optuna.load_study(study_name=chosen, storage=storage)), label)


def _copied(path: Path, folder: Path) -> StorageAddress:
    """The same database in a file of our own: opening one makes tables."""
    copy = folder / "study.db"
    with (
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as found,
        contextlib.closing(sqlite3.connect(copy)) as made,
    ):
        found.backup(made)
    return StorageAddress(f"sqlite:///{copy}")


def _choose(storage: Any, name: str | None, label: str) -> str:
    import optuna

    found = {summary.study_name: summary for summary in optuna.get_all_study_summaries(storage)}
    if name is not None and name not in found:
        known = ", ".join(found) or "none"
        raise ConfigError(
            f"report: {label!r} has no study {name!r}{did_you_mean(name, list(found))}; it has: {known}"
        )
    if not found:
        raise ConfigError(f"report: {label!r} holds no study")
    if name is None and len(found) > 1:
        began = {name: summary.datetime_start for name, summary in found.items() if summary.datetime_start}
        name = max(began, key=lambda each: began[each]) if began else next(iter(found))
        logger.info(
            "report: %s holds %d studies; this is of %s, the newest (--study)", label, len(found), name
        )
    return name or next(iter(found))


def _in_memory(study: Any) -> Any:
    """A copy that needs the storage no more."""
    import optuna

    made = optuna.create_study(study_name=study.study_name, directions=study.directions)
    made.add_trials(study.get_trials(deepcopy=False))
    if study.metric_names:
        made.set_metric_names(study.metric_names)
    for key, value in study.user_attrs.items():
        made.set_user_attr(key, value)
    return made


def _of_study(study: Any, label: str) -> Source:
    points = points_of_study(study)
    if not len(points.frame):
        raise ConfigError(f"report: study {study.study_name!r} in {label!r} has no completed trial")
    trials = study.get_trials(deepcopy=False)
    configs = {}
    for trial in trials:
        if "sampled_config" in trial.user_attrs:
            config = trial.user_attrs.get("passes") or {"quantize": trial.user_attrs["sampled_config"]}
            configs[trial.number] = config
    facts = dict(study.user_attrs.get(ABOUT) or {"sampler": "not recorded", "seed": "not recorded"})
    floats, options = facts.pop(FLOAT, {}), facts.pop(OPTIONS, {})
    if floats:
        facts[FLOAT] = ", ".join(f"{name} {value:.6g}" for name, value in floats.items())
    facts["date"] = _dates(trials)
    states: dict[str, int] = {}
    for trial in trials:
        state = "repeated" if "repeat_of" in trial.user_attrs else trial.state.name.lower()
        states[state] = states.get(state, 0) + 1
    facts["trials"] = (
        f"{len(trials):,} ({', '.join(f'{count:,} {state}' for state, count in states.items())})"
    )
    if FEASIBLE in points.frame:
        bounds = ", ".join(dict.fromkeys(name for trial in trials for name in trial.constraints))
        facts["constraints"] = (
            f"{bounds}: kept by {points.frame[FEASIBLE].sum():,} of {len(points.frame):,} results"
        )
    facts["study"], facts["read from"] = study.study_name, label
    return Source(study.study_name, points, points, configs, study, facts, floats, options)


def _dates(trials: Sequence[Any]) -> str | None:
    """The day on which the first trial began, and that on which the last one ended."""
    times = [time for trial in trials for time in (trial.datetime_start, trial.datetime_complete) if time]
    days = sorted({f"{time:%Y-%m-%d}" for time in (min(times), max(times))}) if times else []
    return " to ".join(days) or None


def _of_sweep(path: Path) -> Source:
    import pandas as pd

    columns, about = _read(path)
    objectives = about.get("objectives")
    if not isinstance(objectives, dict) or not set(objectives) <= set(columns):
        raise ConfigError(f"report: {str(path)!r} is no sweep of chop; STUDY is {WHAT}")
    frame = pd.DataFrame(columns)
    bounds = about.get("constraints", {})
    no_parameters = {"configuration", "pruned", *objectives, *bounds}
    parameters = tuple(name for name in frame.columns if name not in no_parameters)
    if bounds:
        frame[FEASIBLE] = Bounds(bounds, objectives).kept(columns)
    measured = frame[np.isfinite(frame[list(objectives)].to_numpy(dtype=float)).all(axis=1)]
    if not len(measured):
        raise ConfigError(f"report: {str(path)!r} has no result")
    points = Points(measured.rename(columns={"configuration": "number"}), objectives, parameters)
    facts = {"sampler": "exhaustive: every configuration"} | {
        k: v for k, v in about.items() if k not in ("objectives", "constraints")
    }
    if bounds:
        facts["constraints"] = ", ".join(
            f"{name}.{bound} = {limit:g}" for name, table in bounds.items() for bound, limit in table.items()
        )
    return Source(path.stem, points, points, {}, None, {**facts, "read from": str(path)})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns and description of a sweep's file; nothing in it is run."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as found:
                columns = {name: found[name] for name in found.files if name != "about"}
                return columns, json.loads(str(found["about"]))
        from pyarrow import parquet

        table = parquet.read_table(path)
        known = table.schema.metadata or {}
        columns = {name: table[name].to_numpy() for name in table.column_names}
        about = known[b"chop.sweep"].decode()
        if known.get(b"chop.sha256", b"") not in (b"", digest_of_columns(columns, about).encode()):
            raise ValueError("it was changed since it was written, or is damaged: its SHA-256 does not agree")
        return columns, json.loads(about)
    except ImportError:
        raise ConfigError(
            f"report: {str(path)!r}: parquet needs pyarrow ({how_to_install('data', ['pyarrow'])})"
        ) from None
    except Exception as error:  # what the readers of two formats meet in a damaged file is of every kind
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(f"report: {str(path)!r} is no sweep of chop: {reason}") from None


def _with_sweep(found: Source, sweep: Path) -> Source:
    """All results of the sweep in the pictures, the configs of the study beside them."""
    swept = _of_sweep(sweep)
    if set(swept.points.objectives) != set(found.points.objectives):
        return found
    facts = {**found.facts, **{k: v for k, v in swept.facts.items() if k not in ("sampler", "read from")}}
    return dataclasses.replace(found, points=swept.points, facts=facts)


def front_rows(points: Points) -> pd.DataFrame:
    """Return the rows that keep their constraints and that no other such one dominates, best of the first first."""
    from chop.plotting.pareto import best_rows

    names = list(points.objectives)
    frame = points.frame.dropna(subset=names).reset_index(drop=True)
    best = frame.iloc[best_rows(frame, points.objectives)]
    return best.sort_values(names[0], ascending=points.objectives[names[0]] == "minimize")
