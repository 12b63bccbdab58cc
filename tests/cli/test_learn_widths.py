"""``ch train --learn-widths`` leaves models that the other commands take."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

FOLDER = "mase_output/p/software/learned"
BEST = f"{FOLDER}/best.json"


@pytest.fixture
def common(small_data):
    return "jsc-mlp", small_data, "--cpu=0", "--accelerator", "cpu", "--pretrained", "--project", "p"


def given(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--learn-widths", text)]


def learn(ch, common, *more):
    texts = given("ebops_hgq.max=30000,20000", "epochs=25", "batch_size=32", "width_rate=2e-2", "distill=0.5")
    return ch("train", *common, *texts, *more)


def test_what_is_left_and_who_takes_it(ch, common):
    outcome = learn(ch, common)
    assert outcome.code == 0, outcome.err
    assert {BEST, f"{FOLDER}/learned.csv", f"{FOLDER}/learned.mz"} <= outcome.files
    entries = json.loads(Path(BEST).read_text())
    assert "learned models" in outcome.out and BEST in outcome.out
    assert min(entry["hardware_metrics"]["ebops_hgq"] for entry in entries.values()) <= 20_000
    with Path(f"{FOLDER}/learned.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 50
    best = f"{BEST}#0"
    measured = ch(
        "eval", *common[:2], "--quantize", best, "--rows", "val", "--costs", "ebops_hgq", "--json", "e.json"
    )
    assert measured.code == 0, measured.err
    found = json.loads(Path("e.json").read_text())
    text = json.dumps(found)
    assert repr(entries["0"]["software_metrics"]["loss"]) in text, text[:500]
    tested = ch("test", *common[:5], "--quantize", best, "--project", "t")
    assert tested.code == 0, tested.err
    before = Path(BEST).read_bytes()
    again = learn(ch, common, "--resume")
    assert again.code == 0 and Path(BEST).read_bytes() == before


def test_learning_begins_at_a_config(ch, common):
    layer = {"name": "integer", "weight_width": 6, "weight_frac_width": 4, "data_in_width": 8}
    layer |= {"data_in_frac_width": 4, "bias_width": 8, "bias_frac_width": 4}
    Path("c.json").write_text(
        json.dumps({"by": "type", "default": {"config": {"name": None}}, "linear": {"config": layer}})
    )
    texts = given("prices=1e-9,1e-9", "epochs=1", "distill=0", "width_rate=1e-9")
    outcome = ch("train", *common, *texts, "--quantize", "c.json")
    assert outcome.code == 0, outcome.err
    config = json.loads(Path(BEST).read_text())["0"]["sampled_config"]
    assert config["seq_blocks_0"]["config"]["bias_width"] == 8
    assert config["seq_blocks_0"]["config"]["weight_width"].endswith(".npz#seq_blocks_0/weight_width")


@pytest.mark.parametrize(
    ("texts", "more", "words"),
    [
        (["ebops.max=a"], (), "ebops.max must be numbers"),
        (["ebops.max"], (), "give COST.max=BOUND"),
        (["epochs=3"], (), "give targets or prices"),
        (["ebops.max=5", "ebops_hgq.max=5"], (), "the bounds of one cost"),
        (["flops.max=5"], (), "no target can be set for 'flops'"),
        (["ebops.max=5", "epoch=2"], (), "no option 'epoch'"),
        (["ebops.max=5", "seed=2"], (), "the option --seed"),
        (["ebops.max=5"], ("--max-epochs", "3"), "--max-epochs does not go with --learn-widths"),
        (["ebops.max=5"], ("--grid", "learning_rate=1,2"), "do not go together"),
    ],
)
def test_wrong_words(ch, common, texts, more, words):
    outcome = ch("train", *common, *given(*texts), *more)
    assert outcome.code == 2 and words in outcome.err, outcome.err
    assert not any(name.startswith("mase_output") for name in outcome.files)


def test_it_belongs_to_train(ch, common):
    outcome = ch("test", *common, *given("ebops.max=5"))
    assert outcome.code == 2 and "--learn-widths is an option of train, not of test" in outcome.err
