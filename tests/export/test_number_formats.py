"""No target holds a number format that it cannot say: each refuses it with the node and the format's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import chop
from chop.emit import emit
from chop.export import TARGETS, export
from chop.tools.errors import ConfigError
from tests.evaluator.number_formats import FORMATS, by_type


@pytest.fixture(scope="module")
def evaluator() -> chop.Evaluator:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    return chop.Evaluator(model, torch.randn(40, 8))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_refused_with_node_and_format(
    evaluator: chop.Evaluator, target: str, name: str, tmp_path: Path
) -> None:
    config = by_type("linear", config=FORMATS[name])
    with pytest.raises(ConfigError) as refused:
        export(evaluator, config, target, tmp_path)
    assert f"export to {target}" in str(refused.value) and "_0" in str(refused.value)
    assert FORMATS[name]["name"] in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_no_circuit_of_it_either(evaluator: chop.Evaluator, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"emit: node _0: .* {FORMATS[name]['name']}"):
        emit(evaluator, by_type("linear", config=FORMATS[name]), tmp_path / "net.v")
    assert not list(tmp_path.iterdir())
