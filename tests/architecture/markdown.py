"""Fenced code blocks of the project's pages, so that tests run what readers type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests import programs
from tests.architecture.source_tree import REPO


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    text = (REPO / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def ch_commands(page: str) -> list[list[str]]:
    """Arguments of every ``ch`` command in the shell blocks of a page."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    commands = [part.strip() for line in lines for part in line.split("#")[0].split("&&")]
    return [shlex.split(command)[1:] for command in commands if command.startswith("ch ")]


def run_python(code: str, folder: Path, *arguments: str, seconds: int = 120) -> str:
    """Run code as a program of its own in ``folder`` and return what it printed."""
    return programs.output(code, *arguments, folder=folder, seconds=seconds)
