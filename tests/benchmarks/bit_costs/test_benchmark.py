"""What a bit costs, on few configs: the page is of what was counted, and nothing is counted twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chop.emit.estimate import _FACTORS, PARTS
from chop.emit.synthesis import Resources

from . import __main__ as benchmark
from . import figures, measuring
from .cases import NETS, SEEDS, UNSEEN, Case, cases

FOLDER = benchmark.FOLDER


def test_a_small_run_writes_page_picture_and_numbers_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("alkaid")
    kept = json.loads((FOLDER / "bit_costs.json").read_text())
    rows = iter([kept[case.key] for case in cases(range(4))])

    def counts(sources: list[str], program: str | None) -> list[Resources]:
        """What the kept run counted of the same configs."""
        chosen = [next(rows) for _ in sources]
        return [Resources(row["luts"], 0, row["carries"], {}, row["yosys"]) for row in chosen]

    monkeypatch.setattr(measuring, "synthesize_all", counts)
    benchmark.main(["--folder", str(tmp_path), "--seeds", "4", "--unseen", "0"])
    found = json.loads((tmp_path / "bit_costs.json").read_text())
    assert {key: row["luts"] for key, row in found.items()} == {
        case.key: kept[case.key]["luts"] for case in cases(range(4))
    }
    assert len({row["sha256"] for row in found.values()}) == 8
    assert (tmp_path / "bit_costs.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "bit_costs.md").read_text()
    assert "on 8 random configurations" in text
    assert all(f"| `{name}` |" in text for name in (*figures.MODELS, "luts_estimate", "luts_circuit"))

    def never(*_: Any) -> Any:
        raise AssertionError("these were counted")

    monkeypatch.setattr(measuring, "synthesize_all", never)
    benchmark.main(["--folder", str(tmp_path), "--seeds", "4", "--unseen", "0"])


def test_the_factors_of_the_estimate_are_those_of_the_kept_run() -> None:
    kept = json.loads((FOLDER / "bit_costs.json").read_text())
    chosen = cases(SEEDS)
    assert set(kept) == {case.key for case in chosen}
    luts = np.array([float(kept[case.key]["luts"]) for case in chosen])
    factors = figures.fitted(figures.parts_of(chosen), luts)
    assert [_FACTORS[name] for name in PARTS] == pytest.approx(factors.tolist(), rel=0.01)


def test_the_estimate_ranks_configs_that_it_was_not_fitted_on() -> None:
    kept = json.loads((FOLDER / "bit_costs.json").read_text())
    chosen = cases(SEEDS)
    luts = np.array([float(kept[case.key]["luts"]) for case in chosen])
    found = figures.judged(chosen, figures.parts_of(chosen), luts)
    assert figures.Agreement.of(found, luts).spearman > 0.985


def test_the_estimate_is_told_on_configs_that_nothing_was_fitted_on() -> None:
    kept = json.loads((FOLDER / "bit_costs_unseen.json").read_text())
    fresh = [Case(NETS[-1], seed) for seed in UNSEEN]
    assert set(kept) == {case.key for case in fresh}
    assert not set(kept) & set(json.loads((FOLDER / "bit_costs.json").read_text()))
    told = figures.fresh_figures(fresh, [float(kept[case.key]["luts"]) for case in fresh])
    assert told in (FOLDER / "bit_costs.md").read_text()
    luts = np.array([kept[case.key]["luts"] for case in fresh], float)
    found = np.array([figures.estimate(case.net)(case.config()) for case in fresh])
    assert figures.Agreement.of(found, luts).spearman > 0.965
