"""Every example in a docstring runs and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import chop

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# The first runs the command line, the second is no Python module.
NOT_IMPORTED = {"chop.__main__", "chop._ops"}


def module_names() -> list[str]:
    walked = pkgutil.walk_packages(chop.__path__, "chop.", onerror=lambda name: None)
    return ["chop", *sorted(module.name for module in walked if module.name not in NOT_IMPORTED)]


def examples_in(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module, name) if test.examples]


@pytest.mark.parametrize("name", module_names())
def test_doctests(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example that writes must not write into the checkout
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report: list[str] = []
    for test in examples_in(name):
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize(
    "layer",
    ["evaluator", "certificate", "registry", "tools", "nn", "ir", "passes", "models", "dataset", "actions"],
)
def test_layer_has_examples(layer: str) -> None:
    names = [name for name in module_names() if f"{name}.".startswith(f"chop.{layer}.")]
    assert any(examples_in(name) for name in names)
