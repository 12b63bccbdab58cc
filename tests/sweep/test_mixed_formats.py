"""A space that mixes number formats layer by layer, swept whole, against a loop over its configurations."""

from __future__ import annotations

import itertools
import tomllib

import numpy as np
import pytest
import torch

from chop import Evaluator
from chop.cost import Costs
from chop.search import pareto_front, sweep
from chop.search.configurations import as_space
from chop.tools.errors import ConfigError
from tests.evaluator.number_formats import quantized, with_wide_sums
from tests.sweep.spaces import evaluator

OPERANDS = ("data_in", "weight")
MIXED = {
    "name": ["integer", "minifloat_ieee", "log", "block_fp"],
    **{f"{o}_width": [4] for o in OPERANDS},
    **{f"{o}_frac_width": [2] for o in OPERANDS},
    **{f"{o}_exponent_width": [2] for o in OPERANDS},
    **{f"{o}_exponent_bias": [None] for o in OPERANDS},
    **{f"{o}_block_size": [[1, 8]] for o in OPERANDS},
    "weight_width": [3, 4],
    "weight_block_size": [[1, 4], [1, 16]],
}


def mixed_table(config=None):
    seed = {"linear": {"config": config or MIXED}, "default": {"config": {"name": [None]}}}
    return {"name": "graph/quantize/mixed_precision_ptq", "setup": {"by": "type"}, "seed": seed}


def test_the_front_is_that_of_a_loop():
    ev = evaluator(rows=2000)
    objectives = {"accuracy": "maximize", "average_bitwidth": "minimize", "model_size": "minimize"}
    found = sweep(ev, mixed_table(), objectives)
    space = as_space(ev, mixed_table())
    lengths = space.choice_lengths_flattened
    # Block sizes mean something to one format of four, so most points mean the same as another one.
    layers = sum(1 for name, n in lengths.items() if name.endswith("/name") and n > 1)
    assert found.configurations == (4 * 2 * 2) ** layers
    assert found.evaluated + found.pruned == (3 * 2 + 2 * 2) ** layers
    costs = Costs(ev.graph, 1, models=["average_bitwidth", "model_size"])
    seen, rows = set(), []
    for each in itertools.product(*(range(n) for n in lengths.values())):
        config = space.flattened_indexes_to_config(dict(zip(lengths, each, strict=True)))
        if repr(config) in seen:
            continue
        seen.add(repr(config))
        values = {**ev.evaluate(config, loss=False).values, **costs.evaluate(config)}
        rows.append([values[name] for name in objectives])
    front = pareto_front(np.array(rows), list(objectives.values()))
    assert {tuple(rows[i]) for i in front} == {tuple(e[n] for n in objectives) for e in found.front}
    names = {
        rule["config"]["name"]
        for e in found.front
        for k, rule in e["config"].items()
        if k not in ("by", "default")
    }
    assert len(names) > 1


def test_the_front_of_the_example_is_that_of_torch(repo_dir):
    from chop.dataset import MaseDataModule
    from chop.models import get_model

    example = tomllib.loads((repo_dir / "configs/examples/jsc_formats.toml").read_text())
    x, y = MaseDataModule("jsc-synth", batch_size=512).arrays("val")
    model = get_model("jsc-toy", pretrained=True).eval()
    ev = Evaluator(model, x[:1000], y[:1000])
    report = sweep(ev, example["search"]["search_space"], {"accuracy": "maximize", "model_size": "minimize"})
    front = [e["config"] for e in report.front]
    used = {rule["config"]["name"] for c in front for k, rule in c.items() if k not in ("by", "default")}
    assert len(front) > 2 and len(used) > 1 and str(len(front)) in repr(report)
    for config in front[:: max(1, len(front) // 3)]:
        with torch.no_grad():
            expected = with_wide_sums(quantized(model, config))(x[:1000])
        assert (ev.forward(config).argmax(1) == expected.argmax(1)).float().mean() > 0.99


def test_an_entry_that_no_format_knows_is_refused():
    with pytest.raises(ConfigError, match="data_in_mantissa"):
        as_space(evaluator(rows=2000), mixed_table({**MIXED, "data_in_mantissa": [3]}))


def test_lists_are_choices_where_a_format_takes_lists_only():
    with pytest.raises(ConfigError, match="holds a list"):
        as_space(evaluator(rows=2000), mixed_table({**MIXED, "weight_width": [[3, 4]]}))
