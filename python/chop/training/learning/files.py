"""Learned models in files: ``best.json``, with the weights and the formats of each entry beside it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from chop.tools.atomic_write import atomic_write
from chop.tools.mz_file import mz_payload
from chop.tools.npz_file import npz_payload
from chop.training.learning.learned_model import LearnedModel

_DIGITS = 20


def formats_file(config: Mapping[str, Any], folder: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Write the arrays of a quantization config to one file, whose name follows from its content.

    Args:
        config: by name.
        folder: the file goes to ``formats`` in it; None writes nothing.

    Returns:
        The config with names of arrays instead of them, as config files have it, and the file with its SHA-256.

    >>> rule = {"config": {"name": "integer", "weight_width": np.array([[2, 3]])}}
    >>> config, file = formats_file({"by": "name", "_0": rule}, None)
    >>> config["_0"]["config"]["weight_width"] == f"{file['file']}#_0/weight_width"
    True
    """
    arrays = {
        f"{node}/{key}": value
        for node, rule in config.items()
        if isinstance(rule, Mapping)
        for key, value in rule["config"].items()
        if isinstance(value, np.ndarray)
    }
    payload = npz_payload({name: value.astype(np.int8) for name, value in arrays.items()})
    file = _written(payload, folder, "formats", "npz")
    named: dict[str, Any] = {}
    for node, rule in config.items():
        if not isinstance(rule, Mapping):
            named[node] = rule
            continue
        table = {
            key: f"{file['file']}#{node}/{key}" if f"{node}/{key}" in arrays else value
            for key, value in rule["config"].items()
        }
        named[node] = {"config": table}
    return named, file


def write_models(models: Iterable[LearnedModel], model: nn.Module, folder: Path) -> Path:
    """Write ``best.json`` with an entry for each model, and the files that it names.

    Args:
        models: the learned ones.
        model: the float one.
        folder: for the files.

    Returns:
        The path of ``best.json``, as ``ch eval --quantize best.json#0`` takes it.
    """
    entries = {}
    for number, found in enumerate(models):
        config, formats = formats_file(found.config, folder)
        weights = _written(mz_payload(found.model(model)), folder, "weights", "safetensors")
        entries[str(number)] = {
            "number": number,
            "software_metrics": dict(found.metrics),
            "hardware_metrics": dict(found.costs),
            "sampled_config": config,
            "weights": weights,
            "formats": formats,
        }
    return atomic_write(folder / "best.json", json.dumps(entries, indent=4, separators=(",", ":")) + "\n")


def history_csv(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of a run's history as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]) if history else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def _written(payload: bytes, folder: Path | None, kind: str, suffix: str) -> dict[str, str]:
    digest = hashlib.sha256(payload).hexdigest()
    name = f"{kind}/{digest[:_DIGITS]}.{suffix}"
    if folder is not None:
        atomic_write(folder / name, payload)
    return {"file": name, "sha256": digest}
