"""The table of options and the merged values equal MASE's, colours included."""

from __future__ import annotations

import json

import pytest

from chop.cli.merge import merge_loaded
from chop.cli.options import defaults, flags
from chop.cli.tables import GREY, RESET, options_table
from chop.tools.config_load import load_config

RUNS = {"with_config": "cli_options_with_config.txt", "no_config": "cli_options_no_config.txt"}


@pytest.fixture(scope="module")
def recorded(shared_dir):
    folder = shared_dir / "reference" / "text"
    return json.loads((folder / "cli_options.json").read_text()), folder


def _merged(run, facts, folder):
    typed = {name: str(value) for name, value in facts["runs"][run]["overrides"].items() if name != "config"}
    path = facts["runs"][run]["overrides"].get("config")
    return merge_loaded(typed, load_config(folder / path) if path else None, path)


def _table(run, facts, folder, colour):
    merged = _merged(run, facts, folder)
    labels = {name: name for name, flag in flags().items() if flag.table}
    # The machine's own values: number of processors, and where the outputs go.
    ours = {**defaults(), "num_workers": 8, "project_dir": facts["defaults"]["project_dir"]}
    ours["load_type"] = facts["defaults"]["load_type"]  # without it a file's type is found by looking
    effective = {**ours, **merged.config} if merged.config else dict(ours)
    effective |= merged.typed
    return options_table(ours, merged.config, merged.typed, effective, labels=labels, colour=colour)


@pytest.mark.parametrize("run", RUNS)
def test_table(recorded, run):
    facts, folder = recorded
    assert _table(run, facts, folder, colour=True) == (folder / RUNS[run]).read_text().rstrip("\n")


@pytest.mark.parametrize("run", RUNS)
def test_table_without_colour(recorded, run):
    facts, folder = recorded
    expected = (folder / RUNS[run]).read_text().rstrip("\n").replace(GREY, "").replace(RESET, "")
    assert _table(run, facts, folder, colour=False) == expected


def test_defaults(recorded):
    expected = dict(recorded[0]["defaults"])
    own = defaults()
    for key in ("config", "num_workers", "project_dir", "load_type"):
        expected.pop(key)
    assert {key: own[key] for key in expected} == expected
    assert own["project_dir"] == "./mase_output"
    assert own["load_type"] is None


@pytest.mark.parametrize("run", RUNS)
def test_effective_values(recorded, run):
    facts, folder = recorded
    effective = _merged(run, facts, folder).options.model_dump()
    machine = ("action", "project_dir", "num_workers", "load_type")
    expected = {k: v for k, v in facts["runs"][run]["effective"].items() if k not in machine}
    assert {key: effective[key] for key in expected} == expected
