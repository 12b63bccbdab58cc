"""A search over a graph that a QONNX file holds, and its best trial in a file again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chop
from chop.actions.search import search
from chop.models.utils import MaseModelInfo
from chop.tools.errors import ConfigError
from tests.search.conftest import RandomRows

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")
FILES = Path(__file__).parent / "brevitas"


class Rows(RandomRows):
    """Rows of another shape."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(40)
        generator = torch.Generator().manual_seed(1)
        for split in self._splits:
            x = torch.randn(40, *shape, generator=generator)
            self._splits[split] = x, torch.randint(0, classes, (40,), generator=generator)


def table_of(found: dict[str, Any]) -> dict[str, Any]:
    """A search of the widths of weights and data, from the formats that the file has downwards."""
    seed: dict[str, Any] = {"default": {"config": {"name": [None]}}}
    for name, entry in found.items():
        if name in {"by", "default"}:
            continue
        given = entry["config"]
        seed[name] = {"config": {key: [value] for key, value in given.items()}}
        if "weight_width" in given:
            seed[name]["config"]["weight_width"] = [given["weight_width"] - 1, given["weight_width"]]
    return {
        "search_space": {
            "name": "graph/quantize/mixed_precision_ptq",
            "setup": {"by": "name"},
            "seed": seed,
        },
        "strategy": {
            "name": "optuna",
            "sw_runner": {"basic_evaluation": {"data_loader": "val_dataloader", "num_samples": 40}},
            "hw_runner": {"average_bitwidth": {"compare_to": 32}},
            "setup": {"n_trials": 6, "sampler": "random", "direction": "maximize"},
            "metrics": {"loss": {"scale": -1.0}, "average_bitwidth": {"scale": -0.2}},
        },
    }


def shapes(path: Path) -> tuple[tuple[int, ...], int]:
    """Of a row of the file's input, and the numbers of its output."""
    graph = onnx.load(path).graph
    found = [
        [d.dim_value for d in values[0].type.tensor_type.shape.dim[1:]]
        for values in (graph.input, graph.output)
    ]
    return tuple(found[0]), int(np.prod(found[1]))


def searched(name: str, folder: Path) -> tuple[Any, Rows, dict[str, Any]]:
    """The graph of a file, rows, and what best.json says of a search over it."""
    graph, found = chop.load_qonnx(FILES / f"{name}.onnx")
    rows = Rows(*shapes(FILES / f"{name}.onnx"))
    info = MaseModelInfo(
        name,
        model_source="physical",
        task_type="physical",
        physical_data_point_classification=True,
        is_fx_traceable=True,
    )
    search(graph, info, "cls", None, rows, {"search": table_of(found)}, folder)
    return graph, rows, json.loads((folder / "best.json").read_text())


@pytest.mark.parametrize("name", ["perceptron", "sequence"])
def test_from_a_file_through_a_search_into_files(name: str, tmp_path: Path) -> None:
    graph, rows, best = searched(name, tmp_path / "search")
    x = rows.arrays("test")[0]
    for entry in best.values():
        trial = entry["sampled_config"]
        wanted = chop.Evaluator(graph, x).forward(trial)
        for target in ("qonnx", "integers"):
            made = chop.export(graph, trial, target, tmp_path / target, x=x)
            assert made.equal, str(made)
        again, formats = chop.load_qonnx(tmp_path / "qonnx" / "model.onnx")
        assert torch.equal(chop.Evaluator(again, x).forward(formats), wanted)


def test_a_file_without_logits_is_refused_before_the_search(tmp_path: Path) -> None:
    message = r"cannot be evaluated: .*logits \[rows, classes\], got \[rows, 6, 1, 1\]"
    with pytest.raises(ConfigError, match=message):
        searched("residual", tmp_path / "search")
    assert not list(tmp_path.iterdir())
