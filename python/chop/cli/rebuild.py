"""Model and data of a command, built again in a worker from the command's options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.options import Options
from chop.pool import Source
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.cli.merge import Merged

# Files and folders that options name; a worker may have another working folder.
_PATHS = ("load_name", "data_dir", "data_file", "scaler", "quant_config")


def source_of(action: str, merged: Merged) -> Source:
    """Return what a worker builds the same parts from, files by their absolute paths."""
    options = {name: getattr(merged.options, name) for name in Options.model_fields}
    for name in _PATHS:
        if options[name] is not None and Path(options[name]).exists():
            options[name] = str(Path(options[name]).absolute())
    folder = None if merged.path is None or "imports" in merged.typed else Path(merged.path).parent
    files = [_absolute(name, folder) for name in options["imports"] or ()]
    options["imports"] = files
    return Source(
        "chop.cli.rebuild:build_again",
        {"action": action, "options": options, "files": {f: _digest(f) for f in files}},
    )


def build_again(given: Mapping[str, Any]) -> dict[str, Any]:
    """Import what the command imports, and return the objects that its action takes.

    Raises:
        ConfigError: a file is not there, or holds something else than where the command runs.
    """
    from chop.cli.parts import build
    from chop.cli.plugins import import_named

    for file, digest in given["files"].items():
        if _digest(file) != digest:
            raise ConfigError(f"import: {file!r} is not the file that the command imports, or not there")
    options = Options(**given["options"])
    import_named(options.imports or (), options.model, None, ("imports", "model"))
    return build(given["action"], options).keywords()


def build_for_grid(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a grid of the command trains: the function that builds a model, and the data."""
    from chop.cli.parts import build_model

    found = build_again(given)
    options = Options(**given["options"])
    return {
        "model": lambda: build_model("train", options, found["dataset_info"]),
        "data": found["data_module"],
        "model_info": found["model_info"],
    }


def _absolute(name: str, folder: Path | None) -> str:
    for base in (folder, Path.cwd()):
        if base is not None and (base / name).is_file():
            return str((base / name).resolve())
    return name  # a module


def _digest(file: str) -> str | None:
    path = Path(file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
