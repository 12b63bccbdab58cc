"""How a circuit is asked for."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass

from chop.emit.sums import SUMS
from chop.export.target import missing_packages
from chop.nn.quantizers import IntegerFormat
from chop.tools.errors import ConfigError

LANGUAGES = ("verilog",)
CHECKS = ("", "yosys-sat")
MOST_LATENCY = 1000
DEFAULT_ROWS = 1000


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Attributes:
        to: ``verilog``.
        latency: ranks of registers from input to output; 0: a combinational circuit without a clock.
        sums: a name of ``chop.emit.SUMS``, or ``auto``: alkaid where it is installed.
        data: ``codes``: the host makes the codes of the first layer; or a fixed-point format of the raw data,
            ``fixed:12,8`` for 12 bits, 8 of them behind the point.
        rows: to simulate.
        check: ``yosys-sat``: prove that a combinational circuit is the plain one; empty: simulation alone.
    """

    to: str = "verilog"
    latency: int = 0
    sums: str = "auto"
    data: str = "codes"
    rows: int = DEFAULT_ROWS
    check: str = ""

    def __post_init__(self) -> None:
        if self.to not in LANGUAGES:
            raise ConfigError(f"emit: to must be one of {', '.join(LANGUAGES)}, got {self.to!r}")
        if not 0 <= self.latency <= MOST_LATENCY:
            raise ConfigError(f"emit: latency must be 0..{MOST_LATENCY} clock edges, got {self.latency}")
        if self.rows < 1:
            raise ConfigError(f"emit: rows must be 1 or more, got {self.rows}")
        if self.sums != "auto":
            missing = missing_packages(SUMS[self.sums].packages)
            if missing:
                raise ConfigError(f"emit: sums {self.sums!r} need {missing[0]}: pip install {missing[0]}")
        if self.check not in CHECKS:
            raise ConfigError(f"emit: check must be yosys-sat or left out, got {self.check!r}")
        if self.check and self.latency:
            raise ConfigError(f"emit: check yosys-sat needs latency 0, got {self.latency}")
        self.input_format  # noqa: B018  refuses what is none

    @property
    def way(self) -> str:
        """The name of the way that sums are found in."""
        if self.sums != "auto":
            return self.sums
        return "plain" if missing_packages(SUMS["alkaid"].packages) else "alkaid"

    @property
    def input_format(self) -> IntegerFormat | None:
        """The format of the raw data; None where codes enter.

        >>> Wanted(data="fixed:12,8").input_format.scale
        0.00390625
        """
        if self.data == "codes":
            return None
        found = re.fullmatch(r"fixed:(\d{1,2}),(-?\d{1,3})", self.data)
        if found is None or not 2 <= int(found[1]) <= 24 or not -64 <= int(found[2]) <= 64:
            raise ConfigError(
                "emit: data must be codes, or fixed:WIDTH,FRACTION with a width of 2..24 and a fraction of "
                f"-64..64 bits, got {self.data!r}"
            )
        return IntegerFormat(int(found[1]), int(found[2]))

    def versions(self) -> dict[str, str]:
        """Return package -> version, of those that sums are found with."""
        return {name: importlib.metadata.version(name) for name in SUMS[self.way].packages}
