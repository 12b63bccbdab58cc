"""Import paths of MASE that programs use exist here. The list is a file: a change of it shows as a diff."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("public_names.txt")


def listed() -> list[tuple[str, list[str]]]:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return [(module, names.split()) for module, names in (line.split(": ") for line in lines)]


@pytest.mark.parametrize(("module", "names"), listed(), ids=[module for module, _ in listed()])
def test_names_are_importable(module: str, names: list[str]) -> None:
    found = importlib.import_module(module)
    missing = [name for name in names if not hasattr(found, name)]
    assert not missing, f"{module} has no {missing}"


def test_deep_paths_give_the_same_objects() -> None:
    old = importlib.import_module("chop.passes.graph.transforms.quantize.quantizers.integer")
    new = importlib.import_module("chop.nn.quantizers.integer")
    assert old is new
    modules = importlib.import_module("chop.passes.graph.transforms.quantize.quantized_modules")
    assert modules.LinearInteger is importlib.import_module("chop.nn.quantized.modules").LinearInteger


def test_unknown_deep_paths_raise() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("chop.passes.graph.transforms.quantize.quantizers.nothing")
    with pytest.raises(AttributeError):
        importlib.import_module("chop").nothing  # noqa: B018
