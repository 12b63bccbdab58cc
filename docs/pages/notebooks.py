"""The notebooks as tutorials."""

from __future__ import annotations

import json
from pathlib import Path

# In the order in which a reader meets them; what is not named here comes after.
ORDER = (
    "lab1_training",
    "lab2_passes",
    "lab3_search",
    "lab4_channels",
    "n_bits",
    "own_optuna_study",
    "digits",
    "export",
    "real_jets",
)


def copy_notebooks(folder: Path) -> tuple[dict[str, str], str]:
    """Return file name -> text of each notebook, and a page that lists them."""
    found = {path.stem: path for path in folder.glob("*.ipynb")} if folder.is_dir() else {}
    names = [name for name in ORDER if name in found] + sorted(found.keys() - set(ORDER))
    if not names:
        return {}, "There is no notebook in this copy of the sources.\n"
    entries = "\n".join(f"../_generated/notebooks/{name}" for name in names)
    texts = {f"{name}.ipynb": _with_kernel(found[name]) for name in names}
    return texts, f"```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n"


def _with_kernel(path: Path) -> str:
    """The notebook with the metadata by which its code is highlighted, also where jupytext left them out."""
    content = json.loads(path.read_text(encoding="utf-8"))
    metadata = content.setdefault("metadata", {})
    metadata.setdefault("kernelspec", {"display_name": "Python 3", "language": "python", "name": "python3"})
    metadata.setdefault("language_info", {"name": "python"})
    return json.dumps(content, indent=1)
