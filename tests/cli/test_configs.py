"""The shipped configs: each is right, and each single slip of the finger in one is found and explained."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path

import pytest

from chop.actions.pass_steps import step_of
from chop.actions.search import search
from chop.cli.checks import check_tables
from chop.cli.merge import merge, merge_loaded
from chop.dataset import MaseDataModule
from chop.ir.graph import MaseGraph
from chop.registry import UnknownNameError
from chop.tools.config_load import load_config
from chop.tools.errors import ConfigError
from tests.cli.config_checks import ALSO_RIGHT, EXAMPLES, model_of, rows_for

assert EXAMPLES


@cache
def _graph(model, pretrained):
    return MaseGraph(model_of(model, pretrained))


@pytest.fixture(scope="module")
def data(small_data):
    return MaseDataModule(str(small_data), batch_size=64)


def _check(config, data):
    """All that ``ch`` checks before it writes, for every action that the config serves."""
    merged = merge_loaded({}, config, "a.toml")
    check_tables(merged)
    graph = _graph(merged.options.model, merged.options.is_pretrained)
    for name, args in merged.tables.get("passes", {}).items():
        step_of(name).check(graph, dict(args))
    if "search" in merged.tables:
        data = rows_for(merged.options, data)
        info = data.dataset_info
        search(graph, None, "cls", info, data, merged.tables, "nowhere", validate_only=True)


def _paths(table, path=()):
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from _paths(value, (*path, key))


def _slips(word):
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        yield word[:i] + "q" + word[i + 1 :]
        if i + 1 < len(word):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _renamed(table, path, new):
    head, *rest = path
    return {
        (new if key == head and not rest else key): _renamed(value, rest, new)
        if key == head and rest
        else value
        for key, value in table.items()
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_right_as_shipped(path, data):
    config = load_config(path)
    before = copy.deepcopy(config)
    _check(config, data)
    assert config == before
    assert merge({}, path).options.model is not None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_slip_in_a_key_is_refused_with_a_suggestion(path, data):
    config = load_config(path)
    missed, silent = [], []
    count = 0
    for place in _paths(config):
        siblings = set(_at(config, place[:-1])) | ALSO_RIGHT.get(place[-1], set())
        for slip in sorted(set(_slips(place[-1])) - siblings):
            count += 1
            try:
                _check(_renamed(config, place, slip), data)
            except (ConfigError, UnknownNameError) as error:
                if not _explains(str(error), place[-1], slip):
                    silent.append((".".join(place), slip, str(error)))
            else:
                missed.append((".".join(place), slip))
    assert missed == []
    assert silent == []
    assert count > 20 * len(config)


def _at(table, path):
    for key in path:
        table = table[key]
    return table


def _explains(message, right, slip):
    """Whether a reader learns what to write: the nearest name, a list that has it, or what is missing."""
    if "\n" in message:
        return False
    suggested = re.search(r"did you mean '([^']+)'", message)
    listed = re.search(rf"(allowed|known): .*\b{re.escape(right)}\b", message)
    missing = re.search(rf"\b{re.escape(right)}'? (is missing|must be a table)|a config table", message)
    return bool((suggested and suggested[1] != slip) or listed or (missing and f"'{slip}'" in message))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_comments_name_commands_that_exist(path):
    from chop.cli.options import ACTIONS
    from chop.cli.parser import parse

    text = path.read_text().replace("\\\n#", " ")
    commands = re.findall(r"^#\s+ch (.+)$", text, flags=re.MULTILINE)
    assert commands, "a config says how it is used"
    for command in commands:
        typed = parse(command.split())
        assert typed["action"] in ACTIONS
        assert Path(typed["config"]).name == path.name
