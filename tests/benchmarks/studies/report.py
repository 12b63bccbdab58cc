"""The figures as JSON and as a page of Markdown."""

from __future__ import annotations

import json
from typing import Any

from tests.benchmarks.evaluator.report import machine_line, number, table

from .ways import LOOP, label

GOALS = {"random": 200, "grid": 200, "native-tpe": 80}
GOAL_ROWS = 10_000
BUSY = 0.95

INTRODUCTION = """\
# Whole studies against Optuna's TPE with the MASE-style loop

A study of 16-16-8-5 with two objectives (accuracy, average bit width) in a space of 5,832 configurations (9 parameters
with a choice), kept in memory, one process, one thread on one core: milliseconds, median of the rounds. In each round
every way runs once, in rotated order, with a seed of its own and everything prepared anew but the model and the rows:
graph, evaluator, data loader and checked config are there when the clock starts. The peer is Optuna's
`TPESampler` with three eager fake-quantizers a layer, a DataLoader at batch 512 and torchmetrics: our own equivalent
of what MASE does in a trial, without the pickle that MASE writes. Samplers differ in what they find: see
[samplers.md](samplers.md)."""


def as_json(cases: list[dict[str, Any]], about: dict[str, Any]) -> str:
    return json.dumps(about | {"cases": cases, "goals": verdicts(cases)}, indent=1) + "\n"


def verdicts(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as fast as the peer, against the goals at 10,000 rows."""
    judged = [case for case in cases if case["rows"] == GOAL_ROWS]
    found = [
        (case, way, goal, case["ratios"][way])
        for case in judged
        for way, goal in GOALS.items()
        if way in case["ratios"]
    ]
    return [
        {"case": title(case), "way": way, "goal": goal, "found": ratio, "met": ratio >= goal}
        for case, way, goal, ratio in found
    ]


def title(case: dict[str, Any]) -> str:
    return f"{case['rows']:,} rows, {case['trials']} trials"


def as_markdown(cases: list[dict[str, Any]], about: dict[str, Any]) -> str:
    parts = [INTRODUCTION, machine_line(about)]
    if busy := [f"{title(case)}: {case['cpu_share']:.0%}" for case in cases if case["cpu_share"] < BUSY]:
        parts.append(f"**Discard this run.** Its share of the core was {'; '.join(busy)}.")
    ways = list(cases[0]["ms"])
    rows = [[label(way), *(_cell(case, way) for case in cases)] for way in ways]
    parts.append(table(["ms (times as fast as the peer)", *map(title, cases)], rows))
    parts.append("Rounds: " + "; ".join(f"{title(case)}: {case['rounds']}" for case in cases) + ".")
    found = [
        [v["case"], v["way"], str(v["goal"]), number(v["found"]), "yes" if v["met"] else "no"]
        for v in verdicts(cases)
    ]
    if found:
        parts += ["## Goals", table(["study", "sampler", "at least", "found", "met"], found)]
    return "\n\n".join(parts) + "\n"


def _cell(case: dict[str, Any], way: str) -> str:
    ratio = "" if way == LOOP else f" ({number(case['ratios'][way])})"
    return f"{number(case['ms'][way])}{ratio}" if way in case["ms"] else "–"
