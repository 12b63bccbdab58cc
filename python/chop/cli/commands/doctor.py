"""Say what this installation is and whether its kernels are right; the text can be pasted into a report."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from chop.cli import machine
from chop.tools.writer import write_line


class SelfTestError(RuntimeError):
    """A kernel gives other numbers than it should."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.add_argument("--no-self-test", action="store_true", help="only say what is there")


def run(arguments: argparse.Namespace) -> None:
    """Print the report.

    Raises:
        SelfTestError: a line of the self-test failed; printed first, and the exit code is 1.
    """
    for title, rows in machine.sections():
        _write(title, rows)
    if arguments.no_self_test:
        return
    from chop.cli.self_test import run_self_test

    checks = run_self_test()
    write_line("\nself-test")
    for check in checks:
        write_line(f"  {private(str(check))}")
    failed = [check for check in checks if not check.passed]
    if failed:
        raise SelfTestError(f"{len(failed)} of {len(checks)} checks failed; do not trust results here")


def _write(title: str, rows: list[tuple[str, str]]) -> None:
    write_line(f"\n{title}" if title != "versions" else title)
    for name, value in rows:
        write_line(f"  {name:<22} {private(value)}")


def private(text: str, home: Path | None = None) -> str:
    """Leave out what is nobody's business: the home folder's place and passwords in addresses.

    >>> private("/people/ada/jets, postgresql://ada:secret@host/db", Path("/people/ada"))
    '~/jets, postgresql://ada:***@host/db'
    """
    folder = str(home if home is not None else Path.home())
    if len(folder) > 1:  # the root as a home would eat every slash
        text = re.sub(rf"{re.escape(folder)}(?=/|\\|,|\s|$)", "~", text)
    return re.sub(r"(\w+://[^\s:/@]*):[^\s@]*@", r"\1:***@", text)
