"""The commands of ``ch`` that are not MASE's actions: each has a parser of its own and touches no project folder.

The actions have their files here too, which ``chop.cli.run`` calls.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from chop.cli.options import ACTIONS, flags
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line

# name -> module with a docstring (its first line is the help), add_arguments and run.
COMMANDS: dict[str, str] = {
    "completion": "chop.cli.commands.completion",
    "doctor": "chop.cli.commands.doctor",
    "emit": "chop.cli.commands.emit",
    "eval": "chop.cli.commands.eval",
    "export": "chop.cli.commands.export",
    "report": "chop.cli.commands.report",
    "runs": "chop.cli.commands.runs",
    "synth": "chop.cli.commands.synth",
}


class Command(Protocol):
    """What a command's module offers."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> None: ...


class Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print a usage and end the process."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def load_command(name: str) -> Command:
    """Import the module of the command ``name``."""
    return cast(Command, importlib.import_module(COMMANDS[name]))


def command_parser(name: str) -> argparse.ArgumentParser:
    """Make the parser of the command ``name``."""
    command = load_command(name)
    parser = Parser(prog=f"ch {name}", description=(command.__doc__ or "").split("\n", 1)[0], add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    command.add_arguments(parser)
    return parser


def run_command(name: str, words: Sequence[str]) -> None:
    """Run the command ``name`` with the words after it.

    Raises:
        ConfigError: an unknown option, a missing or a wrong value.
    """
    parser = command_parser(name)
    if "-h" in words or "--help" in words:
        write_line(parser.format_help().rstrip())
        return
    arguments, extra = parser.parse_known_intermixed_args(words)
    if extra:
        option = extra[0].split("=", 1)[0]
        if owners := [each for each in owners_of(option) if each != name]:
            listed = ", ".join(f"ch {each}" for each in owners)
            raise ConfigError(f"{name} has no option {option!r}, it is one of {listed}; see ch {name} --help")
        near = did_you_mean(extra[0], _spellings(parser))
        raise ConfigError(f"{name}: unexpected argument {extra[0]!r}{near}; see ch {name} --help")
    load_command(name).run(arguments)


def owners_of(option: str) -> list[str]:
    """Return the actions and commands that have an option.

    >>> owners_of("--project-dir"), owners_of("--check")
    (['train', 'test', 'transform', 'search'], ['emit'])
    """
    of_actions = ACTIONS if any(option in flag.spellings for flag in flags().values()) else ()
    return [*of_actions, *(name for name in COMMANDS if option in _spellings(command_parser(name)))]


def _spellings(parser: argparse.ArgumentParser) -> list[str]:
    return [spelling for action in parser._actions for spelling in action.option_strings]
