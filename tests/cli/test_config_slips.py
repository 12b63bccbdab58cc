"""Every slip in a value and every number at an edge, in every table and under every action: right, or one sentence."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from chop.dataset import MaseDataModule
from chop.tools.config_load import load_config
from tests.cli.config_checks import (
    ACTIONS,
    ALSO_RIGHT,
    EXAMPLES,
    at,
    complaint,
    places,
    renamed,
    replaced,
    slips,
)

TABLES = ("passes", "search")
FREE = {"project", "grid"}  # any text will do, or a text of its own form
EDGES = [
    -1, 0, 33, 2**31, 2**63, 2**70, 10**400, 1e308, 1.5, -0.0, float("nan"), float("inf"), -float("inf"),
    "x", "", True, None, [], [1], [[1]], {}, {"a": 1},
]  # fmt: skip
EVERY = pytest.mark.parametrize("count", [150, pytest.param(None, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def data(small_data: Path) -> Any:
    module = MaseDataModule(str(small_data), batch_size=64)
    module.prepare_data()
    module.setup()
    return module


def actions_of(config: dict[str, Any]) -> list[str]:
    """Those that the config serves; for the first two it needs no table."""
    return [
        "train",
        "test",
        *(action for action, table in zip(ACTIONS[2:], TABLES, strict=True) if table in config),
    ]


def cases(of: Any, count: int | None) -> list[Any]:
    """All of them with every action, or a sample, the same each time."""
    found = [
        (path.stem, config, place, new, action)
        for path in EXAMPLES
        for config in [load_config(path)]
        for place, new in of(config)
        for action in actions_of(config)
    ]
    return found if count is None else random.Random(0).sample(found, min(count, len(found)))


def keys_of_tables(config: dict[str, Any]) -> Any:
    for place in places(config):
        if place[0] in TABLES and isinstance(place[-1], str):
            right = {*at(config, place[:-1]), *ALSO_RIGHT.get(place[-1], ())}
            yield from ((place, slip) for slip in sorted(slips(place[-1]) - right))


def words(config: dict[str, Any]) -> Any:
    for place in places(config):
        value = at(config, place)
        if isinstance(value, str) and place[0] not in FREE:
            yield from ((place, slip) for slip in sorted(slips(value) - ALSO_RIGHT.get(value, set())))


def numbers(config: dict[str, Any]) -> Any:
    for place in places(config):
        if isinstance(at(config, place), int | float):
            yield from ((place, edge) for edge in EDGES)


def is_suggested(message: str, right: str, slip: str) -> bool:
    """The right name is offered; or another that is as near to what was typed."""
    _, _, rest = message.partition("did you mean '")
    offered = rest.partition("'")[0]
    near = slips(offered) | {offered[:-1]}
    wrong = sum(a != b for a, b in zip(offered, slip, strict=False)) if len(offered) == len(slip) else 2
    return offered == right or (offered != "" and (slip in near or offered in slips(slip) or wrong == 1))


@EVERY
def test_a_slip_in_a_key_of_any_table_under_any_action(count: int | None, data: Any) -> None:
    for name, config, place, slip, action in cases(keys_of_tables, count):
        said = complaint(renamed(config, place, slip), action, data)
        assert said is not None, (name, place, slip, action)
        assert is_suggested(said, place[-1], slip), (place, slip, said)


@EVERY
def test_a_slip_in_a_word(count: int | None, data: Any) -> None:
    for name, config, place, slip, action in cases(words, count):
        said = complaint(replaced(config, place, slip), action, data)
        assert said is not None, (name, place, slip, action)
        assert is_suggested(said, at(config, place), slip), (place, slip, said)


@EVERY
def test_a_number_at_an_edge_or_of_another_kind(count: int | None, data: Any) -> None:
    accepted = 0
    for _, config, place, edge, action in cases(numbers, count):
        said = complaint(replaced(config, place, edge), action, data)
        accepted += said is None
        key = next(part for part in reversed(place) if isinstance(part, str))
        assert said is None or key in said, (place, edge, said)
        if isinstance(edge, list | dict) or edge == "x":
            assert said is not None, (place, edge)
    assert accepted


def test_the_configs_as_shipped(data: Any) -> None:
    for path in EXAMPLES:
        config = load_config(path)
        for action in actions_of(config):
            assert complaint(config, action, data) is None
