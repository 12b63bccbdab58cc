"""Short help of each action, and the table of what differs from the defaults."""

from __future__ import annotations

import shlex

import pytest

from chop.cli.action_help import ABOUT, EXAMPLES, action_parser, overview
from chop.cli.commands import COMMANDS
from chop.cli.options import ACTIONS, flags
from chop.cli.parser import parse


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_has_its_own_help(ch, action):
    for words in ((action, "--help"), ("-h", action)):
        text = ch(*words).out
        assert text.startswith(f"usage: ch {action} ") and ABOUT[action].split()[0] in text
        assert text.count(f"  ch {action} ") >= 2 and "xcu250" not in text
    assert ("--learning-rate" in text) == (action == "train")
    assert ("--storage" in text) == (action == "search")


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_can_be_typed(example):
    words = shlex.split(example)
    assert words[0] == "ch" and parse(words[1:])["action"] in ACTIONS


def test_the_help_names_all_actions_and_commands(ch):
    text = ch("--help").out
    assert text.rstrip() == overview().rstrip() and len(text.splitlines()) < 40
    for name in (*ACTIONS, *COMMANDS):
        assert f"\n  {name} " in text
    whole = ch("--help", "--options").out
    assert all(spelling in whole for flag in flags().values() if flag.help for spelling in flag.spellings)


def test_own_options_are_options_of_the_schema():
    offered = {action.dest for name in ACTIONS for action in action_parser(name)._actions}
    assert offered - {"model", "dataset", "config"} <= set(flags())


def test_the_table_shows_what_differs(ch, small_data):
    words = (
        "train",
        "jsc-tiny",
        small_data,
        "--max-steps",
        1,
        "--cpu=0",
        "--accelerator",
        "cpu",
        "--seed",
        0,
    )
    table = [line for line in ch(*words).out.splitlines() if line.startswith("|")]
    names = {line.split("|")[1].strip() for line in table}
    assert names - {""} == {"Name", "model", "dataset", "max_steps", "num_workers", "accelerator"}
    whole = ch(*words, "--options").out
    assert "| learning_rate " in whole and "| num_targets " in whole and whole.count("\n| ") > 30
    assert ch(*words, "--debug").out.count("\n| ") > 30
