"""Makes the report of a study and the pictures beside it."""

from __future__ import annotations

import os
from pathlib import Path

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError


def report(
    study: str | os.PathLike[str], study_name: str | None = None, out: str | os.PathLike[str] | None = None
) -> Path:
    """Write one HTML file about a study, that needs nothing beside it, and its pictures as PNG and SVG.

    Args:
        study: a project's folder, its ``search_ckpts``, a journal, an SQLite database, the file of a sweep, or a
            storage URL. Nothing of it is changed.
        study_name: which one, where there are several; left out, the newest.
        out: the HTML file, ending in .html. Left out, ``report/report.html`` beside what was read, for a URL in the
            working folder. The pictures go into the same folder.

    Returns:
        The HTML file.

    Raises:
        ConfigError: no study there, a pickle, a name that is not there, matplotlib is missing.
        OSError: a file cannot be written; each is there whole or not at all.
    """
    from chop.actions.study_report.page import page
    from chop.actions.study_report.pictures import drawings, importances
    from chop.actions.study_report.sources import find_source
    from chop.plotting import save
    from chop.plotting.style import need_matplotlib

    need_matplotlib()
    from chop.plotting.picture import figure_bytes

    target = _target(os.fspath(study), out)
    source = find_source(os.fspath(study), study_name)
    found = [(drawing, figure_bytes(drawing.ax.figure, "svg")) for drawing in drawings(source)]
    text = page(source, found, importances(source))
    for drawing, svg in found:
        save(drawing.ax, target.parent / f"{drawing.name}.png")
        atomic_write(target.parent / f"{drawing.name}.svg", svg)
    return atomic_write(target, text)


def _target(study: str, out: str | os.PathLike[str] | None) -> Path:
    if out is not None:
        path = Path(out)
        if path.suffix not in (".html", ".htm"):
            raise ConfigError(f"report: --out must be an HTML file (.html), got {str(path)!r}")
        return path
    if "://" in study:
        return Path("report") / "report.html"
    path = Path(study)
    return (path if path.is_dir() else path.parent) / "report" / "report.html"
