"""The part of a command that says which model and data it is about."""

from __future__ import annotations

from typing import Any

from chop.cli.options import Options

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
