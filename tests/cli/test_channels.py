"""``ch transform`` and ``ch search`` over numbers of channels."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "configs" / "examples" / "jsc_channels.toml"
SOFTWARE = "mase_output/{}/software"


def _toml(table, path=()):
    """A nested dict of texts, numbers and None as TOML tables."""
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [
        f"{key} = {json.dumps('NA' if value is None else value)}"
        for key, value in table.items()
        if not isinstance(value, dict)
    ]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _toml(value, (*path, key))
    return lines


def test_16_32_64_5_by_hand(ch, small_data):
    common = ("jsc-three-linear-relu", small_data, "--config", EXAMPLE, "--project", "p")
    outcome = ch("transform", *common)
    assert outcome.code == 0, outcome.err
    assert "'seq_blocks_2': (16, 32), 'seq_blocks_4': (32, 64), 'seq_blocks_6': (64, 5)" in outcome.err
    saved = f"{SOFTWARE.format('p')}/transform/transformed_ckpt/graph_module.mz"
    loaded = ch("test", *common, "--load", saved)
    assert loaded.code == 0, loaded.err
    assert "holds a graph" in loaded.err


def test_the_best_of_a_search_goes_into_a_transform(ch, small_data):
    common = ("jsc-three-linear-relu", small_data, "--project", "p", "--batch-size", "64")
    outcome = ch("search", *common, "--config", EXAMPLE)
    assert outcome.code == 0, outcome.err
    best = json.loads(Path(SOFTWARE.format("p"), "search_ckpts", "best.json").read_text())["0"]
    log = json.loads(Path(SOFTWARE.format("p"), "search_ckpts", "log.json").read_text())
    trials = tomllib.loads(EXAMPLE.read_text())["search"]["strategy"]["setup"]["n_trials"]
    assert [row["state"] for row in log.values()] == ["COMPLETE"] * trials
    Path("best.toml").write_text("\n".join(_toml({"passes": best["passes"]})))
    transformed = ch("transform", *common[:2], "--config", "best.toml", "--project", "q")
    assert transformed.code == 0, transformed.err
    assert "LinearInteger" in Path(SOFTWARE.format("q"), "transform/quantize/quantize_table.csv").read_text()


QUANTIZED = """
[passes.quantize]
by = "type"
default.config.name = "NA"
[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 2
weight_frac_width = 1
"""
SEARCH = """
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [8]
data_in_frac_width = [4]
weight_width = [4, 8]
weight_frac_width = [3]
[search.strategy]
name = "optuna"
sw_runner.basic_evaluation.num_samples = 512
hw_runner.cost = {}
setup = { n_trials = 4, sampler = "brute-force" }
metrics = { loss = {}, parameters = {} }
"""


def test_a_search_and_a_training_start_from_a_redefined_checkpoint(ch, small_data, tmp_path):
    """Also from a quantized one: the search tries its own formats on the float weights."""
    losses = []
    passes = EXAMPLE.read_text()
    passes = passes[passes.index("[passes.redefine") : passes.index("[search")]
    for name, tables in (("float", ""), ("quantized", QUANTIZED)):
        (tmp_path / f"{name}.toml").write_text(f"[passes.redefine]\nseed = 1\n{passes}{tables}{SEARCH}")
        common = ("jsc-three-linear-relu", small_data, "--project", name, "--config", f"{name}.toml")
        outcome = ch("transform", *common)
        assert outcome.code == 0, outcome.err
        saved = f"{SOFTWARE.format(name)}/transform/transformed_ckpt/graph_module.mz"
        outcome = ch("search", *common, "--load", saved)
        assert outcome.code == 0, outcome.err
        log = json.loads(Path(SOFTWARE.format(name), "search_ckpts", "log.json").read_text())
        # 16-32-64-5 with batch norms of 16, 32 and 64 in front.
        weights = 16 * 32 + 32 + 32 * 64 + 64 + 64 * 5 + 5
        assert {row["user_attrs_hardware_metrics"]["parameters"] for row in log.values()} >= {
            weights + 2 * 16
        }
        losses.append(sorted(row["user_attrs_software_metrics"]["loss"] for row in log.values()))
        trained = ch(
            "train", *common[:3], "t" + name, "--load", saved, "--max-epochs", "1", "--num-workers", "0"
        )
        assert trained.code == 0, trained.err
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ('name = "both"', 'name = "bth"', ["redefine", "seq_blocks_4.name", "mean 'both'"]),
        ("channel_multiplier = 4", "channel_multiplier = 0.3", ["seq_blocks_4.channel_multiplier", "got 0.3"]),
        ("[passes.redefine.seq_blocks_4.config]", "[passes.redefine.seq_blocks_5.config]",
         ["seq_blocks_2 gives 32", "seq_blocks_4 takes 16"]),
    ],
)  # fmt: skip
def test_refused_before_anything_is_written(ch, small_data, line, instead, said):
    text = EXAMPLE.read_text()
    assert line in text
    folder = small_data.parent
    (folder / "bad.toml").write_text(text.replace(line, instead, 1))
    outcome = ch("transform", "jsc-three-linear-relu", small_data, "--config", folder / "bad.toml")
    outcome.is_refused(*said)
