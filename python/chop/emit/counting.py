"""LUTs of a config without files: from the circuit's cells, or from synthesis, each circuit once."""

from __future__ import annotations

import json
from pathlib import Path

from chop.emit.costs import luts_of
from chop.emit.design import Design, design_of, digest
from chop.emit.options import Wanted
from chop.emit.synthesis import COMMAND, synthesize_text, yosys_version
from chop.evaluator import Config, Evaluator
from chop.tools.atomic_write import atomic_write


def luts_of_circuit(design: Design) -> float:
    """Return about how many LUTs the cells of a circuit take, by the figures that its forms are chosen by."""
    circuit = design.circuit
    return float(sum(luts_of(circuit, circuit[number]) for number in circuit.needed()))


class LutCounter:
    """LUTs that yosys counts, kept by the digest of the integer net.

    Args:
        evaluator: holds the model with its weights.
        sums: a name of ``chop.emit.SUMS``, or ``auto``.
        folder: keeps figures from run to run, one file a circuit, command and version of yosys; None: in memory only.

    Raises:
        ConfigError: a package is missing; names it.
    """

    def __init__(self, evaluator: Evaluator, sums: str = "auto", folder: str | Path | None = None) -> None:
        self.evaluator, self.wanted = evaluator, Wanted(sums=sums)
        self.version = yosys_version()
        self.folder = None if folder is None else Path(folder)
        self._known: dict[str, int] = {}

    def __call__(self, config: Config) -> int:
        """Return the LUTs of the circuit of a config.

        Raises:
            ConfigError: it is none that a circuit can be made of; names the node.
        """
        design = design_of(self.evaluator, config, self.wanted)
        key = digest(design.net, self.wanted.way)
        if key not in self._known:
            self._known[key] = self._counted(design, key)
        return self._known[key]

    def _counted(self, design: Design, key: str) -> int:
        circuit = {"digest": key, "verilog": design.verilog_digest, "yosys": self.version, "command": COMMAND}
        path = None if self.folder is None else self.folder / f"{key}.json"
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if {name: kept.get(name) for name in circuit} == circuit:
                return int(kept["luts"])
        found = synthesize_text(design.verilog)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps(circuit | {"luts": found.luts}, indent=1) + "\n")
        return found.luts
