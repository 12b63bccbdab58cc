"""Pages that are made from the code: the reference, the tables of cost models and metrics, the notebooks.

They go to ``docs/_generated``, which is no part of the repository.
"""

from __future__ import annotations

from pathlib import Path

from pages.commands import command_page
from pages.cpp import cpp_pages
from pages.figures import cost_table, metric_table
from pages.notebooks import copy_notebooks
from pages.python import python_pages


def write_pages(docs: Path) -> None:
    """Write all generated pages below ``docs/_generated``."""
    folder = docs / "_generated"
    pages = {
        "costs.inc.md": cost_table(),
        "metrics.inc.md": metric_table(),
        "command-line.md": command_page(),
        **{f"python/{name}": text for name, text in python_pages().items()},
        **{f"cpp/{name}": text for name, text in cpp_pages(docs.parent / "cpp" / "chop").items()},
    }
    notebooks, listing = copy_notebooks(docs.parent / "notebooks")
    pages["notebooks.inc.md"] = listing
    pages |= {f"notebooks/{name}": text for name, text in notebooks.items()}
    # What is unchanged keeps its time, so that Sphinx does not read it again.
    for old in folder.rglob("*"):
        if old.is_file() and old.relative_to(folder).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
