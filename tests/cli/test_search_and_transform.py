"""``ch search`` with everything of one's own, and what it leaves for ``ch transform``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chop.actions.search.metrics import METRICS
from chop.actions.search.samplers import SAMPLERS
from chop.actions.search.search_space import SEARCH_SPACES
from chop.actions.transform import load_transformed
from chop.models import get_model

SOFTWARE = "mase_output/p/software"
SEARCH = """
model = "jsc-tiny"
is_pretrained = true
[search.search_space]
name = "graph/quantize/mixed_precision_ptq"
setup.by = "type"
seed.default.config.name = ["NA"]
[search.search_space.seed.linear.config]
name = ["integer"]
data_in_width = [4, 6, 8]
data_in_frac_width = ["NA"]
weight_width = [3, 4, 6, 8]
weight_frac_width = [2, 4]
bias_width = [8]
bias_frac_width = [4]
[search.strategy]
name = "optuna"
sw_runner.basic_evaluation.num_samples = 512
hw_runner.average_bitwidth.compare_to = 32
hw_runner.cost = {}
setup = { n_trials = 12, sampler = "random" }
[search.strategy.metrics]
accuracy.scale = 1.0
BitOPs = {}
[search.strategy.constraints]
average_bitwidth.max = 7.0
"""
OWN = '''
from optuna.samplers import RandomSampler

from chop.actions.search.metrics import METRICS, SearchMetric
from chop.actions.search.search_space import SEARCH_SPACES
from chop.actions.search.search_space.quantization import GraphSearchSpaceMixedPrecisionPTQ
from chop.actions.search.samplers import SAMPLERS


@METRICS.register("widest")
class Widest(SearchMetric):
    """The widest weight."""

    unit, direction, kind = "bit", "minimize", "hardware"

    def compute(self, config, measured, context):
        layers = [rule["config"] for node, rule in config.items() if node.startswith("seq")]
        return max(float(layer.get("weight_width") or 0) for layer in layers)


@SAMPLERS.register("last")
class Last(RandomSampler):
    """The last choice of everything, but for chance."""

    def __init__(self, seed, chance=0.5):
        super().__init__(seed)
        self.chance = chance

    def sample_independent(self, study, trial, name, distribution):
        if self._rng.rng.random() >= self.chance:
            return distribution.high
        return super().sample_independent(study, trial, name, distribution)


@SEARCH_SPACES.register("even")
class EvenWidths(GraphSearchSpaceMixedPrecisionPTQ):
    """The choices of the config without odd widths of the weights."""

    def __init__(self, graph, setup, seed):
        even = {key: {"config": dict(table["config"])} for key, table in seed.items()}
        for table in even.values():
            if "weight_width" in table["config"]:
                table["config"]["weight_width"] = [w for w in table["config"]["weight_width"] if w % 2 == 0]
        super().__init__(graph, setup, even)
'''


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def best() -> dict:
    return json.loads(Path(SOFTWARE, "search_ckpts", "best.json").read_text())


def test_best_json_goes_into_a_transform_as_it_is(ch, small_data):
    common = ("jsc-tiny", small_data, "--pretrained", "--project", "p")
    searched = ch("search", *common, "--config", write("search.toml", SEARCH))
    assert searched.code == 0, searched.err
    entries = best()
    assert entries and all(e["hardware_metrics"]["average_bitwidth"] <= 7 for e in entries.values())
    for key, entry in entries.items():
        path = f"{SOFTWARE}/search_ckpts/best.json" + ("" if key == "0" else f"#{key}")
        done = ch("transform", *common[:3], "--config", path, "--project", f"t{key}")
        assert done.code == 0, done.err
        assert f"best.json: entry {key} of {len(entries)}, trial {entry['number']}" in done.err
        saved = f"mase_output/t{key}/software/transform/transformed_ckpt/graph_module.mz"
        modules = dict(load_transformed(saved, "mz", get_model("jsc-tiny")).named_modules())
        layers = {k: v["config"] for k, v in entry["sampled_config"].items() if "integer" in str(v)}
        layers.pop("default", None)
        assert list(layers) == ["seq_blocks_2"]
        assert {key: modules["seq_blocks.2"].config[key] for key in layers["seq_blocks_2"]} == layers[
            "seq_blocks_2"
        ]
    ch(
        "transform", *common[:3], "--config", f"{SOFTWARE}/search_ckpts/best.json#99", "--project", "u"
    ).is_refused("has no entry '99'")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "holds no trial"),
        ("[]", "this is neither"),
        ('{"0": {"number": 1}}', "this is neither"),
        ('{"0": ', "cannot read config file"),
        (None, "no config file 'best.json'"),
    ],
)
def test_a_json_file_that_is_no_best_json(ch, small_data, tmp_path, text, said):
    if text is not None:
        (tmp_path / "best.json").write_text(text)
    ch("transform", "jsc-tiny", small_data, "--config", "best.json").is_refused(said)


def test_dry_run_makes_no_folder(ch, small_data):
    config = SEARCH.replace('name = "optuna"', 'name = "exhaustive"').replace(
        'n_trials = 12, sampler = "random"', "n_jobs = 1"
    )
    outcome = ch("search", "jsc-tiny", small_data, "--dry-run", "--config", write("sweep.toml", config))
    assert outcome.code == 0, outcome.err
    assert "24 configurations" in outcome.out and outcome.files == set()
    outcome = ch("search", "jsc-tiny", small_data, "--dry-run", "--config", write("search.toml", SEARCH))
    outcome.is_refused("'optuna' gives no estimate")


def test_metric_sampler_and_space_of_ones_own(ch, small_data, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    config = (
        SEARCH.replace("graph/quantize/mixed_precision_ptq", "even")
        .replace('sampler = "random"', 'sampler = "last", sampler_options = { chance = 0.25 }')
        .replace("BitOPs = {}", "widest = {}")
    )
    words = ("search", "jsc-tiny", small_data, "--project", "p", "--config", write("own.toml", config))
    try:
        ch(*words).is_refused("search.search_space.name", "'even'")
        outcome = ch(*words, "--import", "own.py")
        assert outcome.code == 0, outcome.err
        log = json.loads(Path(SOFTWARE, "search_ckpts", "log.json").read_text())
        widths = [row["user_attrs_hardware_metrics"]["widest"] for row in log.values()]
        assert set(widths) <= {4.0, 6.0, 8.0} and widths.count(8.0) > 6
        for entry in best().values():
            assert entry["hardware_metrics"]["average_bitwidth"] <= 7 and entry["value"][1] < 8
        typo = write("typo.toml", config.replace("chance", "chanse"))
        refused = ch(*words[:3], "--project", "q", "--config", typo, "--import", "own.py")
        refused.is_refused("sampler_options.chanse is not known to sampler 'last' (did you mean 'chance'?)")
    finally:
        for registry, name in ((METRICS, "widest"), (SAMPLERS, "last"), (SEARCH_SPACES, "even")):
            registry.pop(name, None)
