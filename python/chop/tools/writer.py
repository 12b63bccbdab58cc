"""The one place where reports reach standard output; library code never prints."""

from __future__ import annotations

import sys


def write_line(text: str = "") -> None:
    """Write ``text`` and a newline to standard output.

    >>> write_line("Best trial(s):")
    Best trial(s):
    """
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
