"""Write a quantized model for another program, run it there, and compare bit for bit."""

from __future__ import annotations

import argparse
from typing import Any

from chop.cli.quantized_model import add_model, add_options, add_sources, asked, out_folder, whole
from chop.tools.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.argument_default = argparse.SUPPRESS  # what is not typed may come from the config file
    main = parser.add_argument_group("what to write")
    add_model(main)
    targets = "cpp, hls4ml, integers, onnx, onnx-arithmetic, qonnx, qonnx-hls4ml, torch"
    main.add_argument("--to", metavar="TARGET", help=f"what to write, or several with commas: {targets}")
    main.add_argument("--out", metavar="FOLDER", help="folder for the files and export.json (default: .)")
    add_sources(main)
    main.add_argument("--rows", metavar="NUM", help="rows of the test part to compare on (default: 10000)")
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write, prove and tell.

    Raises:
        ConfigError: model, data set, config or target that cannot be used; a model that the target cannot hold.
        RuntimeError: the written model computes something else.
    """
    from chop.export.several import export_all

    words = {name: value for name, value in vars(arguments).items() if name != "help"}
    targets, rows, out = _targets(words), whole(words, "rows", 10_000, 1), out_folder(words)
    found = asked(words, "export")
    export_all(found.evaluator(rows), found.chosen.config, targets, out, rows)


def _targets(words: dict[str, Any]) -> tuple[str, ...]:
    """Take ``--to`` out of ``words``."""
    from chop.export import TARGETS
    from chop.export.several import targets_of

    text = words.pop("to", None)
    if text is None:
        raise ConfigError(f"export needs a target: --to NAME, one of {', '.join(sorted(TARGETS))}")
    return targets_of(str(text))
