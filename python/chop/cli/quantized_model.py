"""A model, its rows and a quantize config, as commands that write them for other programs take them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.options import flags
from chop.cli.parser import add_option
from chop.cli.quantize_file import Chosen, read_quantize_config
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from chop.cli.options import Options
    from chop.evaluator import Evaluator

# Of the options of ``ch``, those that say which model, weights and rows.
FIELDS = (
    "load_name",
    "load_type",
    "is_pretrained",
    "imports",
    "data_dir",
    "data_file",
    "class_order",
    "split",
    "scaler",
    "seed",
    "log_level",
)


def add_model(group: argparse._ArgumentGroup) -> None:
    """Add the words for model and data set."""
    for name in ("model", "dataset"):
        group.add_argument(name, nargs="?", help=flags()[name].help)


def add_sources(group: argparse._ArgumentGroup) -> None:
    """Add the options that name files with a quantize config."""
    group.add_argument("--config", metavar="TOML", help="a config of ch: its options, and [passes.quantize]")
    group.add_argument(
        "--quantize",
        metavar="FILE",
        help="quantize config: a TOML with [passes.quantize], or the best.json of a search with the weights that its "
        "trial trained; best.json#2 is entry 2",
    )


def add_options(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add those options of ``ch`` that say which model, weights and rows, and ``more`` of them."""
    options = parser.add_argument_group("options of ch")
    for name in (*FIELDS, *more):
        add_option(options, name)


@dataclass(frozen=True)
class Asked:
    """What the command line names, before anything is built."""

    options: Options
    chosen: Chosen
    command: str

    def evaluator(self, rows: int | None) -> Evaluator:
        """Build the model on the first ``rows`` rows of the test part (None: all), and tell which.

        Raises:
            ConfigError: model or data set that cannot be used.
        """
        import torch

        from chop.cli.parts import build, check_names, check_rows
        from chop.evaluator import Evaluator
        from chop.tools.logger import set_logging_verbosity

        for name in ("model", "dataset"):
            if getattr(self.options, name) is None:
                raise ConfigError(
                    f"{self.command} needs a {name}: ch {self.command} MODEL DATASET --to TARGET"
                )
        check_names(self.options)
        set_logging_verbosity(self.options.log_level)
        torch.manual_seed(self.options.seed)
        parts = build("search", self.options)
        if self.chosen.weights is not None:
            self.chosen.weights.load_into(parts.model)
        check_rows(self.options, parts)
        x, y = parts.data_module.arrays("test")
        evaluator = Evaluator(parts.model.eval(), x[:rows], y[:rows])
        what = f"{self.options.model} under {self.chosen.what}"
        write_line(f"{what}; {evaluator.rows:,} rows of {parts.data_module.describe()}")
        return evaluator


def asked(words: dict[str, Any], command: str) -> Asked:
    """Read config files and plugins; ``words`` are those of the command line without the command's own.

    Raises:
        ConfigError: a file without a quantize config, or none named.
    """
    from chop.cli.merge import merge
    from chop.cli.plugins import import_named

    config, quantize = (words.pop(name, None) for name in ("config", "quantize"))
    merged = merge(words, config)
    import_named(merged.options.imports or (), merged.options.model, config, merged.typed)
    table = merged.tables.get("passes", {}).get("quantize")
    chosen = read_quantize_config(quantize, None, config, table)
    if chosen is None:
        raise ConfigError(
            f"{command} needs a quantize config: --quantize FILE, or [passes.quantize] in --config"
        )
    return Asked(merged.options, chosen, command)


def whole(words: dict[str, Any], name: str, default: int, least: int, most: int = 10**9) -> int:
    """Take a whole number out of ``words``.

    Raises:
        ConfigError: it is none, or out of range.

    >>> whole({"rows": "5"}, "rows", 10, 1), whole({}, "rows", 10, 1)
    (5, 10)
    """
    text = str(words.pop(name, default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(f"--{name} must be a whole number of {least} or more, got {text!r}")
    return int(text)


def out_folder(words: dict[str, Any]) -> Path:
    """Take ``--out`` out of ``words``.

    Raises:
        ConfigError: it is a file.
    """
    out = Path(words.pop("out", "."))
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out must be a folder, got the file {str(out)!r}")
    return out
