"""What a written circuit takes of an FPGA: yosys, of its wheel or of the system, maps it to LUTs of six inputs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

COMMAND = "synth_xilinx -flatten -nodsp -noiopad -top net"
_QUICK = "scratchpad -set abc9.nomfs 1 -set abc9.verify 0"  # minutes on a thousand LUTs, in newer versions
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
    return synthesize_text(source_of(Path(source)).read_text(encoding="utf-8"))


def synthesize_text(verilog: str) -> Resources:
    """Map the source of a module ``net``; see :func:`synthesize`."""
    found = json.loads(_run(verilog, [COMMAND, "tee -q -o out.json stat -json"]))
    return _resources(found["design"], found["creator"])


def synthesize_all(sources: Sequence[str], program: str | None = None) -> list[Resources]:
    """Map sources of modules ``net``, each by itself, in one run: yosys takes some seconds to start.

    Counts are those of :func:`synthesize_text`; nothing is shared between the circuits.

    Args:
        sources: Verilog. program: a yosys to run instead of the first that is installed.
    """
    named = [re.sub(r"^module net\b", f"module net{i}", text, flags=re.M) for i, text in enumerate(sources)]
    tops = "\n".join(_instance(i, text) for i, text in enumerate(sources))
    command = COMMAND.replace(" -flatten", "").replace("-top net", "-top all_of_them")
    text = "\n".join([*named, f"module all_of_them;\n{tops}\nendmodule\n"])
    found = json.loads(_run(text, [command, "tee -q -o out.json stat -json"], program))
    return [_resources(found["modules"][f"\\net{i}"], found["creator"]) for i in range(len(sources))]


def _instance(number: int, text: str) -> str:
    """A kept instance of a circuit with ports of their own."""
    lines, ports = [], []
    for bits, name in re.findall(r"^\s*(?:input|output) wire (?:\[(\d+):0\] )?(\w+)", text, flags=re.M):
        lines.append(f"  (* keep *) wire [{bits or 0}:0] {name}{number};")
        ports.append(f".{name}({name}{number})")
    return "\n".join([*lines, f"  (* keep *) net{number} i{number} ({', '.join(ports)});"])


def _resources(counted: Mapping[str, Any], creator: str) -> Resources:
    cells = {str(kind): int(count) for kind, count in counted["num_cells_by_type"].items()}
    return Resources(
        sum(count for kind, count in cells.items() if kind in _LUTS),
        sum(count for kind, count in cells.items() if kind.startswith("FD")),
        cells.get("CARRY4", 0),
        cells,
        " ".join(creator.split()[:2]),
    )


@cache
def yosys_version() -> str:
    """Return the version of the yosys that is run, as ``Yosys 0.70``.

    Raises:
        ConfigError: it is missing; names the package.
    """
    # Yosys 0.23 ends the statistics of an empty module with a comma, which is no JSON.
    found = re.search(
        r'"creator": "(\S+ \S+)', _run("module net; endmodule", ["tee -q -o out.json stat -json"])
    )
    assert found is not None
    return found[1]


def _run(verilog: str, passes: list[str], program: str | None = None) -> str:
    """Read a source, run passes that write ``out.json``, and return that."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        atomic_write(folder / "net.v", verilog)  # yosys takes names without spaces
        words = yosys_words([_QUICK, "read_verilog net.v", *passes], program)
        done = subprocess.run(words, cwd=name, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"yosys fails: {(done.stderr or done.stdout).strip()[-300:]}")
        return (folder / "out.json").read_text(encoding="utf-8")


def source_of(path: Path) -> Path:
    """Return the ``net.v`` that a path names or that lies in it."""
    for found in (path, path / "net.v", path / "verilog" / "net.v"):
        if found.is_file():
            return found
    raise ConfigError(f"synth: no net.v in {str(path)!r}: give the folder that ch emit wrote")


def yosys_words(lines: list[str], program: str | None = None) -> list[str]:
    """Return the words that run yosys; the wheel's, where it is installed."""
    if program is None and find_spec("pyosys") is not None:
        return [sys.executable, "-c", _WHEEL, *lines]
    if (found := shutil.which(program or "yosys")) is not None:
        return [found, "-q", "-p", "; ".join(lines)]
    raise ConfigError("synth needs yosys: pip install pyosys")
