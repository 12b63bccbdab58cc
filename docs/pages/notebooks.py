"""The notebooks as tutorials, with what came out of them where a folder of executed ones is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

EXECUTED = "CHOP_EXECUTED_NOTEBOOKS"

# In the order in which a reader meets them; what is not named here comes after.
ORDER = (
    "lab1_training",
    "lab2_passes",
    "lab3_search",
    "lab4_channels",
    "n_bits",
    "own_optuna_study",
    "digits",
    "formats",
    "export",
    "hardware",
    "real_jets",
)


def copy_notebooks(folder: Path) -> tuple[dict[str, str], str]:
    """Return file name -> text of each notebook, and a page that lists them.

    Files in ``folder`` hold no outputs, so that a change of one can be read. Those in the folder that the environment
    variable ``CHOP_EXECUTED_NOTEBOOKS`` names, which ``.ci/run`` leaves, are the same ones after a run.
    """
    found = {path.stem: path for path in folder.glob("*.ipynb")} if folder.is_dir() else {}
    names = [name for name in ORDER if name in found] + sorted(found.keys() - set(ORDER))
    if not names:
        return {}, "There is no notebook in this copy of the sources.\n"
    entries = "\n".join(f"../_generated/notebooks/{name}" for name in names)
    executed = os.environ.get(EXECUTED)
    sources = {name: Path(executed) / f"{name}.ipynb" if executed else found[name] for name in names}
    texts = {f"{name}.ipynb": _with_kernel(source) for name, source in sources.items()}
    return texts, f"```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n"


def _with_kernel(path: Path) -> str:
    """The notebook with the metadata by which its code is highlighted, also where jupytext left them out."""
    content = json.loads(path.read_text(encoding="utf-8"))
    metadata = content.setdefault("metadata", {})
    metadata.setdefault("kernelspec", {"display_name": "Python 3", "language": "python", "name": "python3"})
    metadata.setdefault("language_info", {"name": "python"})
    # The text of widgets says the same, and their script would be fetched from elsewhere.
    metadata.pop("widgets", None)
    for output in (output for cell in content["cells"] for output in cell.get("outputs", ())):
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return json.dumps(content, indent=1)
