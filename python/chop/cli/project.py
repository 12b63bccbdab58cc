"""The project's folder: its name may never lead out of the folder of projects."""

from __future__ import annotations

import datetime
import os
import re
from dataclasses import dataclass
from pathlib import Path

from chop.tools.errors import ConfigError

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Project:
    """Folders of one project; nothing exists on disk before ``make``.

    Args:
        root: ``<project-dir>/<project>``.
    """

    root: Path

    @property
    def software(self) -> Path:
        return self.root / "software"

    @property
    def hardware(self) -> Path:
        return self.root / "hardware"

    def make(self) -> None:
        """Make the folders; those that exist stay as they are."""
        self.software.mkdir(parents=True, exist_ok=True)
        self.hardware.mkdir(parents=True, exist_ok=True)


def default_project_name(model: str, task: str, dataset: str, today: datetime.date) -> str:
    """``{model}_{task}_{dataset}_{YYYY-MM-DD}``, as in MASE; separators in a name become dashes.

    >>> default_project_name("jsc-toy", "cls", "jsc", datetime.date(2026, 1, 2))
    'jsc-toy_cls_jsc_2026-01-02'
    """
    name = f"{model}_{task}_{dataset}_{today:%Y-%m-%d}"
    return re.sub(r"[/\\]", "-", name)


def locate_project(project_dir: str, name: str) -> Project:
    """Check the name and the place; write nothing.

    Raises:
        ConfigError: the name is not that of one folder inside ``project_dir``, or it cannot be written.

    >>> locate_project("out", "../escaped")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: project must be the name of one folder inside project_dir, got '../escaped'
    """
    if "\0" in project_dir:
        raise ConfigError(f"project_dir must be the name of a folder, got {project_dir!r}")
    bad = (
        not name.strip()
        or name in (".", "..")
        or name != name.strip()
        or re.search(r"[/\\]|^[A-Za-z]:", name)
        or not name.isprintable()
        or len(os.fsencode(name)) > 255
        or _RESERVED.fullmatch(name)
    )
    if bad:
        raise ConfigError(f"project must be the name of one folder inside project_dir, got {name!r}")
    parent = Path(project_dir).expanduser()
    project = Project(parent / name)
    for folder in (project.root, project.software, project.hardware):
        # A link could lead out of the folder although the name is harmless.
        if not folder.resolve().is_relative_to(parent.resolve()):
            raise ConfigError(
                f"project {name!r} must stay in project_dir, but {str(folder)!r} links out of it"
            )
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"project {name!r}: {str(folder)!r} is a file, not a folder")
    _check_links(project.root, name)
    _check_writable(project.root)
    return project


def _check_links(root: Path, name: str) -> None:
    # Whatever the actions write below the root, none of it may be a way out: so every link is looked at.
    own = root.resolve()
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, entry) for entry in (*folders, *files)):
            if path.is_symlink() and not _leads_into(path, own):
                raise ConfigError(
                    f"project {name!r} must stay in its folder, but {str(path)!r} links out of it, to "
                    f"{str(path.readlink())!r}: remove the link, or name another project"
                )


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _check_writable(folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"project_dir: cannot write in {str(folder)!r}")
