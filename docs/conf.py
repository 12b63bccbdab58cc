"""Settings of Sphinx. Build with ``sphinx-build -W --keep-going docs build/docs`` (extra ``docs``)."""

from __future__ import annotations

import inspect
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
REPO = DOCS.parent
sys.path.insert(0, str(DOCS))

from pages import write_pages  # noqa: E402  lies beside this file

project = "chop"
author = "the chop authors"
copyright = author
release = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["pages", "style", "_generated/*.inc.md"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
html_theme = "furo"
html_static_path = ["style"]
html_css_files = ["width.css"]
html_title = f"chop {release}"
pygments_style = "default"
pygments_dark_style = "monokai"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Notebooks are run by their own check, which leaves them with outputs for pages/notebooks.py. Without it
# CHOP_DOCS_EXECUTE=cache runs them here (some three minutes of processor time, once).
nb_execution_mode = os.environ.get("CHOP_DOCS_EXECUTE", "off")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_ipywidgets_js = {}
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Each thing is described where it is defined; packages list where that is.
autodoc_default_options = {"members": True, "ignore-module-all": True}
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# A type in a signature may be the name of two classes of the package; either link serves.
suppress_warnings = ["ref.python"]


def leave_out(app: object, what: str, name: str, thing: Any, skip: bool, options: object) -> bool | None:
    """Leave out what other libraries write into our classes: its docstrings follow their rules."""
    home = getattr(thing, "__module__", None) if inspect.isroutine(thing) else None
    return True if isinstance(home, str) and not home.startswith("chop") else None


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for sources."""
    app.connect("autodoc-skip-member", leave_out)
    write_pages(DOCS)
