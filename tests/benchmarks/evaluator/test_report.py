"""Ratios, goals and tables on made-up numbers; configurations never repeat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from . import report
from .__main__ import chosen_sizes, parser
from .formats import CHOICES, FormatSource, config_of
from .goals import GOALS, Goal, judge
from .results import LOOP, MANY, ONE, READ, CaseResult, Timing, Variant


def variant(name: str, ms: float | None, **more: Any) -> Variant:
    timing = None if ms is None else Timing(ms, ms - 0.25, ms + 0.5, ms - 0.5, ms + 1, 7)
    return Variant(name, f"way {name}", timing=timing, **more)


@pytest.fixture
def case() -> CaseResult:
    ways = [
        variant(LOOP, 800.0, first_answer_s=0.5),
        variant("torch_fp32", 10.0, quantized=False),
        variant("eager", 50.0),
        variant("pt2e", 30.0, rebuilds=True, first_answer_s=4.0),
        variant("pt2e_all", 6.0, rebuilds=True, loss_by_torch=False),
        variant("brevitas", None, reason="not measured: brevitas is not installed"),
        variant(READ, 1.5, quantized=False),
        variant(ONE, 2.0),
        variant(MANY, 32.0),
    ]
    ours = {"construction_ms": 3.0, "first_call_ms": 4.0, "exact_in_fp32": True, "equal_logits": 1.0}
    ours |= {"same_right_rows": True, "loss_difference": 2e-9}
    return CaseResult("tiny", "16-5", 830_000, 64, {one.name: one for one in ways}, ours)


@pytest.fixture
def about() -> dict[str, Any]:
    machine = {"cpu": "a cpu", "family_model": "1/2", "cores": 2, "features": ["avx2"], "chop_isa": "avx2"}
    machine |= {"torch_capability": "AVX2", "python": "3.11", "versions": {"torch": "2"}}
    return {"date": "2000-01-01", "machine": machine, "rounds": 7, "seed": 0, "load": (0.1, 0.2)}


def test_ratios(case: CaseResult) -> None:
    found = case.ratios()
    assert case.ms(MANY) == 0.5
    assert (case.best_peer(), case.best_peer(loss_by_torch=True)) == ("pt2e_all", "pt2e")
    assert (found["loop"], found["best"], found["best_torch_loss"]) == (400, 3, 15)
    assert (found["pt2e"], found["pt2e_all"], found["best_any_config"]) == (15, 3, 25)
    assert (found["bound"], found["bound_many"]) == (0.75, 3)
    assert (found["loop_many"], found["best_many"]) == (1600, 12)


def test_ratios_of_what_did_not_run(case: CaseResult) -> None:
    case.variants = {ONE: variant(ONE, None, reason="not run: x")}
    assert set(case.ratios().values()) == {None}
    assert case.best_peer() is None


def test_verdicts(case: CaseResult) -> None:
    goals = [Goal("tiny", 830_000, "loop", 400), Goal("tiny", 830_000, "bound", 0.85)]
    goals += [Goal("tiny", 830_000, "pt2e", 99, amx=True), Goal("toy", 830_000, "loop", 1)]
    found = judge([case], amx=False, goals=goals)
    assert [(one.goal.against, one.found, one.met) for one in found] == [
        ("loop", 400, True),
        ("bound", 0.75, False),
    ]
    assert [one.met for one in judge([case], amx=True, goals=goals)] == [True, False, False]
    case.variants[ONE] = variant(ONE, None)
    assert [one.met for one in judge([case], amx=False, goals=goals)] == [None, None]


def test_every_goal_names_a_case_that_runs(case: CaseResult) -> None:
    sizes = chosen_sizes(parser().parse_args([]))
    assert {(goal.model, goal.rows) for goal in GOALS} <= set(sizes)
    assert {goal.against for goal in GOALS} <= set(case.ratios())


def test_json_holds_everything(case: CaseResult, about: dict[str, Any]) -> None:
    content = json.loads(report.as_json([case], judge([case], amx=False), about))
    (one,) = content["cases"]
    assert one["variants"][ONE]["timing"]["median"] == 2.0
    assert (one["ratios"]["loop"], one["best_peer"]) == (400, "pt2e_all")
    assert [goal["met"] for goal in content["goals"]] == [False, True]
    assert content["machine"]["cpu"] == "a cpu"


def test_markdown(case: CaseResult, about: dict[str, Any]) -> None:
    page = report.as_markdown([case], judge([case], amx=False), about)
    for line in (
        "## 830,000 rows",
        "| ms | tiny |",
        "| way mase_loop | 800 (800–800) |",
        "| way brevitas | not measured |",
        "| way chop | 2.00 (1.75–2.50) |",
        "| way chop_many | 0.500 (0.496–0.508) |",
        "| **loop / chop; / chop, many a pass** | 400 / 1,600 |",
        "| **best quantized peer with torch's loss / chop** | 15.0 |",
        "| tiny, 830,000 rows | the time to read the float input | 0.85 x | 0.750 x | not met |",
        "| tiny, 830,000 rows | 3.00 | 4.00 | 415 | 1,660 (64) | yes | 100.0000% | 2.0e-09 |",
        "| way pt2e (again for each configuration) | 4.00 | 4.00 |",
        "- way brevitas: not measured: brevitas is not installed (tiny, 830,000 rows)",
    ):
        assert line in page.splitlines(), line


def test_a_busy_machine_is_said(case: CaseResult, about: dict[str, Any]) -> None:
    assert "Discard" not in report.as_markdown([case], [], about)
    case.cpu_share = 0.4
    assert "share of the core was tiny, 830,000 rows: 40%." in report.as_markdown([case], [], about)


def test_tables_are_rectangular(case: CaseResult, about: dict[str, Any]) -> None:
    blocks = report.as_markdown([case, case], judge([case], amx=False), about).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 4
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.22814, "0.228"),
        (0.99996, "1.000"),
        (9.996, "10.0"),
        (99.96, "100"),
        (1234567.0, "1,234,567"),
        (0, "0"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert report.number(value) == text


def test_configurations_never_repeat_but_formats_do() -> None:
    source = FormatSource(1, seed=0)
    drawn = [*source.cover(), *(source.draw() for _ in range(800))]
    assert len(set(drawn)) == len(drawn)
    for operand in range(3):
        assert {one[0][operand] for one in drawn[: len(CHOICES[0])]} == set(CHOICES[operand])
    assert all(4 <= width <= 8 for one in drawn for width, _ in one[0])
    with pytest.raises(ValueError, match="fewer rounds"):
        for _ in range(200):
            source.draw()


def test_same_seed_same_configurations() -> None:
    first, second, other = (FormatSource(3, seed) for seed in (1, 1, 2))
    assert first.draw() == second.draw() != other.draw()


def test_config_of() -> None:
    config = config_of((((8, 5), (7, 6), (6, 3)),), ["_2"])
    assert config["_2"]["config"] == {
        "name": "integer",
        "data_in_width": 8,
        "data_in_frac_width": 5,
        "weight_width": 7,
        "weight_frac_width": 6,
        "bias_width": 6,
        "bias_frac_width": 3,
    }
    assert config["by"] == "name"


def test_options_choose_cases() -> None:
    chosen = lambda text: chosen_sizes(parser().parse_args(text.split()))  # noqa: E731
    assert chosen("--models tiny --rows 10000") == [("tiny", 10_000)]
    assert chosen("--rows 830000") == [("tiny", 830_000)]
    assert chosen("--models wide --rows 500") == [("wide", 500)]
    with pytest.raises(SystemExit, match="unknown: tinny"):
        chosen("--models tinny")
