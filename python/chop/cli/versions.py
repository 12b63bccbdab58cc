"""Results of earlier runs stay: where a run would replace them, they go to ``software/earlier`` first.

The newest results lie where they always did, so paths hold; ``run.json`` beside them says what made them.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chop.cli.merge import Merged
from chop.cli.options import Options, defaults
from chop.tools.atomic_write import atomic_write
from chop.tools.logger import get_logger

logger = get_logger(__name__)

RECORD = "run.json"
EARLIER = "earlier"
FOLDERS = {"train": "training_ckpts", "test": "test", "transform": "transform", "search": "search_ckpts"}
# What the results of a search are, beside its journal, which may hold several studies.
_OF_SEARCH = (
    "log.json",
    "best.json",
    "weights",
    "formats",
    "learned.csv",
    "sweep.parquet",
    "sweep.npz",
    RECORD,
)
# What may change while the results stay the same.
_NOT_RESULTS = {
    "project_dir", "project", "overwrite", "show_options", "log_level", "to_debug", "no_warnings", "profile", "workers",
    "cluster",     "num_workers", "resume", "report_to", "storage", "study", "github_ci",
}  # fmt: skip
_RUN_KEYS = {
    "n_jobs",
    "n_trials",
    "timeout",
    "save_every_n_trials",
    "storage",
    "study_name",
    "limit",
}


@dataclass
class Run:
    """One run of an action, while it lasts.

    Attributes:
        folder: where its results go.
        kept: where those of an earlier run were put; None where there were none to keep.
        figures: what it came to, filled in by the action.
        put_back: whether the earlier results are the newest again.
    """

    action: str
    merged: Merged
    folder: Path
    began: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    kept: Path | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    put_back: bool = False


@contextlib.contextmanager
def versioned(action: str, merged: Merged, software: Path) -> Iterator[Run]:
    """Keep the results of an earlier run, and write down what this one was.

    A run that fails leaves the earlier results where they were; what it wrote itself goes to ``earlier``, if that is a
    checkpoint. One that is stopped before its first checkpoint does the same.
    """
    options = merged.options
    going_on = options.grid, options.learn_widths, options.compare
    if any(value is not None for value in going_on):
        yield Run(action, merged, software)  # which go on
        return
    run = Run(action, merged, software / FOLDERS[action])
    if _replaces(run) and not options.overwrite:
        run.kept = _keep(run.folder, action, software / EARLIER)
    try:
        yield run
    except KeyboardInterrupt:
        if run.kept is not None and not _has_results(run):
            _put_back(run)
        else:
            _write(run, "stopped")
        raise
    except BaseException:
        _put_back(run)
        raise
    _write(run, "done")
    if run.kept is not None:
        logger.info("results of the run before are kept in %s (--overwrite replaces them)", run.kept)


def _replaces(run: Run) -> bool:
    options, before = run.merged.options, read_record(run.folder)
    if run.action == "train":
        there = any((run.folder / name).is_file() for name in ("best.ckpt", "last.ckpt"))
        return there and not options.resume and not options.to_debug  # a fast run writes no checkpoint
    known = before is not None and before.get("signature") == signature(run.action, run.merged)
    if run.action == "transform":
        return (run.folder / "transformed_ckpt").is_dir() and not known
    return (
        run.action == "search" and (run.folder / "best.json").is_file() and before is not None and not known
    )


def _keep(folder: Path, action: str, earlier: Path) -> Path:
    earlier.mkdir(exist_ok=True)
    kept = _free(earlier, f"{folder.name}-")
    if action != "search":
        folder.rename(kept)
        return kept
    kept.mkdir()
    for name in _OF_SEARCH:
        if (folder / name).exists():
            (folder / name).rename(kept / name)
    return kept


def _free(folder: Path, start: str, end: str = "") -> Path:
    """The first path with a number between ``start`` and ``end`` at which nothing is."""
    return next(path for n in itertools.count(1) if not (path := folder / f"{start}{n}{end}").exists())


def _put_back(run: Run) -> None:
    """Make the results of the earlier run the newest again."""
    if run.kept is None:
        return
    kept, run.kept, run.put_back = run.kept, None, True
    if run.action == "search":  # a study that was stopped has its own results already
        for name in _OF_SEARCH:
            if (kept / name).exists() and not (run.folder / name).exists():
                (kept / name).rename(run.folder / name)
        with contextlib.suppress(OSError):
            kept.rmdir()
        return
    if run.folder.exists():
        # Moved in one go, then removed: a logger's thread may still write into it.
        failed = _free(kept.parent, f"{run.folder.name}-", "-failed")
        run.folder.rename(failed)
        if not any(failed.rglob("*.ckpt")):
            shutil.rmtree(failed, ignore_errors=True)
    kept.rename(run.folder)
    with contextlib.suppress(OSError):
        kept.parent.rmdir()


def _has_results(run: Run) -> bool:
    pattern = {"train": "*.ckpt", "search": "best.json"}.get(run.action, "*")
    return run.folder.is_dir() and any(path.is_file() for path in run.folder.rglob(pattern))


def signature(action: str, merged: Merged) -> str:
    """Return a digest of all that the results of a run depend on, as far as the command and its file say it."""
    options = {k: v for k, v in merged.options.model_dump().items() if k not in _NOT_RESULTS}
    table = merged.tables.get({"transform": "passes", "search": "search"}.get(action, ""), {})
    strategy = table.get("strategy") if isinstance(table, Mapping) else None
    if isinstance(strategy, Mapping) and isinstance(strategy.get("setup"), Mapping):
        setup = {key: value for key, value in strategy["setup"].items() if key not in _RUN_KEYS}
        table = {**table, "strategy": {**strategy, "setup": setup}}
    text = json.dumps([action, options, table], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _write(run: Run, state: str) -> None:
    if not run.folder.is_dir() or run.merged.options.to_debug:
        return
    options = run.merged.options
    record = {
        "action": run.action,
        "state": state,
        "began": run.began.isoformat(timespec="seconds"),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": options.model,
        "dataset": options.dataset,
        "config": run.merged.path,
        "options": _given(options),
        "figures": run.figures,
        "signature": signature(run.action, run.merged),
    }
    try:
        atomic_write(run.folder / RECORD, json.dumps(record, indent=2, default=str) + "\n")
    except OSError as error:
        logger.warning("%s could not be written: %s", run.folder / RECORD, error.strerror)


def _given(options: Options) -> dict[str, Any]:
    usual = defaults()
    found = {k: v for k, v in options.model_dump().items() if v != usual[k] and k not in ("model", "dataset")}
    if found.get("storage") is not None:
        from chop.actions.search.journal.storage import masked

        found["storage"] = masked(found["storage"])
    return found


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of a folder's ``run.json``; None where there is none that can be read."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
