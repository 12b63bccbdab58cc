"""A search, and what its study keeps of the command: the options that say which model and data these are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chop.cli.merge import Merged
from chop.cli.options import Options
from chop.cli.parts import Parts

# Of the options those from which another command builds the same model and data.
_SUBJECT = (
    "model",
    "dataset",
    "task",
    "is_pretrained",
    "load_name",
    "load_type",
    "imports",
    "data_dir",
    "data_file",
    "data_sha256",
    "max_unpacked_mb",
    "class_order",
    "split",
    "scaler",
    "batch_size",
)


def model_and_data(options: Options) -> dict[str, Any]:
    """Return the options that say which model and data these are, as keys of a TOML file; defaults left out."""
    found: dict[str, Any] = {}
    for name in _SUBJECT:
        field = Options.model_fields[name]
        value = getattr(options, name)
        if value is not None and value != field.default:
            found[field.alias or name] = value
    return found


def run_search(merged: Merged, parts: Parts, folder: Path, validate_only: bool = False) -> dict[str, Any]:
    """Run the search, or the comparison of samplers, and return its figures."""
    from chop.actions.search import search

    if merged.options.compare is not None:
        from chop.actions.search.comparison import compare_samplers

        compare_samplers(
            **parts.keywords(),
            search_config=merged.tables,
            save_path=folder,
            samplers=[name.strip() for name in merged.options.compare.split(",")],
            seeds=merged.options.seeds,
            seed=merged.options.seed,
            validate_only=validate_only,
        )
        return {}
    found = search(
        **parts.keywords(),
        search_config=merged.tables,
        save_path=folder,
        accelerator=parts.accelerator,
        seed=merged.options.seed,
        validate_only=validate_only,
        storage=merged.options.storage,
        study_name=merged.options.study,
        workers=merged.options.workers,
        cluster=merged.options.cluster,
        source=parts.source,
        dry_run=merged.options.dry_run,
        options=model_and_data(merged.options),
    )
    return {} if found is None else found.figures()
