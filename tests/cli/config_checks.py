"""All that ``ch`` checks before it writes, without the seconds that a command of its own takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from chop.cli import parts as building
from chop.cli import run
from chop.cli.checks import check_tables
from chop.cli.merge import merge_loaded
from chop.cli.options import ACTIONS
from chop.dataset import MaseDataModule
from chop.models import get_model, get_model_info
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

EXAMPLES = sorted((Path(__file__).parents[2] / "configs").rglob("*.toml"))
NOWHERE = Path("nowhere")
# Slips that give another right word: MASE's files say data_loader and its code reads dataloader, and the latter two
# are both cost models.
ALSO_RIGHT = {"data_loader": {"dataloader"}, "ebops": {"bops"}}


@cache
def model_of(name: str, pretrained: bool) -> Any:
    """The model that a config names, with its weights where the config wants them."""
    return get_model(name, pretrained=pretrained)


@cache
def _published(name: str) -> MaseDataModule:
    module = MaseDataModule(name, batch_size=64)
    module.prepare_data()
    module.setup()
    return module


def rows_for(options: Any, data: Any) -> Any:
    """``data``, or the data set of a config with trained weights: they know no other rows."""
    return _published(options.dataset) if options.is_pretrained and options.dataset is not None else data


def check(config: dict[str, Any], action: str, data: Any) -> None:
    """Raise what ``ch ACTION`` would refuse the config with; the rows are those of ``data``."""
    merged = merge_loaded({}, config, "a.toml")
    check_tables(merged)
    name = merged.options.model or "jsc-tiny"
    merged = dataclasses.replace(merged, options=merged.options.model_copy(update={"model": name}))
    if merged.options.dataset is not None:
        building.check_names(merged.options)
    info = get_model_info(name)
    data, model = rows_for(merged.options, data), model_of(name, merged.options.is_pretrained)
    parts = building.Parts(model, info, data, data.dataset_info, "classification", "cpu")
    own = {"transform": "passes", "search": "search"}.get(action)
    if own is None or merged.tables.get(own):
        run.check_action_against_model(action, merged, parts, NOWHERE)


def complaint(config: dict[str, Any], action: str, data: Any) -> str | None:
    """The sentence that refuses the config; None where it is right. Any other exception is a fault."""
    try:
        check(config, action, data)
    except (ConfigError, UnknownNameError) as error:
        assert str(error).strip() and "\n" not in str(error)
        return str(error)
    return None


def places(table: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key, and of every item of a list."""
    items = table.items() if isinstance(table, dict) else enumerate(table)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def at(table: Any, path: tuple[Any, ...]) -> Any:
    """What stands there."""
    for key in path:
        table = table[key]
    return table


def replaced(table: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    head, *rest = path
    new = replaced(table[head], tuple(rest), value) if rest else value
    if isinstance(table, list):
        return [new if i == head else item for i, item in enumerate(table)]
    return {key: new if key == head else item for key, item in table.items()}


def renamed(table: Any, path: tuple[Any, ...], new: str) -> Any:
    """A copy with another key at a place, in the same order."""
    *above, key = path
    found = at(table, tuple(above))
    changed = {new if name == key else name: item for name, item in found.items()}
    return replaced(table, tuple(above), changed) if above else changed


def slips(word: str) -> set[str]:
    """Every word one slip of the finger away: a letter left out, doubled, replaced, two swapped."""
    found = set()
    for i in range(len(word)):
        found |= {word[:i] + word[i + 1 :], word[: i + 1] + word[i:], word[:i] + "q" + word[i + 1 :]}
        found.add(word[:i] + word[i : i + 2][::-1] + word[i + 2 :])
    return found - {word}


__all__ = [
    "ACTIONS",
    "ALSO_RIGHT",
    "EXAMPLES",
    "at",
    "check",
    "complaint",
    "model_of",
    "places",
    "renamed",
    "replaced",
    "rows_for",
    "slips",
]
