"""``ch eval``: the same numbers as the library gives, from files that other commands wrote."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import chop
from chop.dataset import MaseDataModule
from chop.models import get_model

QUANTIZE = """
[passes.quantize]
by = "type"
default.config.name = "NA"
[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 5
weight_frac_width = 3
"""
CONFIG = {
    "by": "type",
    "default": {"config": {"name": None}},
    "linear": {
        "config": {
            "name": "integer",
            "data_in_width": 8,
            "data_in_frac_width": 4,
            "weight_width": 5,
            "weight_frac_width": 3,
        }
    },
}


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "q.toml"
    path.write_text(QUANTIZE)
    return path


def evaluator() -> chop.Evaluator:
    x, y = MaseDataModule("jsc-synth", batch_size=512).arrays("test")
    return chop.Evaluator(get_model("jsc-toy", pretrained=True), x, y)


def test_numbers_are_those_of_the_evaluator(ch, toml, tmp_path):
    words = ["eval", "jsc-toy", "--json", "a.json", "jsc-synth", "--pretrained", "--quantize", toml]
    done = ch(
        *words, "--metrics", "accuracy,top_k(k=2),confusion_matrix", "--forward", "a.npz", "--certificate"
    )
    assert done.code == 0, done.err
    assert done.files == {"a.json", "a.npz"}
    ev, found = evaluator(), json.loads((tmp_path / "a.json").read_text())
    specs = ["accuracy", {"name": "top_k", "k": 2}, "confusion_matrix"]
    for name, config in (("float", None), ("quantized", CONFIG)):
        expected = ev.evaluate(config, metrics=specs)
        assert found["metrics"][name]["accuracy"] == expected["accuracy"]
        assert found["metrics"][name]["top_k(k=2)"] == expected["top_k"]
        assert found["metrics"][name]["confusion_matrix"] == expected["confusion_matrix"].tolist()
    assert found["certificate"]["exact"] is ev.certificate(CONFIG).exact
    assert found["costs"]["quantized"] == chop.cost.Costs(
        ev.graph, 1, ("average_bitwidth", "bitops", "ebops", "model_size")
    ).evaluate(CONFIG)
    with np.load(tmp_path / "a.npz") as arrays:
        assert torch.equal(torch.from_numpy(arrays["logits_quantized"]), ev.forward(CONFIG))
        assert arrays["y"].shape == (30000,)
    assert f"{found['metrics']['quantized']['accuracy']:.6g}" in done.out
    assert "seq_blocks_2" in done.out and "exact for any input" in done.out


def test_a_trained_checkpoint_and_a_search_of_it(ch, small_data, tmp_path, toml):
    assert ch("train", "jsc-tiny", small_data, "--cpu=0", "--max-epochs", "3", "--project", "p").code == 0
    best = tmp_path / "mase_output/p/software/training_ckpts/best.ckpt"
    words = ["eval", "jsc-tiny", small_data, "--load", best, "--load-type", "pl", "--split", "all"]
    alone = ch(*words)
    assert alone.code == 0 and "quantized" not in alone.out.split("metric")[1], alone.err
    (tmp_path / "s.toml").write_text(
        QUANTIZE.replace("[passes.quantize", "[search.search_space.seed")
        .replace('by = "type"', "")
        .replace('"NA"', '["NA"]')
        .replace('"integer"', '["integer"]')
        .replace("= 8", "= [8]")
        .replace("= 4", "= [4]")
        .replace("= 5", "= [3, 5, 8]")
        .replace("frac_width = 3", "frac_width = [2, 3]")
        + """
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
[search.strategy]
name = "optuna"
eval_mode = true
setup = { n_jobs = 1, n_trials = 6, timeout = 100, sampler = "random", sum_scaled_metrics = false }
sw_runner.basic_evaluation = { data_loader = "val_dataloader", num_samples = 400 }
hw_runner.average_bitwidth = { compare_to = 32 }
metrics.accuracy = { scale = 1.0, direction = "maximize" }
metrics.average_bitwidth = { scale = 0.2, direction = "minimize" }
"""
    )
    search = ["search", "jsc-tiny", small_data, "--config", "s.toml", "--load", best, "--load-type", "pl"]
    assert ch(*search, "--split", "all", "--project", "p", "--cpu=0").code == 0
    front = tmp_path / "mase_output/p/software/search_ckpts/best.json"
    for entry in json.loads(front.read_text()).values():
        done = ch(
            *words, "--quantize", front, "--trial", entry["number"], "--json", "b.json", "--rows", "val"
        )
        assert done.code == 0, done.err
        found = json.loads((tmp_path / "b.json").read_text())
        assert found["metrics"]["quantized"]["accuracy"] == entry["software_metrics"]["accuracy"]
        assert found["costs"]["quantized"]["average_bitwidth"] == pytest.approx(
            entry["hardware_metrics"]["average_bitwidth"]
        )
    ch(*words, "--quantize", front, "--trial", "77").is_refused("--trial must be one of", "got '77'")


def test_the_config_file_gives_options_and_the_quantize_table(ch, toml):
    toml.write_text('model = "jsc-toy"\ndataset = "jsc-synth"\nis_pretrained = true\n' + QUANTIZE)
    done = ch("eval", "--config", toml, "--costs", "")
    assert done.code == 0 and f"{toml} [passes.quantize]" in done.out and "bitops" not in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jsc-toy"], ["eval needs a dataset"]),
        (["jsc-top", "jsc-synth"], ["jsc-top", "jsc-toy"]),
        (["--metrics", "acuracy"], ["acuracy", "accuracy"]),
        (["--metrics", "top_k(k=9)"], ["k must be 1..5"]),
        (["--metrics", "top_k(9)"], ["option=number"]),
        (["--metrics", ","], ["--metrics must be names"]),
        (["--costs", "bitop"], ["bitop", "bitops"]),
        (["--rows", "tets"], ["--rows must be one of", "test"]),
        (["--quantize", "no.toml"], ["no.toml"]),
        (["--quantize", "broken.json"], ["broken.json", "not a JSON file"]),
        (["--quantize", "other.json"], ["neither the best.json"]),
        (["--quantize", "empty.toml"], ["no table [passes.quantize]"]),
        (["--quantize", "typo.toml"], ["typo.toml", "weight_widht", "weight_width"]),
        (["--trial", "3"], ["--trial", "--quantize"]),
        (["--json", "nowhere/a.json"], ["--json must be a file"]),
        (["--laod", "x.ckpt"], ["--laod", "--load"]),
        (["--load-type", "pkl"], ["--load-type must be one of"]),
        (["--load", "no.ckpt"], ["no.ckpt"]),
    ],
)
def test_bad_input_is_one_line(ch, tmp_path, words, said):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "empty.toml").write_text("seed = 1\n")
    (tmp_path / "typo.toml").write_text(QUANTIZE.replace("weight_width", "weight_widht"))
    named = [] if not words[0].startswith("-") else ["jsc-toy", "jsc-synth"]
    ch("eval", *named, *words).is_refused(*said)


def test_help_names_the_options_of_ch(ch):
    done = ch("eval", "--help")
    assert done.code == 0 and "--load-type TYPE" in done.out and "--class-order" in done.out
