"""A written circuit placed and routed on a small FPGA: LUTs of four inputs and the longest path, by nextpnr."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chop.emit.synthesis import source_of, yosys_words
from chop.tools.atomic_write import atomic_write

PROGRAM = "nextpnr-ice40"
PLACE = "--hx8k --package ct256 --pcf-allow-unconstrained --timing-allow-fail --seed 1"
SYNTH = "synth_ice40 -top net -json net.json"


@dataclass(frozen=True)
class Placed:
    """What an iCE40 HX8K holds of a circuit.

    Attributes:
        luts: SB_LUT4 that yosys maps to. carries: SB_CARRY.
        logic_cells: used, of 7,680.
        longest_path: ns, of registers or ports to registers or ports, routing included.
        yosys, nextpnr: versions.
    """

    luts: int
    carries: int
    logic_cells: int
    longest_path: float
    yosys: str
    nextpnr: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, as ``synth.json`` holds them."""
        return asdict(self) | {"command": f"{SYNTH}; {PROGRAM} {PLACE}"}

    def __str__(self) -> str:
        return (
            f"iCE40 HX8K: {self.luts:,} LUT4, {self.carries:,} carries, {self.logic_cells:,} of 7,680 cells, "
            f"longest path {self.longest_path:.1f} ns ({self.yosys}, {self.nextpnr})"
        )


def is_installed() -> bool:
    """Whether nextpnr for iCE40 is there (``apt-get install nextpnr-ice40``)."""
    return shutil.which(PROGRAM) is not None


def place(source: str | Path) -> Placed:
    """Map, place and route ``net.v``, or that of the folder that :func:`chop.emit` wrote.

    Raises:
        ConfigError: no ``net.v`` there, or yosys is missing: names the package.
        RuntimeError: it does not fit, or a program fails; the message has the end of what it said.
    """
    path = source_of(Path(source))
    with tempfile.TemporaryDirectory() as name:
        atomic_write(Path(name) / "net.v", path.read_text(encoding="utf-8"))
        lines = ["read_verilog net.v", SYNTH, "tee -q -o stat.json stat -json"]
        _call(yosys_words(lines), name, "yosys")
        words = [PROGRAM, "-q", "--json", "net.json", "--report", "report.json", *PLACE.split()]
        _call(words, name, "nextpnr-ice40")
        counted, placed = (
            json.loads((Path(name) / each).read_text(encoding="utf-8"))
            for each in ("stat.json", "report.json")
        )
    cells = counted["design"]["num_cells_by_type"]
    paths = [sum(step["delay"] for step in found["path"]) for found in placed["critical_paths"]]
    return Placed(
        cells.get("SB_LUT4", 0),
        cells.get("SB_CARRY", 0),
        placed["utilization"]["ICESTORM_LC"]["used"],
        max(paths, default=0.0),
        " ".join(counted["creator"].split()[:2]),
        _version(),
    )


def _call(words: list[str], folder: str, program: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).strip().splitlines() if "ERROR" in line]
        raise RuntimeError(f"{program} fails: {' '.join(said)[-300:]}")


def _version() -> str:
    found = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    said = (found.stdout + found.stderr).split("Version ")[-1].split(")")[0]
    return f"nextpnr {said.strip()}"
