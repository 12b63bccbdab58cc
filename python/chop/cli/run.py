"""Checks an action against its model, and calls it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chop.cli.commands.search import run_search
from chop.cli.commands.test import run_test
from chop.cli.commands.train import check_training, run_train
from chop.cli.commands.transform import run_transform
from chop.cli.merge import Merged
from chop.cli.parts import Parts, check_rows
from chop.cli.project import Project
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)


def check_action_against_model(
    action: str, merged: Merged, parts: Parts, software: Path = Path("software")
) -> None:
    """Check the rows against the model, the tables of the config against its graph, and how it is to be trained.

    Nothing is written; ``software`` is where a run that goes on would find what it left.

    Raises:
        ConfigError: rows that the model does not take, a rule or seed that does not suit the graph.
    """
    check_rows(merged.options, parts)
    _check_other_tables(action, merged, parts)
    with _named(merged):
        if action == "transform":
            run_transform(merged, parts, Path(), validate_only=True)
        elif action == "search":
            run_search(merged, parts, Path(), validate_only=True)
    if action == "train":
        check_training(merged.options, parts, software)


@contextlib.contextmanager
def _named(merged: Merged) -> Iterator[None]:
    """What is wrong in a table opens with the file that it stands in."""
    try:
        yield
    except UnknownNameError as error:
        raise UnknownNameError(f"{merged.path}: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{merged.path}: {error}") from None


def _check_other_tables(action: str, merged: Merged, parts: Parts) -> None:
    """A slip in a table that this action does not run would otherwise wait for the day that it is run."""
    from chop.actions.search.search import check_search_table
    from chop.actions.transform import check_passes
    from chop.ir.graph import MaseGraph

    own = {"transform": "passes", "search": "search"}.get(action)
    others = {name: table for name, table in merged.tables.items() if name != own and table}
    if not others:
        return
    try:
        graph = MaseGraph(parts.model)
    except ConfigError as error:  # which trains and tests all the same
        logger.debug("the tables %s are not checked against the model: %s", ", ".join(others), error)
        return
    checks = {"passes": check_passes, "search": check_search_table}
    for name, table in others.items():
        with _named(merged):
            checks[name](graph, table)


def run_action(action: str, merged: Merged, parts: Parts, project: Project) -> dict[str, Any]:
    """Run the action and return its main figures; its files go below ``project.software``."""
    logger.info("%s: model %r, data set %r", action, merged.options.model, merged.options.dataset)
    software = project.software
    if action == "transform":
        run_transform(merged, parts, software / "transform")
    elif action == "search":
        return run_search(merged, parts, software / ("compare" if merged.options.compare else "search_ckpts"))
    elif action == "test":
        return run_test(parts, software)
    else:
        return run_train(merged.options, parts, software)
    return {}
