"""The argparse parser, made from the option schema."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from chop.cli.commands import COMMANDS, Parser, owners_of
from chop.cli.options import ACTIONS, Flag, Options, defaults, flags
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

NAMED = ("model", "dataset")
# What other tools call an option -> what it is called here.
ELSEWHERE = {
    "--lr": "--learning-rate",
    "--epochs": "--max-epochs",
    "--steps": "--max-steps",
    "--optimizer": "--training-optimizer",
    "--device": "--accelerator",
    "--checkpoint": "--load",
    "--trials": "n_trials of [search.strategy.setup]",
}
INFO_TYPES = ("all", "model", "dataset")
_DESCRIPTION = "Train, test, transform (quantize) or search a model."
_EPILOG = "What is typed wins over the config file, which wins over the defaults."


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; an option that is not typed leaves no attribute behind.

    >>> vars(build_parser().parse_intermixed_args(["train", "--cpu=0", "jsc-tiny"]))
    {'num_workers': '0', 'action': 'train', 'model': 'jsc-tiny'}
    """
    # No choices for argparse to check: the names are checked where the message can suggest the nearest.
    parser = Parser(
        prog="ch",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    groups = {"main": parser.add_argument_group("main arguments")}
    groups["main"].add_argument("action", nargs="?", help=f"one of {', '.join((*ACTIONS, *COMMANDS))}")
    for name in NAMED:
        groups["main"].add_argument(name, nargs="?", help=flags()[name].help)
    for name in NAMED:
        groups["main"].add_argument(
            f"--{name}", dest=f"named_{name}", metavar="NAME", help=f"the {name} by an option"
        )
    groups["general"] = parser.add_argument_group("general options")
    add_config(groups["general"])
    _add_flags(parser, groups)
    _add_information(parser.add_argument_group("information"))
    return parser


def add_config(group: Any) -> None:
    """Add --config."""
    group.add_argument(
        "--config",
        metavar="PATH",
        help="TOML file with options and the tables [passes.*] and [search.*]; for transform also best.json[#N]",
    )


def _add_flags(parser: argparse.ArgumentParser, groups: dict[str, Any]) -> None:
    default_values = defaults()
    for name, flag in flags().items():
        if not flag.spellings:
            continue
        if flag.group not in groups:
            groups[flag.group] = parser.add_argument_group(f"{flag.group} options")
        _add_flag(groups[flag.group], name, flag, default_values[name])


def _add_flag(group: Any, name: str, flag: Flag, default: Any) -> None:
    help_text = argparse.SUPPRESS if flag.help is None else f"{flag.help} (default: {default})"
    if Options.model_fields[name].annotation in (bool, bool | None):
        group.add_argument(*flag.spellings, dest=name, action="store_true", help=help_text)
        if not flag.spellings[0].startswith("--no-"):
            # Else a flag that the config sets could not be taken back.
            negative = flag.spellings[0].replace("--", "--no-", 1)
            group.add_argument(negative, dest=name, action="store_false", help=argparse.SUPPRESS)
        return
    action = "append" if flag.repeat else "store"
    group.add_argument(*flag.spellings, dest=name, action=action, metavar=flag.metavar, help=help_text)


def add_option(group: Any, name: str) -> None:
    """Add the option ``name`` of the schema to a group of another parser, spelt and explained as here."""
    _add_flag(group, name, flags()[name], defaults()[name])


def _add_information(group: Any) -> None:
    group.add_argument("-h", "--help", action="store_true", help="show this help")
    group.add_argument("-V", "--version", action="store_true", help="show the version")
    group.add_argument(
        "--info",
        nargs="?",
        const="all",
        metavar="TYPE",
        help=f"list what can be named; one of {', '.join(INFO_TYPES)} (default: all)",
    )


def parse(argv: Sequence[str] | None) -> dict[str, Any]:
    """Return what the user typed: option -> text, True or a list of texts.

    Raises:
        ConfigError: an unknown option, a missing value, too many words.

    >>> parse(["search", "--bach-size", "3"])
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: unknown option '--bach-size' (did you mean '--batch-size'?); see ch --help
    """
    _refuse_words_of_other_tools(argv)
    parser = build_parser()
    namespace, extra = parser.parse_known_intermixed_args(argv)
    unknown = [word for word in extra if word.startswith("-") and word != "--"]
    if unknown:
        option = unknown[0].split("=", 1)[0]
        if owners := owners_of(option):
            listed = ", ".join(f"ch {each}" for each in owners)
            raise ConfigError(f"option {option!r} is one of {listed} only; see ch --help")
        known = [spelling for action in parser._actions for spelling in action.option_strings]
        raise ConfigError(f"unknown option {option!r}{did_you_mean(option, known)}; see ch --help")
    if extra:
        raise ConfigError(f"unexpected argument {extra[0]!r}: at most ACTION, MODEL and DATASET are named")
    return _named(dict(vars(namespace)))


def _refuse_words_of_other_tools(argv: Sequence[str] | None) -> None:
    """Before argparse takes --lr for the beginning of --lr-scheduler."""
    for word in argv or ():
        option = word.split("=", 1)[0]
        if option in ELSEWHERE:
            raise ConfigError(
                f"unknown option {option!r} (did you mean {ELSEWHERE[option]!r}?); see ch --help"
            )


def _named(typed: dict[str, Any]) -> dict[str, Any]:
    """Model and data set, whether they stand in their places or after --model and --dataset."""
    given = {name: typed.pop(f"named_{name}") for name in NAMED if f"named_{name}" in typed}
    words = [typed.pop(name) for name in NAMED if name in typed]
    for name in (name for name in NAMED if name not in given):
        if words:
            given[name] = words.pop(0)
    if words:
        raise ConfigError(f"model and dataset are named twice: {words[0]!r} and an option; see ch --help")
    return typed | given
