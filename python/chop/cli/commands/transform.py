"""``ch transform``: from options to the action's arguments."""

from __future__ import annotations

from pathlib import Path

from chop.cli.merge import Merged
from chop.cli.parts import Parts


def run_transform(merged: Merged, parts: Parts, folder: Path, validate_only: bool = False) -> None:
    """Run the passes of the config; ``validate_only``: check what can be refused, and write nothing."""
    from chop.actions.transform import transform

    transform(
        **parts.keywords(),
        model_name=merged.options.model,
        config=merged.tables,
        save_dir=folder,
        accelerator=parts.accelerator,
        validate_only=validate_only,
    )
