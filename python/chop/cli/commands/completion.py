"""Print a script that completes the words of ch in a shell: eval "$(ch completion bash)"."""

from __future__ import annotations

import argparse
from typing import Any

from chop.cli.commands import COMMANDS, command_parser
from chop.cli.options import ACTIONS, Options, flags
from chop.cli.parser import INFO_TYPES, build_parser
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install
from chop.tools.writer import write_line

SHELLS = ("bash", "zsh", "fish")
_FILES = {
    "config",
    "load_name",
    "quant_config",
    "imports",
    "data_file",
    "scaler",
    "quantize",
    "json",
    "forward",
    "out",
}
_FOLDERS = {"data_dir", "project_dir"}
_HELP = {
    "train": "train a model",
    "test": "score a model on the test rows",
    "transform": "run the passes of a config on a model's graph",
    "search": "search number formats or sizes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.add_argument("shell", help=f"one of {', '.join(SHELLS)}")


def run(arguments: argparse.Namespace) -> None:
    """Print the script of a shell.

    Raises:
        ConfigError: another shell, or shtab is not installed.
    """
    write_line(completion_script(arguments.shell).rstrip())


def completion_script(shell: str) -> str:
    """Return what ``shell`` has to evaluate; models, data sets and options are those of now.

    Raises:
        ConfigError: another shell, or shtab (the extra ``completion``) is not installed.
    """
    if shell not in SHELLS:
        hint = did_you_mean(shell, SHELLS)
        raise ConfigError(f"completion: the shell must be one of {', '.join(SHELLS)}, got {shell!r}{hint}")
    try:
        import shtab
    except ImportError:
        raise ConfigError(f"completion needs shtab: {how_to_install('completion')}") from None
    script: str = shtab.complete(whole_parser(), shell)
    return script


def whole_parser() -> argparse.ArgumentParser:
    """One parser with a sub-parser for every action and command, and what its words may be."""
    root = argparse.ArgumentParser(prog="ch", add_help=False)
    root.add_argument("-h", "--help", action="store_true", help="show the help")
    root.add_argument("-V", "--version", action="store_true", help="show the version")
    root.add_argument("--info", choices=INFO_TYPES, help="list what can be named")
    parts = root.add_subparsers(dest="action")
    parsers = {name: _action_parser() for name in ACTIONS}
    parsers |= {name: command_parser(name) for name in COMMANDS}
    for name, parser in parsers.items():
        for action in parser._actions:
            _say_values(action)
        text = _HELP.get(name) or (parser.description or "").rstrip(".")
        parts.add_parser(name, parents=[parser], add_help=False, help=text, prog=f"ch {name}")
    return root


def _action_parser() -> argparse.ArgumentParser:
    parser = build_parser()
    for action in list(parser._actions):
        if action.dest in ("action", "info", "version"):
            parser._remove_action(action)
            for group in parser._action_groups:
                if action in group._group_actions:
                    group._group_actions.remove(action)
            for spelling in action.option_strings:
                del parser._option_string_actions[spelling]
    return parser


def _say_values(action: Any) -> None:
    """Tell shtab what may follow: one of a few words, a file or a folder."""
    import shtab

    from chop.cli.merge import choices

    if action.dest == "shell":
        action.choices = SHELLS
    elif action.dest == "model":
        action.choices = _models()
    elif action.dest == "dataset":
        action.choices = _datasets()
    elif action.dest == "rows":
        action.choices = ("train", "val", "test")
    elif action.dest in _FILES:
        action.complete = shtab.FILE
    elif action.dest in _FOLDERS:
        action.complete = shtab.DIRECTORY
    elif action.nargs != 0 and action.dest in flags():
        action.choices = choices(Options.model_fields[action.dest]) or None


def _models() -> list[str]:
    from chop.models import model_names

    return sorted(model_names())


def _datasets() -> list[str]:
    from chop.dataset import DATASETS

    return sorted(DATASETS)
