"""One line for whatever is wrong, and nothing written before everything is checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from chop.models import get_model

QUANTIZE = """
[passes.quantize]
by = "type"
[passes.quantize.default.config]
name = "NA"
[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 8
weight_frac_width = 4
bias_width = 8
bias_frac_width = 4
"""


BAD_WORDS = [
    ([], ["action", "train, test, transform, search"]),
    (["trian"], ["'trian'", "did you mean 'train'"]),
    (["emit", "jsc-tiny", "jsc"], ["emit needs a quantize config", "--quantize FILE"]),
    (["train"], ["model is needed"]),
    (["train", "jsc-tiny"], ["dataset is needed"]),
    (["train", "jsc-tinny", "jsc-synth"], ["'jsc-tinny'", "did you mean 'jsc-tiny'"]),
    (["train", "jsc-tiny", "jsc-snyth"], ["'jsc-snyth'", "did you mean 'jsc-synth'"]),
    (["train", "jsc-tiny", "jsc-synth", "--bach-size", "3"], ["--bach-size", "did you mean '--batch-size'"]),
    (["train", "jsc-tiny", "jsc-synth", "--batch-size", "big"], ["--batch-size", "'big'", "1..2147483647"]),
    (["train", "jsc-tiny", "jsc-synth", "--batch-size", "0"], ["--batch-size", "got 0"]),
    (["train", "jsc-tiny", "jsc-synth", "--cpu=-1"], ["--cpu", "0..4096"]),
    (["train", "jsc-tiny", "jsc-synth", "--project", "../escaped"], ["project", "'../escaped'"]),
    (["train", "jsc-tiny", "jsc-synth", "--project", "/etc/passwd"], ["project", "'/etc/passwd'"]),
    (["train", "jsc-tiny", "jsc-synth", "--load", "none.ckpt"], ["none.ckpt", "does not exist"]),
    (["train", "jsc-tiny", "jsc-synth", "--load", "."], ["is a folder"]),
    (["train", "jsc-tiny", "jsc-synth", "--load-type", "plt"], ["--load-type", "did you mean"]),
    (["train", "jsc-tiny", "jsc-synth", "--task", "tran"], ["task", "jsc-tiny"]),
    (["train", "jsc-tiny", "jsc-synth", "--import", "gone.py"], ["no file 'gone.py'"]),
    (["train", "jsc-tiny", "jsc-synth", "--data-dir", "gone"], ["data_dir", "gone"]),
    (["train", "jsc-tiny", "none.npz"], ["none.npz"]),
    (["train", "jsc-tiny", "jsc-synth", "--config", "gone.toml"], ["no config file 'gone.toml'"]),
    (["train", "jsc-tiny", "jsc-synth", "--config", "gone.yaml"], ["must end in .toml"]),
    (["train", "jsc-tiny", "jsc-synth", "--config", "gone.json"], ["no config file 'gone.json'"]),
    (["transform", "jsc-tiny", "jsc-synth"], ["transform needs a config", "[passes]"]),
    (["search", "jsc-tiny", "jsc-synth"], ["search needs a config", "[search]"]),
    (["test", "jsc-tiny", "jsc-synth"], ["test needs weights", "--load"]),
    (["train", "jsc-tiny", "jsc-synth", "--dry-run"], ["--dry-run is an option of search, not of train"]),
]


@pytest.mark.parametrize(("words", "said"), BAD_WORDS, ids=lambda value: " ".join(map(str, value))[:60])
def test_bad_words(ch, words, said):
    ch(*words).is_refused(*said)


BAD_FILES = [
    ("bach_size = 3", ["'bach_size'", "did you mean 'batch_size'"]),
    ('batch_size = "big"', ["a.toml: batch_size", "'big'"]),
    ("batch_size = 0", ["a.toml: batch_size", "got 0"]),
    ("seed = -1", ["a.toml: seed", "0..4294967295"]),
    ("learning_rate = nan", ["a.toml: learning_rate", "got nan"]),
    ('project = "../up"', ["project", "'../up'"]),
    ('accelerator = "gpuu"', ["accelerator", "did you mean 'gpu'"]),
    ("batch_size = 3\nbatch_size = 4", ["a.toml", "line 2"]),
    ("[pases.quantize]", ["'pases'", "did you mean 'passes'"]),
    ("passes = 3", ["passes must be a table"]),
    ("[passes]\nquantize = 3", ["passes.quantize must be a table"]),
    ("[passes.quantise]", ["'passes.quantise'", "did you mean 'quantize'"]),
    (
        "[passes.report_graph]\nfilename = 'x'",
        ["passes.report_graph", "'filename'", "did you mean 'file_name'"],
    ),
    ("[passes.report_graph]\nfile_name = 3", ["passes.report_graph.file_name must be a text", "got 3"]),
    ("[passes.report_node_meta_param]\nwhich = ['commn']", ["'commn'", "did you mean 'common'"]),
    ("[passes.load_node_meta_param]\nload_path = 'gone'", ["load_path", "'gone'"]),
    ("[passes.metadata_value_type_cast]", ["from Python"]),
    ("[other]", ["'other'", "allowed:"]),
    (QUANTIZE.replace('"type"', '"typ"'), ["by", "'typ'", "did you mean 'type'"]),
    (QUANTIZE.replace('"type"', "3"), ["passes.quantize.by must be a text"]),
    (QUANTIZE.replace('by = "type"', ""), ["'by' is missing"]),
    (QUANTIZE.replace("weight_width = 8", "weight_width = 0"), ["linear.weight_width", "1..32", "0"]),
    (QUANTIZE.replace("weight_width = 8", "weight_width = -3"), ["linear.weight_width", "1..32", "-3"]),
    (QUANTIZE.replace("weight_width = 8", "weight_width = 40"), ["linear.weight_width", "1..32", "40"]),
    (
        QUANTIZE.replace("weight_width = 8", "weight_widht = 8"),
        ["weight_widht", "did you mean 'weight_width'"],
    ),
    (QUANTIZE.replace('"integer"', '"interger"'), ["'interger'", "did you mean 'integer'"]),
    (QUANTIZE.replace("quantize.linear", "quantize.liner"), ["'liner'", "did you mean 'linear'"]),
    (QUANTIZE.replace("linear.config", "linear.confg"), ["linear", "did you mean 'config'"]),
]


@pytest.mark.parametrize(("text", "said"), BAD_FILES, ids=lambda value: str(value)[:50])
def test_bad_files(ch, tmp_path, small_data, text, said):
    good = "" if "passes" in text or "[other]" in text else QUANTIZE
    (tmp_path / "a.toml").write_text(f"{text}\n{good}")
    ch("transform", "jsc-tiny", small_data, "--config", "a.toml", "--cpu=0").is_refused(*said)


def _torch_file(path, value):
    torch.save(value, path)
    return path


@pytest.fixture
def checkpoints(tmp_path):
    model = get_model("jsc-tiny")
    good = _torch_file(tmp_path / "good.pt", model.state_dict())
    whole = good.read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    _torch_file(tmp_path / "other.pt", get_model("jsc-mlp").state_dict())
    _torch_file(tmp_path / "whole_model.pt", model)
    _torch_file(tmp_path / "list.pt", [1, 2])
    save_file(model.state_dict(), tmp_path / "foreign.mz")
    return tmp_path


@pytest.mark.parametrize("action", ["train", "test", "transform"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("half.pt", "pt"), ("empty.pt", "pt"), ("text.pt", "pt"), ("other.pt", "pt"),
        ("whole_model.pt", "pt"), ("list.pt", "pt"),
        ("good.pt", "pl"), ("good.pt", "mz"), ("foreign.mz", "mz"), ("text.pt", "mz"),
    ],
)  # fmt: skip
def test_bad_checkpoints(ch, checkpoints, small_data, action, name, kind):
    (checkpoints / "a.toml").write_text(QUANTIZE)
    words = [
        action,
        "jsc-tiny",
        small_data,
        "--config",
        "a.toml",
        "--cpu=0",
        "--load",
        name,
        "--load-type",
        kind,
    ]
    ch(*words).is_refused(name)


@pytest.mark.parametrize(("name", "kind"), [("half.pt", "pt"), ("other.pt", "pt"), ("foreign.mz", "mz")])
def test_bad_checkpoints_for_a_search(ch, checkpoints, small_data, name, kind):
    config = Path(__file__).parents[2] / "configs" / "examples" / "jsc_search.toml"
    words = ["search", "jsc-tiny", small_data, "--config", config, "--load", name, "--load-type", kind]
    ch(*words).is_refused(name)


def test_rows_that_do_not_suit_the_model(ch, tmp_path, small_data):
    (tmp_path / "mine_for_rows.py").write_text(
        "from torch import nn\nfrom chop.models import PHYSICAL_MODELS, get_model_info\n"
        "info = get_model_info('jsc-tiny')\n"
        "PHYSICAL_MODELS['wrong-rows'] = {'model': lambda _: nn.Linear(3, 5), 'info': info}\n"
        "PHYSICAL_MODELS['few-classes'] = {'model': lambda _: nn.Linear(16, 2), 'info': info}\n"
        "PHYSICAL_MODELS['no-tensor'] = {'model': lambda _: nn.LSTM(16, 5), 'info': info}\n"
    )
    try:
        for name, said in {"wrong-rows": "[16]", "few-classes": "5 classes", "no-tensor": "tuple"}.items():
            before = set(tmp_path.rglob("mase_output"))
            outcome = ch("train", name, small_data, "--import", "mine_for_rows.py", "--max-steps", "1")
            assert outcome.code == 2
            assert outcome.err.splitlines()[-1].startswith(f"ch: model '{name}' ")
            assert said in outcome.err.splitlines()[-1]
            assert set(tmp_path.rglob("mase_output")) == before == set()
    finally:
        from chop.models import PHYSICAL_MODELS

        for name in ("wrong-rows", "few-classes", "no-tensor"):
            PHYSICAL_MODELS.pop(name, None)


def test_hf_checkpoints_are_refused(ch, checkpoints, small_data):
    ch("test", "jsc-tiny", small_data, "--load", "good.pt", "--load-type", "hf").is_refused(
        "hf", "mz, pt, pl"
    )


def test_missing_data_says_what_to_do(ch):
    ch("train", "jsc-tiny", "jsc", "--cpu=0").is_refused("jsc-synth")


def test_no_right_to_write_or_a_file_in_the_way(ch, tmp_path, small_data):
    (tmp_path / "taken").write_text("mine")
    ch("train", "jsc-tiny", small_data, "--project-dir", "taken").is_refused("cannot write in")
    assert (tmp_path / "taken").read_text() == "mine"
