"""``ch test``: from options to the action's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chop.cli.parts import Parts


def run_test(parts: Parts, software: Path) -> dict[str, Any]:
    """Run the action and return its figures; its files go below ``software``."""
    from chop.actions.test import test

    where = {"accelerator": parts.accelerator}
    found = test(**parts.keywords(), plt_trainer_args=where, save_path=software / "test")
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}
