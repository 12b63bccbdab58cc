"""python -m tests.benchmarks.which_format [FOLDER]: measure, and write which_format.json, .md and .png."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .measuring import NETWORKS, measure
from .report import picture, table


def main(folder: Path) -> None:
    found = {name: measure(name) for name in NETWORKS}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "which_format.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "which_format.md").write_text(table(found))
    picture(found, folder / "which_format.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmarks"))
