"""The trained fronts as a test that is left out by default, and its machinery on few rows as tests that are not.

Run: CHOP_BENCHMARK_OPTIONS="--cases 16-16-8-5 --seeds 0" pytest -m benchmark -s tests/benchmarks/trained_fronts
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chop import Evaluator
from chop.cost import Costs

from . import __main__ as benchmark
from . import hgq2, report
from .cases import FOLDS, fold_of, toy
from .counting import set_span
from .hgq2_in_chop import translated
from .ledger import Ledger
from .ways import LEARNED, PEER, POST, QAT, WAYS

SMALL = "--cases 16-16-8-5 --seeds 0 --rows 256 --trained 2 --scale 0.04"


@pytest.mark.benchmark
def test_training_is_above_rounding() -> None:
    found = benchmark.main(shlex.split(os.environ.get("CHOP_BENCHMARK_OPTIONS", "")))
    for case, about in found["cases"].items():
        for target in about["targets"][2:]:
            ways = [report.points_of(found["runs"], case, way) for way in (POST, LEARNED)]
            rounded, learned = (report.accuracies(way, target) for way in ways)
            if rounded and learned:
                means = [np.mean([point["test"] for point in points]) for points in (rounded, learned)]
                assert means[1] > means[0], (case, target)


def test_every_way_is_written_at_once_and_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*shlex.split(SMALL), "--ways", POST, QAT, "--out", str(tmp_path)]
    found = benchmark.main(arguments)
    assert [(run["way"], run["seed"]) for run in found["runs"]] == [(POST, 0), (QAT, 0)]
    for run in found["runs"]:
        assert run["points"] and run["cpu_seconds"] > 0
        assert all(p["ebops"] > 0 and 0 <= p["test"] <= 1 for p in run["points"])
    assert json.loads((tmp_path / "trained_fronts.json").read_text()) == found
    assert "| 3,000 |" in (tmp_path / "trained_fronts.md").read_text()
    assert (tmp_path / "trained_fronts.png").read_bytes().startswith(b"\x89PNG")

    def never(*_: Any) -> Any:
        raise AssertionError("this run was there")

    monkeypatch.setattr(benchmark, "CASES", {"16-16-8-5": (never, (0, 1, 2))})
    assert benchmark.main(arguments)["runs"] == found["runs"]


def test_widths_are_learned(tmp_path: Path) -> None:
    pytest.importorskip("chop.training.learning", reason="this chop learns no widths")
    found = benchmark.main([*shlex.split(SMALL), "--ways", LEARNED, "--out", str(tmp_path)])
    (run,) = found["runs"]
    assert run["points"] and run["cpu_seconds"] > 0


def test_the_page_says_why_the_peer_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hgq2, "NEEDED", ("hgq", "a_module_that_nobody_has"))
    found = benchmark.main([*shlex.split(SMALL), "--ways", PEER, "--out", str(tmp_path)])
    assert found["runs"] == []
    assert "HGQ2 did not run: " in capsys.readouterr().out
    assert "a_module_that_nobody_has not installed" in (tmp_path / "trained_fronts.md").read_text()


def test_the_peer_counts_and_decides_as_chop_does() -> None:
    """Its network, translated, has the same EBOPs and gets the same rows right in chop."""
    if reason := hgq2.missing():
        pytest.skip(reason)
    hgq2.ready()
    case = toy(0).limited(2048)
    trainer = hgq2.Trainer(case.sizes, 2048, 128, 4)
    found = trainer.train(case.rows, 1e-5, seed=1)
    model, config = translated(trainer.model, case.sizes)
    assert (
        Costs(model, 1, ("ebops_hgq",), (16,)).evaluate(config)["ebops_hgq"] == found["points"][-1]["ebops"]
    )
    x, y = case.rows["train"]  # the rows of the trace: nothing wraps
    logits = torch.from_numpy(np.array(trainer.model(x.numpy())))
    assert torch.equal(Evaluator(model, x, y).forward(config), logits)
    again = trainer.train(case.rows, 1e-5, seed=1)
    assert again["points"] == found["points"], "what was trained before leaves traces"


def test_every_row_of_the_folds_is_tested_once() -> None:
    x, y = torch.arange(100.0)[:, None], torch.arange(100) % 4
    folds = [fold_of(x, y, fold) for fold in range(FOLDS)]
    assert sorted(torch.cat([fold["test"][0] for fold in folds]).ravel().tolist()) == list(range(100))
    for number, fold in enumerate(folds):
        parts = [set(fold[split][0].ravel().tolist()) for split in ("train", "val", "test")]
        assert [len(part) for part in parts] == [60, 20, 20] and len(set.union(*parts)) == 100
        assert fold["test"][1].bincount().tolist() == [5, 5, 5, 5]
        assert torch.equal(fold["val"][0], folds[(number + 1) % FOLDS]["test"][0])


def test_the_ledger_keeps_one_run_of_a_key(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new" / "runs.json")
    run = {"case": "a", "way": "b", "seed": 0, "settings": {"beta": 1e-5}, "points": []}
    ledger.add(run)
    Ledger(ledger.path).add({**run, "seed": 1})
    ledger.add({**run, "points": [1]})
    ledger.note(cases={"a": 1})
    ledger.note(cases={"b": 2}, date="now")
    assert [(r["seed"], r["points"]) for r in ledger.content["runs"]] == [(1, []), (0, [1])]
    assert ledger.content["cases"] == {"a": 1, "b": 2}
    assert ledger.has("a", "b", 0, {"beta": 1e-5}) and not ledger.has("a", "b", 0, {"beta": 1e-4})


def test_points_are_chosen_on_the_validation_rows_and_goals_are_told() -> None:
    def run(way: str, seed: int, test: float, seconds: float) -> dict[str, Any]:
        points = [
            {"ebops": 900.0, "val": 0.7, "test": test},
            {"ebops": 950.0, "val": 0.6, "test": 0.99},
            {"ebops": 1001.0, "val": 0.9, "test": 0.98},
        ]
        return {
            "case": "c",
            "way": way,
            "seed": seed,
            "settings": {},
            "points": points,
            "cpu_seconds": seconds,
            "load": [1.2, seconds],
            "processor": "quick" if seed < 2 else "slow",
        }

    runs = [
        run(LEARNED, 0, 0.70, 2),
        run(LEARNED, 1, 0.72, 4),
        run(PEER, 0, 0.695, 100),
        run(PEER, 1, 0.695, 20),
    ]
    page = report.case_table(runs, "c", [1_000, 10])
    assert "| 1,000 | 71.0 ± 1.4 (900) | 69.5 ± 0.0 (900) |" in page and "| 10 | – | – |" in page
    assert "| load average | 1 to 4 | 1 to 100 |" in page
    assert report.verdicts(runs, "c", [1_000]) == [
        "- learned, 1,000 EBOPs: +1.5 points against HGQ2 (goal +1.0: met)",
        "- learned, CPU seconds, both on quick: 1/20.0 of HGQ2's (goal 1/20: met)",
    ]
    slow = [*runs, run(PEER, 2, 0.695, 900)]  # tells nothing of what is quicker
    assert report.verdicts(slow, "c", [1_000]) == report.verdicts(runs, "c", [1_000])
    assert "| CPU seconds a seed, slow | – | 900.0 |" in report.case_table(slow, "c", [1_000])
    apart = [{**each, "processor": each["way"]} for each in runs]
    assert report.verdicts(apart, "c", [1_000])[1].startswith(
        "- learned, CPU seconds: 1/20.0 of HGQ2's, but on other"
    )
    runs[3]["points"] = runs[3]["points"][2:]
    assert "| 1,000 | 71.0 ± 1.4 (900) | 69.5 (900; 1 of 2 seeds) |" in report.case_table(runs, "c", [1_000])
    assert set(report.ORDER) == set(WAYS)


def test_the_span_of_set_bits_is_that_of_the_binary_digits() -> None:
    codes = torch.arange(-300, 301)
    assert set_span(codes).tolist() == [len(f"{abs(int(code)):b}".strip("0")) for code in codes]
