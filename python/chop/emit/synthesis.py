"""What a written circuit takes of an FPGA: yosys, of its wheel or of the system, maps it to LUTs of six inputs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chop.tools.errors import ConfigError

COMMAND = "synth_xilinx -flatten -nodsp -noiopad -top net"
_LUTS = frozenset(f"LUT{inputs}" for inputs in range(1, 7))
_WHEEL = """import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.argv[1:]:
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class Resources:
    """What synthesis counts; figures compare within one version of yosys only.

    Attributes:
        luts: LUT1 to LUT6; inverters and wide multiplexers apart.
        flip_flops: registers.
        carries: CARRY4.
        cells: kind -> count, of all.
        yosys: its version.
    """

    luts: int
    flip_flops: int
    carries: int
    cells: dict[str, int]
    yosys: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, as ``synth.json`` holds them."""
        return asdict(self) | {"command": COMMAND}

    def __str__(self) -> str:
        return f"{self.luts:,} LUT, {self.flip_flops:,} FF, {self.carries:,} CARRY4 ({self.yosys}, {COMMAND})"


def synthesize(source: str | Path) -> Resources:
    """Map a written circuit to the cells of a Xilinx 7 series part.

    Args:
        source: ``net.v``, or the folder that :func:`chop.emit` wrote.

    Raises:
        ConfigError: no ``net.v`` there, or yosys is missing: names the package.
        RuntimeError: yosys refuses the source.
    """
    path = _source(Path(source))
    with tempfile.TemporaryDirectory() as name:
        shutil.copyfile(path, Path(name) / "net.v")  # yosys takes names without spaces
        lines = ["read_verilog net.v", COMMAND, "tee -q -o stat.json stat -json"]
        done = subprocess.run(_command(lines), cwd=name, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"yosys fails: {(done.stderr or done.stdout).strip()[-300:]}")
        found = json.loads((Path(name) / "stat.json").read_text(encoding="utf-8"))
    cells = {str(kind): int(count) for kind, count in found["design"]["num_cells_by_type"].items()}
    return Resources(
        sum(count for kind, count in cells.items() if kind in _LUTS),
        sum(count for kind, count in cells.items() if kind.startswith("FD")),
        cells.get("CARRY4", 0),
        cells,
        " ".join(found["creator"].split()[:2]),
    )


def _source(path: Path) -> Path:
    for found in (path, path / "net.v", path / "verilog" / "net.v"):
        if found.is_file():
            return found
    raise ConfigError(f"synth: no net.v in {str(path)!r}: give the folder that ch emit wrote")


def _command(lines: list[str]) -> list[str]:
    """The words that run yosys; the wheel's, where it is installed."""
    if find_spec("pyosys") is not None:
        return [sys.executable, "-c", _WHEEL, *lines]
    if (program := shutil.which("yosys")) is not None:
        return [program, "-q", "-p", "; ".join(lines)]
    raise ConfigError("synth needs yosys: pip install pyosys")
