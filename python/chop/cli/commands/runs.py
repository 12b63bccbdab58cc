"""List the runs of a folder of projects: what ran when, on what, and what it came to; newest first."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chop.cli.options import defaults
from chop.cli.versions import EARLIER, FOLDERS, read_record
from chop.tools.errors import ConfigError
from chop.tools.text_tables import text_table
from chop.tools.writer import write_line

_FIGURES = 3  # in the table; --json has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, and how to show it."""
    parser.add_argument(
        "folder", nargs="?", metavar="DIR",
        help=f"a folder of projects, or one project in it (default: {defaults()['project_dir']})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="all that is known of each run, as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        ConfigError: no such folder.
    """
    folder = Path(arguments.folder or defaults()["project_dir"])
    if not folder.is_dir():
        raise ConfigError(f"runs: there is no folder {str(folder)!r}; results go to --project-dir")
    found = sorted(_runs(folder), key=lambda run: str(run["ended"]), reverse=True)
    if arguments.json:
        write_line(json.dumps(found, indent=2))
        return
    if not found:
        write_line(f"No runs in {folder}")
        return
    heading = ["when", "action", "model", "data set", "figures", "results"]
    write_line(text_table(heading, [_row(run) for run in found]))


def _runs(folder: Path) -> Iterator[dict[str, Any]]:
    projects = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    for software in (project / "software" for project in projects):
        places = [software / name for name in FOLDERS.values()]
        if (software / EARLIER).is_dir():
            places += sorted((software / EARLIER).iterdir())
        for place in places:
            if place.is_dir() and (run := _run(place)) is not None:
                yield run


def _run(place: Path) -> dict[str, Any] | None:
    record = read_record(place)
    if record is not None:
        return {**record, "results": str(place), "ended": record.get("ended")}
    times = [path.stat().st_mtime for path in place.rglob("*") if path.is_file()]
    if not times:
        return None
    actions = {folder: action for action, folder in FOLDERS.items()}
    ended = datetime.datetime.fromtimestamp(max(times), datetime.UTC).isoformat(timespec="seconds")
    return {
        "action": actions.get(place.name.rsplit("-", 1)[0], place.name),
        "ended": ended,
        "results": str(place),
    }


def _row(run: Mapping[str, Any]) -> list[str]:
    state = run.get("state")
    action = str(run.get("action")) + (f" ({state})" if state not in ("done", None) else "")
    figures = run.get("figures") if isinstance(run.get("figures"), Mapping) else {}
    shown = [
        f"{name} {value:.4g}"
        for name, value in list((figures or {}).items())
        if isinstance(value, (int, float))
    ]
    when = str(run["ended"])[:16].replace("T", " ")
    named = [str(run.get(name) or "-") for name in ("model", "dataset")]
    return [when, action, *named, ", ".join(shown[:_FIGURES]) or "-", str(run["results"])]
