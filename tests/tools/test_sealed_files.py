"""Files of results and metadata: a flipped bit is noticed, or the file says what it said before."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chop.actions.study_report.sources import find_source
from chop.ir.graph import MaseGraph
from chop.passes.graph import (
    init_metadata_analysis_pass,
    load_node_meta_param_interface_pass,
    save_node_meta_param_interface_pass,
)
from chop.tools.best_file import load_best
from chop.tools.errors import ConfigError

FLIPS = 300


def flips(data: bytes, count: int) -> Any:
    draw = random.Random(0)
    for _ in range(count):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        yield bytes(changed)


def check_flips(path: Path, read: Callable[[], Any], count: int = FLIPS) -> int:
    """How many were refused; the others must give what the whole file gives."""
    data, right, refused = path.read_bytes(), read(), 0
    for changed in flips(data, count):
        path.write_bytes(changed)
        try:
            assert repr(read()) == repr(right)
        except ConfigError as error:
            assert path.name in str(error) or str(path.parent) in str(error)
            refused += 1
    path.write_bytes(data)
    return refused


def metadata_of(graph: MaseGraph) -> dict[str, Any]:
    return {node.name: node.meta["mase"].parameters for node in graph.nodes}


def check_metadata(path: Path, count: int) -> int:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    graph, _ = init_metadata_analysis_pass(MaseGraph(model), None)
    next(iter(graph.nodes)).meta["mase"].parameters["software"]["range"] = {
        "min": -1.25,
        "count": 12,
        "on": True,
    }
    save_node_meta_param_interface_pass(graph, path)

    def read() -> Any:
        return metadata_of(load_node_meta_param_interface_pass(MaseGraph(model), path)[0])

    return check_flips(path, read, count)


def test_metadata(tmp_path: Path) -> None:
    assert check_metadata(tmp_path / "a.toml", FLIPS) > FLIPS // 2


@pytest.mark.soak
def test_metadata_in_bulk(tmp_path: Path) -> None:
    assert check_metadata(tmp_path / "a.toml", 20_000) > 10_000


def test_metadata_written_by_hand_or_before_has_no_sum(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    graph, _ = init_metadata_analysis_pass(MaseGraph(nn.Sequential(nn.Linear(2, 3))), None)
    save_node_meta_param_interface_pass(graph, path)
    first, _, rest = path.read_text().partition("\n")
    assert first.startswith("# SHA-256") and tomllib.loads(rest) == tomllib.loads(path.read_text())
    path.write_text(rest)
    load_node_meta_param_interface_pass(graph, path)


def sweep_file(path: Path) -> Path:
    from chop import Evaluator
    from chop.search import sweep

    torch.manual_seed(0)
    x, y = torch.randn(64, 4), torch.randint(0, 3, (64,))
    widths = {"data_in_width": [8], "data_in_frac_width": [4], "weight_width": [2, 4, 8]}
    config = {
        "name": ["integer"],
        **widths,
        "weight_frac_width": [1, 2],
        "bias_width": [8],
        "bias_frac_width": [4],
    }
    space = {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "name"}}
    ev = Evaluator(nn.Sequential(nn.Linear(4, 3)), x, y)
    return sweep(ev, {**space, "seed": {"default": {"config": config}}}).save(path)


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_a_sweep(kind: str, tmp_path: Path) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = sweep_file(tmp_path / f"sweep.{kind}")

    def read() -> Any:
        source = find_source(str(path))
        return source.points.frame.to_dict("list"), source.points.objectives

    assert check_flips(path, read) > FLIPS // 4


def test_a_sweep_of_an_older_version_has_no_sum(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = sweep_file(tmp_path / "sweep.parquet")
    table = parquet.read_table(path)
    about = {b"chop.sweep": table.schema.metadata[b"chop.sweep"]}
    changed = table.set_column(0, table.column_names[0], [np.arange(len(table))])
    parquet.write_table(changed.replace_schema_metadata(about), path)
    assert len(find_source(str(path)).points.frame)
    sealed = {**about, b"chop.sha256": table.schema.metadata[b"chop.sha256"]}
    parquet.write_table(table.set_column(0, "number", table[1]).replace_schema_metadata(sealed), path)
    with pytest.raises(ConfigError, match="SHA-256 does not agree"):
        find_source(str(path))


def study(folder: Path) -> Path:
    """best.json and the journal beside it, of a search of three trials."""
    from chop.actions import search
    from chop.models import get_model

    class Rows:
        batch_size = 32

        def prepare_data(self) -> None: ...

        def setup(self) -> None: ...

        def arrays(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
            torch.manual_seed(0)
            return torch.randn(64, 16), torch.randint(0, 5, (64,))

    config = {name: [8] for name in ("data_in_width", "bias_width")} | {
        "name": ["integer"],
        "weight_width": [2, 4, 8],
    }
    config |= {name: [3] for name in ("data_in_frac_width", "weight_frac_width", "bias_frac_width")}
    table = {
        "search_space": {
            "name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "type"},
            "seed": {"default": {"config": {"name": ["NA"]}}, "linear": {"config": config}},
        },
        "strategy": {
            "name": "optuna", "setup": {"n_trials": 3, "sampler": "brute-force"},
            "sw_runner": {"basic_evaluation": {"num_samples": 64}}, "hw_runner": {"average_bitwidth": {}},
            "metrics": {"accuracy": {}, "average_bitwidth": {}},
        },
    }  # fmt: skip
    search(get_model("jsc-tiny"), None, "cls", None, Rows(), {"search": table}, folder)
    return folder / "best.json"


def test_the_best_of_a_search(tmp_path: Path) -> None:
    path = study(tmp_path)

    def read() -> Any:
        return load_best(path)

    refused = check_flips(path, read)
    assert refused > FLIPS // 10
    # Alone, or where the journal is of another study, the file is taken as it is.
    content = json.loads(path.read_text())
    content["0"]["sampled_config"]["default"] = {"config": {"name": None}}
    (tmp_path / "alone").mkdir()
    alone = tmp_path / "alone" / "best.json"
    alone.write_text(json.dumps(content))
    assert load_best(alone)
    content["0"]["sampled_config"]["linear"] = {"config": {"name": None}}
    path.write_text(json.dumps(content))
    with pytest.raises(
        ConfigError, match=r"sampled_config of entry 0 is not what study_journal\.log beside it"
    ):
        load_best(path)
    (tmp_path / "study_journal.log").write_bytes(b"")
    assert load_best(path)


def test_the_parts_of_a_sweep_that_goes_on(tmp_path: Path) -> None:
    from chop.search.parts import MANIFEST, StoredParts

    parts = StoredParts(tmp_path, 40, {"space": "a"}, 40)
    parts.put(0, (np.arange(80.0).reshape(40, 2), np.zeros(40, np.uint8)))
    for name in ("part-000000.npz", MANIFEST):
        assert (
            check_flips(tmp_path / name, lambda: StoredParts(tmp_path, 40, {"space": "a"}, 40).get(0))
            > FLIPS // 4
        )
