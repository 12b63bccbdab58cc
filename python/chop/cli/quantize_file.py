"""A quantize config from a file: the [passes.quantize] of a TOML, or a trial of a search's best.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chop.tools.best_file import SavedWeights, file_of, names_best, read_best
from chop.tools.errors import ConfigError


@dataclass(frozen=True)
class Chosen:
    """A quantize config and where it came from.

    Attributes:
        path: the file.
        config: what ``quantize_transform_pass`` takes.
        what: file and place in it, for the reader.
        weights: what the trial trained; None where it trained nothing.
    """

    path: str
    config: Mapping[str, Any]
    what: str
    weights: SavedWeights | None = None


def read_quantize_config(
    path: str | None, trial: str | None, config_path: str | None, table: Mapping[str, Any] | None
) -> Chosen | None:
    """Return the config that the command names; None where it names none.

    Args:
        path: of ``--quantize``; ``best.json#2`` is entry 2. trial: of ``--trial``.
        config_path, table: of ``--config``, and its [passes.quantize], which serves without ``--quantize``.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: a file without a quantize config, or without that trial.
    """
    if path is None:
        if trial is not None:
            raise ConfigError("--trial chooses from a best.json: name that file with --quantize")
        return None if table is None else Chosen(str(config_path), table, f"{config_path} [passes.quantize]")
    if names_best(path):
        return _from_json(path, trial)
    if trial is not None:
        raise ConfigError(f"--trial chooses from a best.json, but --quantize names {path!r}")
    from chop.tools.config_load import load_config

    content = load_config(path)
    passes = content.get("passes", {})
    if isinstance(passes, Mapping) and isinstance(passes.get("quantize"), Mapping):
        return Chosen(path, passes["quantize"], f"{path} [passes.quantize]")
    if "by" in content:
        return Chosen(path, content, path)
    raise ConfigError(f"{path}: no table [passes.quantize], and no key 'by' of a bare quantize config")


def _from_json(path: str, trial: str | None) -> Chosen:
    if trial is not None and "#" in path:
        raise ConfigError(f"--trial and {path!r} both choose an entry: give one of them")
    try:
        content = json.loads(file_of(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a JSON file: {error}") from None
    if isinstance(content, Mapping) and "by" in content:
        return Chosen(path, content, path)
    if not isinstance(content, Mapping) or not all(
        isinstance(entry, Mapping) and "sampled_config" in entry for entry in content.values()
    ):
        raise ConfigError(f"{path}: neither the best.json of a search nor a quantize config")
    found = read_best(path, trial)
    if "redefine" in found.passes:
        raise ConfigError(
            f"{path}: trial {found.number} has other numbers of channels: write its 'passes' to a TOML file "
            "and use ch transform"
        )
    more = "" if found.entries == 1 else " (best.json#N takes entry N)"
    what = f"{found.file}: entry {found.key} of {found.entries}{more}, trial {found.number}"
    return Chosen(path, found.config, what, found.weights)


def metric_specs(text: str) -> list[Any]:
    """Metrics as typed: names with commas, options in parentheses as in results.

    >>> metric_specs("accuracy, top_k(k=2), loss(mean_of_batches=512)")
    ['accuracy', {'name': 'top_k', 'k': 2}, {'name': 'loss', 'mean_of_batches': 512}]
    """
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text)]
    if not all(parts):
        raise ConfigError(f"--metrics must be names with commas between them, got {text!r}")
    return [_metric_spec(part) for part in parts]


def _metric_spec(text: str) -> Any:
    found = re.fullmatch(r"(\w+)(?:\((.*)\))?", text)
    if found is None:
        raise ConfigError(f"--metrics: a metric is NAME or NAME(option=number), got {text!r}")
    if found[2] is None:
        return text
    options = [re.fullmatch(r"\s*(\w+)\s*=\s*(-?\d+(?:\.\d+)?)\s*", part) for part in found[2].split(",")]
    if not all(options):
        raise ConfigError(f"--metrics: options are written option=number, got {text!r}")
    values = {o[1]: float(o[2]) if "." in o[2] else int(o[2]) for o in options if o is not None}
    return {"name": found[1], **values}
