"""Whole runs of ``ch`` on a small data set, from the words to the files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
SOFTWARE = "mase_output/{}/software"


def _lines(outcome):
    return outcome.out.splitlines()


def test_transform_as_documented(ch):
    outcome = ch("transform", "--config", EXAMPLES / "jsc_toy_by_type.toml", "--task", "cls", "--cpu=0")
    assert outcome.code == 0, outcome.err
    software = SOFTWARE.format("jsc-tiny")
    assert _lines(outcome)[-1] == f"Results: {software}"
    assert {
        f"{software}/transform/quantize/quantize_table.csv",
        f"{software}/transform/transformed_ckpt/graph_module.mz",
        f"{software}/transform/transformed_ckpt/state_dict.pt",
    } <= outcome.files
    row = next(line for line in _lines(outcome) if line.startswith("| num_workers"))
    assert row.split("|")[-2].strip() == "0"
    if not torch.cuda.is_available():
        assert "accelerator 'gpu' is not available on this machine: the CPU serves" in outcome.err


SAVE_AND_LOAD = """
model = "toy"
dataset = "jsc-synth"
[passes.report_node_type]
[passes.quantize]
by = "type"
[passes.quantize.default.config]
name = "NA"
[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 6
weight_frac_width = 3
[passes.verify_common_metadata]
[passes.save_mase_graph]
save_dir = "saved"
[passes.load_mase_graph]
load_dir = "saved"
[passes.report_node_meta_param]
which = ["software"]
"""


def test_graphs_saved_and_loaded_in_file_order(ch):
    Path("a.toml").write_text(SAVE_AND_LOAD)
    outcome = ch("transform", "--config", "a.toml", "--cpu=0", "--project", "p")
    assert outcome.code == 0, outcome.err
    run = re.findall(r"Running pass (\w+)", outcome.err)
    named = ["report_node_type", "quantize", "verify_common_metadata", "save_mase_graph", "load_mase_graph"]
    assert run == [*named, "report_node_meta_param"]
    assert "seq_blocks_2  call_module   module_related_func  linear       float" in outcome.err
    assert "| Linear          | linear      |       3 |         3 |           0 |" in outcome.err
    text = Path("a.toml").read_text().partition("[passes.report_node_type]")[0]
    Path("b.toml").write_text(
        f'{text}[passes.load_mase_graph]\nload_dir = "saved"\n[passes.quantize]\nby = 1\n'
    )
    payload = Path("saved/graph_module.mz").read_bytes()
    Path("saved/graph_module.mz").write_bytes(payload[:-1])
    damaged = ch("transform", "--config", "b.toml", "--cpu=0", "--project", "q")
    assert damaged.code == 2 and not Path("mase_output/q").exists()


def test_transform_on_real_data_that_is_absent(ch):
    config = EXAMPLES / "jsc_toy_by_type.toml"
    outcome = ch("transform", "jsc-tiny", "jsc", "--config", config, "--task", "cls", "--cpu=0")
    assert outcome.code == 2
    assert outcome.files == set()
    assert "jsc-synth" in outcome.err.splitlines()[-1]


def test_train_test_and_quantize_what_was_trained(ch, small_data):
    common = ("jsc-tiny", small_data, "--cpu=0", "--project", "p", "--batch-size", "32", "--seed", "3")
    trained = ch("train", *common, "--max-epochs", "30", "--learning-rate", "1e-2")
    assert trained.code == 0, trained.err
    software = SOFTWARE.format("p")
    best = f"{software}/training_ckpts/best.ckpt"
    assert {best, f"{software}/training_ckpts/last.ckpt"} <= trained.files
    tested = ch("test", *common, "--load", best, "--load-type", "pl")
    assert tested.code == 0, tested.err
    accuracy = _accuracy(tested)
    assert accuracy > 0.5
    untrained = ch("test", *common, "--load", _untrained(ch, common), "--load-type", "pt")
    assert _accuracy(untrained) < accuracy

    text = (EXAMPLES / "jsc_toy_by_type.toml").read_text()
    coarse = text.replace(
        "weight_width = 8\nweight_frac_width = 4", "weight_width = 3\nweight_frac_width = 1"
    )
    assert coarse != text
    Path("coarse.toml").write_text(coarse)
    config = ("--config", "coarse.toml", "--load", best, "--load-type", "pl")
    transformed = ch("transform", *common, *config)
    assert transformed.code == 0, transformed.err
    quantized = ch("test", *common, "--load", f"{software}/transform/transformed_ckpt/graph_module.mz")
    assert quantized.code == 0, quantized.err
    assert "holds a graph: it comes back as it was saved" in quantized.err
    assert _figure(quantized, "loss") != _figure(tested, "loss")
    assert abs(_accuracy(quantized) - accuracy) < 0.2
    # A search starts from the float weights, in whichever file they are.
    mz = f"{software}/transform/transformed_ckpt/graph_module.mz"
    of_mz = ch("search", *common, *config[:2], "--load", mz)
    of_pl = ch("search", *common, *config)
    assert of_mz.code == of_pl.code == 0, of_mz.err + of_pl.err
    assert _float_line(of_mz) == _float_line(of_pl)


def _float_line(searched):
    return next(line for line in searched.err.splitlines() if "float model" in line)


def _accuracy(outcome):
    return _figure(outcome, "accuracy")


def _figure(outcome, name):
    line = next(line for line in _lines(outcome) if line.startswith("test: "))
    return float(re.search(rf"{name} ([\d.]+)", line).group(1))


def _untrained(ch, common):
    from chop.models import get_model

    torch.manual_seed(0)
    path = Path("untrained.pt")
    torch.save(get_model("jsc-tiny").state_dict(), path)
    return path


def test_the_seed_of_the_config_counts(ch, tmp_path, small_data):
    (tmp_path / "a.toml").write_text("seed = 5\nmax_steps = 4\nnum_workers = 0\n")

    def weights(project, *words):
        outcome = ch("train", "jsc-tiny", small_data, "--config", "a.toml", "--project", project, *words)
        assert outcome.code == 0, outcome.err
        path = tmp_path / SOFTWARE.format(project) / "training_ckpts" / "last.ckpt"
        return torch.load(path, weights_only=True)["state_dict"]

    first, again, typed = weights("a"), weights("b"), weights("c", "--seed", "6")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], typed[name]) for name in first)


def test_search_with_the_shipped_config(ch, tmp_path):
    text = (EXAMPLES / "jsc_search.toml").read_text().replace("n_trials = 120", "n_trials = 6")
    assert "n_trials = 6" in text
    (tmp_path / "a.toml").write_text(text)
    outcome = ch("search", "--config", "a.toml")
    assert outcome.code == 0, outcome.err
    folder = f"{SOFTWARE.format('jsc-toy-search')}/search_ckpts"
    assert {f"{folder}/log.json", f"{folder}/best.json"} <= outcome.files
    assert any(name.startswith(folder) and "journal" in name for name in outcome.files)
    assert "Best trial(s):" in outcome.out
    assert f"Results: {folder}" in outcome.out
    assert len(json.loads((tmp_path / folder / "log.json").read_text())) == 6
    best = json.loads((tmp_path / folder / "best.json").read_text())
    assert best
    # The same command again finds the study finished.
    assert ch("search", "--config", "a.toml").code == 0
    assert len(json.loads((tmp_path / folder / "log.json").read_text())) == 6


def test_bad_search_tables_write_nothing(ch, tmp_path, small_data):
    good = (EXAMPLES / "jsc_search.toml").read_text()
    slips = {
        "n_trials = 120": "n_trails = 120",
        '"tpe"': '"tpee"',
        "accuracy.scale": "acuracy.scale",
        "seed.linear": "seed.liner",
        "[4, 5, 6, 8]": "[4, 5, 6, 80]",
        'by = "type"': 'by = "typ"',
        '"optuna"': '"optunna"',
        "compare_to = 32": "compare_to = 0",
    }
    for right, wrong in slips.items():
        assert right in good
        (tmp_path / "a.toml").write_text(good.replace(right, wrong))
        outcome = ch("search", "jsc-toy", small_data, "--config", "a.toml", "--no-pretrained")
        assert outcome.code == 2, (wrong, outcome.err)
        assert outcome.files == set(), wrong
        line = outcome.err.splitlines()[-1]
        assert line.startswith("ch: "), line
        assert "search" in line


MINE = """
import numpy as np
import torch
from torch import nn
from chop.models import PHYSICAL_MODELS, get_model_info
from chop.dataset import register_dataset


class Mine(nn.Module):
    def __init__(self, info):
        super().__init__()
        self.fc = nn.Linear(info.num_features, info.num_classes)

    def forward(self, jets):
        return self.fc(jets)


PHYSICAL_MODELS["model-of-mine"] = {"model": Mine, "info": get_model_info("jsc-tiny")}
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine_end_to_end.py").write_text(MINE)
    yield "mine_end_to_end.py"
    from chop.models import PHYSICAL_MODELS

    PHYSICAL_MODELS.pop("model-of-mine", None)


def test_a_model_of_the_users_own_in_every_action(ch, tmp_path, small_data, mine):
    text = (EXAMPLES / "jsc_toy_by_type.toml").read_text()
    text = text.replace("seed.seq_blocks_2.config", "seed.fc.config").replace("n_trials = 20", "n_trials = 2")
    (tmp_path / "a.toml").write_text(f'import = ["{mine}"]\n{text}')
    words = ("model-of-mine", small_data, "--config", "a.toml", "--cpu=0", "--batch-size", "32")
    for action, rest in {
        "train": ("--max-steps", "3"),
        "test": ("--load", f"{SOFTWARE.format('jsc-tiny')}/training_ckpts/last.ckpt", "--load-type", "pl"),
        "transform": (),
        "search": (),
    }.items():
        outcome = ch(action, *words, *rest)
        assert outcome.code == 0, (action, outcome.err)
    assert (tmp_path / SOFTWARE.format("jsc-tiny") / "search_ckpts" / "best.json").is_file()


def test_default_project_name(ch, tmp_path, small_data):
    shutil.copy(small_data, tmp_path / "d.npz")
    outcome = ch("train", "jsc-tiny", "d.npz", "--task", "cls", "--max-steps", "1", "--project-dir", "out")
    assert outcome.code == 0, outcome.err
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name.startswith("jsc-tiny_cls_d.npz_20")


def test_profile(ch, small_data):
    outcome = ch(
        "train", "jsc-tiny", small_data, "--max-steps", "1", "--project", "p", "--profile", "--cpu=0"
    )
    assert outcome.code == 0, outcome.err
    path = Path(SOFTWARE.format("p")) / "profile.txt"
    assert "cumulative" in path.read_text()


def test_rows_for_the_other_options_only_where_given(ch, small_data):
    words = ("train", "jsc-tiny", small_data, "--max-steps", "1", "--project", "p", "--cpu=0")
    assert "| split" not in ch(*words).out
    Path("nothing.py").write_text("")
    given = ch(*words, "--split", "all", "--import", "nothing.py").out
    assert "| split" in given
    assert "| import " in given
