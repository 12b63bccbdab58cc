"""Count what written Verilog takes of an FPGA: LUTs, registers, carries, the longest path."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from chop.tools.errors import ConfigError
from chop.tools.writer import write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.add_argument("folder", nargs="?", help="what ch emit wrote")


def run(arguments: argparse.Namespace) -> None:
    """Synthesize, tell, and write ``synth.json`` beside the circuit.

    Raises:
        ConfigError: no circuit there, or yosys is missing.
        RuntimeError: yosys refuses the source.
    """
    from chop.emit.ice40 import is_installed, place
    from chop.emit.synthesis import synthesize
    from chop.tools.atomic_write import atomic_write

    if arguments.folder is None:
        raise ConfigError("synth needs a folder: ch synth FOLDER, which ch emit wrote")
    found = synthesize(arguments.folder)
    record, said = found.to_dict(), [str(found)]
    if is_installed():
        try:
            placed = place(arguments.folder)
            record["ice40"] = placed.to_dict()
            said.append(str(placed))
        except RuntimeError as error:  # a larger part holds what this one does not
            said.append(f"iCE40 HX8K: {error}")
    path = Path(arguments.folder)
    folder = path if path.is_dir() else path.parent
    atomic_write(folder / "synth.json", json.dumps(record, indent=1) + "\n")
    for line in said:
        write_line(f"{arguments.folder}: {line}")
