"""Files that earlier versions wrote: this one opens them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chop.actions.study_report.sources import find_source
from chop.ir.graph import MaseGraph
from chop.models import get_model
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    load_mase_graph_interface_pass,
    load_node_meta_param_interface_pass,
)
from chop.tools.best_file import JOURNAL_NAME, load_best
from chop.tools.checkpoint_load import load_model
from chop.training import fit
from tests.assets.write import rows

FOLDER = Path(__file__).parents[1] / "assets"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0].isdigit())


@pytest.fixture(params=VERSIONS)
def folder(request):
    return FOLDER / request.param


def test_there_are_some():
    assert VERSIONS and sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < 300_000 * len(VERSIONS)


def test_a_graph_its_state_and_its_metadata(folder):
    graph, _ = load_mase_graph_interface_pass(None, folder)
    x = torch.from_numpy(rows()[0])
    layer = graph.modules["seq_blocks.2"]
    assert layer.config["weight_width"] == 4
    outputs = graph.model(x)
    state = load_model(folder / "state_dict.pt")
    assert torch.equal(state["seq_blocks.2.weight"], layer.w_quantizer(layer.weight))
    graph.model.load_state_dict(state)
    assert torch.equal(graph.model(x), outputs) and outputs.shape == (300, 5)
    fresh, _ = add_common_metadata_analysis_pass(
        MaseGraph(get_model("jsc-tiny").eval()), {"dummy_in": {"x": x[:2]}}
    )
    fresh, _ = add_software_metadata_analysis_pass(fresh, None)
    load_node_meta_param_interface_pass(fresh, {"load_path": folder / "node_meta_param.toml"})


def test_a_checkpoint_is_loaded_and_gone_on_from(folder, tmp_path):
    x, y = (torch.from_numpy(array) for array in rows())
    model = load_model(folder / "last.ckpt", None, get_model("jsc-tiny"))
    assert model.eval()(x).shape == (300, 5)
    for name in ("last.ckpt", "metrics.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    # The contents are right; that these are other rows than those of the run is what stops it.
    with pytest.raises(ValueError, match=r"last\.ckpt was trained (with|on)"):
        fit(model, {"train": (x, y), "val": (x, y)}, classes=5, batch_size=128, save_path=tmp_path,
            resume=tmp_path / "last.ckpt", bar=False, trainer_args={"max_epochs": 2, "accelerator": "cpu"})  # fmt: skip


def test_what_a_search_left(folder, tmp_path):
    assert "quantize" in load_best(folder / "best.json")["passes"]
    (tmp_path / JOURNAL_NAME).write_bytes((folder / JOURNAL_NAME).read_bytes())
    assert len(find_source(str(tmp_path)).study.trials) == 4
    pytest.importorskip("pyarrow")
    assert len(find_source(str(folder / "sweep.parquet")).table.frame) == 4
