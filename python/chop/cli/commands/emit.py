"""Write a quantized model as Verilog, simulate it, and compare number for number."""

from __future__ import annotations

import argparse

from chop.cli.quantized_model import add_model, add_options, add_sources, asked, out_folder, whole
from chop.tools.writer import write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.argument_default = argparse.SUPPRESS  # what is not typed may come from the config file
    main = parser.add_argument_group("what to write")
    add_model(main)
    main.add_argument("--to", metavar="LANGUAGE", help="verilog (default: verilog)")
    main.add_argument("--out", metavar="FOLDER", help="folder for verilog/ and emit.json (default: .)")
    add_sources(main)
    main.add_argument(
        "--latency", metavar="EDGES", help="clock edges from input to output; 0: combinational (default: 0)"
    )
    main.add_argument(
        "--sums",
        metavar="WAY",
        help="how adders are found: plain, alkaid (extra hardware) or auto: alkaid if installed (default: auto)",
    )
    main.add_argument(
        "--data",
        metavar="WHAT",
        help="what enters: codes, which the host makes, or raw data as fixed:WIDTH,FRACTION (default: codes)",
    )
    main.add_argument("--rows", metavar="NUM", help="rows of the test part to simulate (default: 1000)")
    main.add_argument(
        "--check",
        metavar="WHAT",
        help="yosys-sat: prove besides that a combinational circuit is the plain one (default: simulation alone)",
    )
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write, simulate and tell.

    Raises:
        ConfigError: model, data set or config that cannot be used; a model that no circuit can be made of.
        RuntimeError: the circuit computes something else.
    """
    from chop.emit import Wanted, emit

    words = {name: value for name, value in vars(arguments).items() if name != "help"}
    rows, latency, out = whole(words, "rows", 1000, 1), whole(words, "latency", 0, 0), out_folder(words)
    to, sums, data, check = (words.pop(key, value) for key, value in _DEFAULTS.items())
    Wanted(to, latency, sums, data, rows, check)  # refuses before a model is built
    found = asked(words, "emit")
    made = emit(
        found.evaluator(None),
        found.chosen.config,
        out,
        to,
        latency=latency,
        sums=sums,
        data=data,
        rows=rows,
        check=check,
    )
    write_line(str(made))
    if made.path is None:
        raise RuntimeError(f"the circuit computes something else; see {made.record}")


_DEFAULTS = {"to": "verilog", "sums": "auto", "data": "codes", "check": ""}
