"""Write a quantized model for another program, run it there, and compare bit for bit."""

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.argument_default = argparse.SUPPRESS  # what is not typed may come from the config file
    main = parser.add_argument_group("what to write")
    for name in ("model", "dataset"):
        main.add_argument(name, nargs="?", help=flags()[name].help)
    targets = "cpp, hls4ml, integers, onnx, onnx-arithmetic, qonnx, qonnx-hls4ml, torch"
    main.add_argument("--to", metavar="TARGET", help=f"what to write, or several with commas: {targets}")
    main.add_argument("--out", metavar="FOLDER", help="folder for the files and export.json (default: .)")
    main.add_argument("--config", metavar="TOML", help="a config of ch: its options, and [passes.quantize]")
    main.add_argument(
        "--quantize",
        metavar="FILE",
        help="quantize config: a TOML with [passes.quantize], or the best.json of a search with the weights that its "
        "trial trained; best.json#2 is entry 2",
    )
    main.add_argument("--rows", metavar="NUM", help="rows of the test part to compare on (default: 10000)")
    options = parser.add_argument_group("options of ch")
    for name in FIELDS:
        add_option(options, name)


@dataclass(frozen=True)
class _Asked:
    targets: tuple[str, ...]
    out: Path
    rows: int


def run(arguments: argparse.Namespace) -> None:
    """Write, prove and tell.

    Raises:
        ConfigError: model, data set, config or target that cannot be used; a model that the target cannot hold.
        RuntimeError: the written model computes something else.
    """
    from chop.cli.merge import merge
    from chop.cli.plugins import import_named

    words = {name: value for name, value in vars(arguments).items() if name != "help"}
    asked = _asked(words)
    config, quantize = (words.pop(name, None) for name in ("config", "quantize"))
    merged = merge(words, config)
    import_named(merged.options.imports or (), merged.options.model, config, merged.typed)
    table = merged.tables.get("passes", {}).get("quantize")
    chosen = read_quantize_config(quantize, None, config, table)
    if chosen is None:
        raise ConfigError("export needs a quantize config: --quantize FILE, or [passes.quantize] in --config")
    _export(merged.options, asked, chosen)


def _asked(words: dict[str, Any]) -> _Asked:
    """Take the command's own words out of ``words``."""
    from chop.export import TARGETS
    from chop.export.several import targets_of

    text = words.pop("to", None)
    if text is None:
        raise ConfigError(f"export needs a target: --to NAME, one of {', '.join(sorted(TARGETS))}")
    targets = targets_of(str(text))
    rows = words.pop("rows", "10000")
    if not str(rows).isdigit() or not 1 <= int(rows) <= 10**9:
        raise ConfigError(f"--rows must be a whole number of 1 or more, got {rows!r}")
    out = Path(words.pop("out", "."))
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out must be a folder, got the file {str(out)!r}")
    return _Asked(targets, out, int(rows))


def _export(options: Options, asked: _Asked, chosen: Chosen) -> None:
    import torch

    from chop.cli.run import build, check_names, check_rows
    from chop.evaluator import Evaluator
    from chop.export.several import export_all
    from chop.tools.logger import set_logging_verbosity

    for name in ("model", "dataset"):
        if getattr(options, name) is None:
            raise ConfigError(f"export needs a {name}: ch export MODEL DATASET --to TARGET")
    check_names(options)
    set_logging_verbosity(options.log_level)
    torch.manual_seed(options.seed)
    parts = build("search", options)
    if chosen.weights is not None:
        chosen.weights.load_into(parts.model)
    check_rows(options, parts)
    x, y = parts.data_module.arrays("test")
    evaluator = Evaluator(parts.model.eval(), x[: asked.rows], y[: asked.rows])
    write_line(
        f"{options.model} under {chosen.what}; {evaluator.rows:,} rows of {parts.data_module.describe()}"
    )
    export_all(evaluator, chosen.config, asked.targets, asked.out, asked.rows)
