"""``ch --info``: what can be named on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from chop.cli.parser import INFO_TYPES
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line


def show_information(kind: str) -> None:
    """Print the models, the data sets, or all.

    Raises:
        ConfigError: another kind.
    """
    if kind not in INFO_TYPES:
        hint = did_you_mean(kind, INFO_TYPES)
        raise ConfigError(f"--info must be one of {', '.join(INFO_TYPES)}, got {kind!r}{hint}")
    if kind in ("all", "model"):
        _show("Model", ["source", "task"], _models())
    if kind in ("all", "dataset"):
        _show("Data set", ["classes", "features", "what"], _datasets())


def _show(title: str, columns: list[str], rows: Iterable[list[object]]) -> None:
    from tabulate import tabulate

    write_line(tabulate(list(rows), headers=[title, *columns], tablefmt="pretty", stralign="left"))


def _models() -> list[list[object]]:
    from chop.models import get_model_info, model_names

    infos = {name: get_model_info(name) for name in model_names()}
    return [[name, info.model_source, info.task_type] for name, info in infos.items()]


def _datasets() -> list[list[object]]:
    from chop.dataset import DATASETS, get_dataset_info

    rows: list[list[object]] = []
    for name in sorted(DATASETS):
        try:
            info = get_dataset_info(name)
        except (ConfigError, FileNotFoundError):  # a kind of file: its facts are those of the file
            rows.append([name, "", "", "as its file says (--data-file)"])
        else:
            rows.append([name, info.num_classes, info.num_features, info.description])
    return rows
