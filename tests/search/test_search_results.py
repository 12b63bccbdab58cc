"""Files and texts that a search leaves: layout, numbers, order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.best_table import best_table
from chop.actions.search.results import best_entries, best_trials_text, to_json, trials_log
from chop.actions.search.strategies.progress import BestSoFar

ATTRIBUTES = ("software_metrics", "hardware_metrics", "scaled_metrics", "sampled_config")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_log_has_the_columns_of_the_recorded_one(
    shared_dir: Path, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    for kind, summed in (("multi", False), ("single", True)):
        recorded = read(shared_dir / "reference" / "text" / f"log_{kind}.json")
        keys = {
            "strategy.setup.sum_scaled_metrics": summed,
            "strategy.setup.n_trials": 4,
            "strategy.setup.sampler": "grid",
        }
        run(changed(keys), tmp_path / kind)
        log = read(tmp_path / kind / "log.json")
        assert list(log) == list(recorded)
        assert list(log["0"]) == list(recorded["0"])


def test_best_has_the_layout_of_the_recorded_one(
    shared_dir: Path, changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    folder = shared_dir / "reference" / "text"
    for kind, summed in (("multi", False), ("single", True)):
        recorded = (folder / f"best_{kind}.json").read_text()
        assert to_json(json.loads(recorded)) == recorded  # indents and separators too
        result = run(changed({"strategy.setup.sum_scaled_metrics": summed}), tmp_path / kind)
        best = read(tmp_path / kind / "best.json")
        assert list(best["0"]) == list(json.loads(recorded)["0"])
        assert list(best) == [str(i) for i in range(len(result.best))]
        assert list(best.values()) == result.best


def test_log_agrees_with_the_frame_of_pandas(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    study = run(config, tmp_path).study
    columns = ("number", "value", "user_attrs", "state", "datetime_start", "datetime_complete", "duration")
    frame = study.trials_dataframe(attrs=columns)
    log = read(tmp_path / "log.json")
    assert list(log["0"]) == list(frame.columns)
    for number, row in frame.iterrows():
        ours = log[str(number)]
        for name in frame.columns:
            if name.startswith("datetime"):
                assert abs(ours[name] - row[name].to_pydatetime().timestamp() * 1000) <= 1
            elif name == "duration":
                assert abs(ours[name] - row[name].total_seconds() * 1000) <= 1
            else:
                assert ours[name] == row[name]


def test_log_follows_the_order_of_the_trials(config: dict[str, Any], run: Any, tmp_path: Path) -> None:
    result = run(config, tmp_path)
    log = read(tmp_path / "log.json")
    assert [row["number"] for row in log.values()] == list(range(6))
    for trial, row in zip(result.study.trials, log.values(), strict=True):
        for name in ATTRIBUTES:
            assert row[f"user_attrs_{name}"] == trial.user_attrs[name]
        scaled = row["user_attrs_scaled_metrics"]
        assert list(scaled) == ["accuracy", "average_bitwidth"]
        assert [row["values_0"], row["values_1"]] == list(scaled.values())
        assert scaled["accuracy"] == row["user_attrs_software_metrics"]["accuracy"]
        assert scaled["average_bitwidth"] == 0.2 * row["user_attrs_hardware_metrics"]["average_bitwidth"]


def test_the_sum_is_the_sum_of_the_scaled_metrics(
    changed: Callable[..., Any], run: Any, tmp_path: Path
) -> None:
    keys = {"strategy.setup.sum_scaled_metrics": True, "strategy.metrics.loss": {"scale": -0.5}}
    result = run(changed(keys), tmp_path)
    values = [trial.value for trial in result.study.trials]
    assert values == [sum(trial.user_attrs["scaled_metrics"].values()) for trial in result.study.trials]
    assert [entry["value"] for entry in result.best] == [[max(values)]]


def dominates(a: list[float], b: list[float]) -> bool:
    """Accuracy up, width down."""
    return a[0] >= b[0] and a[1] <= b[1] and a != b


def test_the_front_is_exact_and_has_no_repeats(changed: Callable[..., Any], run: Any, tmp_path: Path) -> None:
    study = run(changed({"strategy.setup.n_trials": 60}), tmp_path).study
    trials = study.trials
    repeats = {t.number: t.user_attrs["repeat_of"] for t in trials if "repeat_of" in t.user_attrs}
    assert repeats
    for number, first in repeats.items():
        assert first < number and first not in repeats
        assert trials[number].values == trials[first].values
        assert trials[number].user_attrs["sampled_config"] == trials[first].user_attrs["sampled_config"]
    fresh = [t for t in trials if t.number not in repeats]
    configs = [json.dumps(t.user_attrs["sampled_config"]) for t in fresh]
    assert len(set(configs)) == len(configs)
    expected = [
        t.number
        for t in fresh
        if not any(dominates(other.values, t.values) for other in fresh if other is not t)
    ]
    expected.sort(key=lambda number: (-trials[number].values[0], trials[number].values[1], number))
    assert [entry["number"] for entry in best_entries(study)] == expected
    assert {t.number for t in study.best_trials} - set(repeats) == set(expected)
    log = trials_log(study)
    assert {
        int(n): r["user_attrs_repeat_of"] for n, r in log.items() if r["user_attrs_repeat_of"] is not None
    } == repeats


def test_a_best_config_is_one_for_the_quantize_pass(
    model: Any, config: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    import torch

    from chop import Evaluator, MaseGraph
    from chop.passes.graph import (
        add_common_metadata_analysis_pass,
        init_metadata_analysis_pass,
        quantize_transform_pass,
    )

    run(config, tmp_path)
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(1))
    for entry in read(tmp_path / "best.json").values():
        graph, _ = init_metadata_analysis_pass(MaseGraph(model), None)
        graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
        graph, _ = quantize_transform_pass(graph, entry["sampled_config"])
        kinds = {type(module).__name__ for module in graph.model.modules()}
        assert "LinearInteger" in kinds and "Linear" not in kinds
        with torch.no_grad():
            expected = graph.model.eval()(x)
        labels = torch.zeros(20, dtype=torch.int64)
        assert torch.equal(Evaluator(model, x, labels).forward(entry["sampled_config"]), expected)


def test_not_a_number_becomes_null() -> None:
    text = to_json({"a": [float("nan"), float("inf"), 1.5, True, None]})
    assert json.loads(text) == {"a": [None, None, 1.5, True, None]}


def test_text_of_no_trial() -> None:
    assert best_trials_text([]).splitlines()[0] == "Best trial(s):"


@pytest.mark.parametrize("count", [1, 11])
def test_text_has_one_row_a_trial(count: int) -> None:
    entries = [{"number": n, "software_metrics": {"loss": 0.12345, "rows": 3}} for n in range(count)]
    lines = best_trials_text(entries).splitlines()
    assert len(lines) == count + 3
    assert len({len(line) for line in itertools.islice(lines, 1, None)}) == 1
    assert "{'loss': 0.123, 'rows': 3}" in lines[3]


def test_the_table_shows_the_float_model_the_best_and_their_formats(
    run: Any, changed: Any, tmp_path: Path
) -> None:
    result = run(changed({"strategy.setup.n_trials": 40}), tmp_path)
    heading, rows, below = best_table(result.best, result.float_metrics)
    assert heading[:4] == ["#", "trial", "accuracy", "average_bitwidth"]
    assert heading[-2:] == ["seq_blocks_2", "seq_blocks_4"] and below.startswith("The same in all: default ")
    floats, *others = rows
    assert (floats[0], floats[3], floats[-1]) == ("float", "32", "float")
    assert [row[0] for row in others] == [str(n) for n in range(len(result.best))]
    accuracies = [entry["software_metrics"]["accuracy"] for entry in result.best]
    assert accuracies == sorted(accuracies, reverse=True)
    for row, entry in zip(others, result.best, strict=True):
        config = entry["sampled_config"]["seq_blocks_4"]["config"]
        assert f"w{config['weight_width']}" in row[-1].split()
        assert row[3] == f"{entry['hardware_metrics']['average_bitwidth']:.5g}"  # as measured, not times 0.2
    assert "float" in repr(result) and "<td>float</td>" in result._repr_html_()


def test_rules_that_are_alike_stand_below_the_table() -> None:
    fixed = {"config": {"name": "integer", "weight_width": 4, "weight_frac_width": 2}}
    wide = {"config": {"name": "integer", "weight_width": 8, "weight_frac_width": 2}}
    entries = [
        {"number": n, "software_metrics": {"loss": 0.5}, "sampled_config": {"by": "name", "a": fixed, "b": b}}
        for n, b in enumerate([fixed, wide])
    ]
    heading, rows, below = best_table(entries)
    assert (heading, below) == (["#", "trial", "loss", "b"], "The same in all: a w4.2")
    assert [row[-1] for row in rows] == ["w4.2", "w8.2"]


@pytest.mark.parametrize(("scale", "shown"), [(0.2, "4"), (-2.0, "4"), (1.0, "4")])
def test_the_bar_shows_what_was_measured(scale: float, shown: str) -> None:
    best = BestSoFar(["bits"], ["minimize" if scale > 0 else "maximize"], [scale])
    best.add([4.0 * scale])
    best.add([6.0 * scale])
    assert str(best) == f"best bits {shown}"
