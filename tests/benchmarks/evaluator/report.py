"""The results as JSON and as a page of Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from .goals import AGAINST, Verdict
from .results import MANY, ONE, READ, CaseResult, Variant

Rows = list[list[str]]
BUSY = 0.95  # a run with a smaller share of its core is not to be quoted

INTRODUCTION = """\
# The evaluator against its peers

One trial's loss and accuracy: milliseconds, median (quartiles) of {rounds} rounds, one process, one thread on one
core. In each round every way runs once, in a random order, so its data has left the caches to what ran before it.
What a peer does before it can run a configuration (rebuild, export, calibrate, compile) is not in its time but in a
table of its own. chop has no such step: its time starts at the configuration. Each configuration of chop is new to
its evaluator; formats of single operands repeat (widths 4 to 8, ten formats an operand), so packed weights and cached
inputs may be there, results never.

The peers that are compiled, exported or calibrated keep one 8-bit configuration all the time; for another one they
start again. They quantize in their own ways, so times are compared, not accuracies. Only chop and the eager model
have the same grids, and their logits are compared bit by bit in the same run. *torch's loss*: cross-entropy and
argmax are torch's calls on the logits, as in a usual evaluation; *compiled too*: the compiler sees them together with
the network. chop computes the loss and both accuracies, micro and macro.
"""


def number(value: float | None, digits: int = 3) -> str:
    """Return ``value`` with so many significant digits, without an exponent; a dash for None.

    >>> number(844.21), number(0.22814), number(4.0), number(12345.6), number(None)
    ('844', '0.228', '4.00', '12,346', '–')
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
    if whole >= digits:
        return f"{value:,.0f}"
    return f"{value:.{digits - whole if whole else digits - 1 + leading_zeros(value)}f}"


def leading_zeros(value: float) -> int:
    """Return how many digits after the point it takes to reach the first that is not zero."""
    return next(places for places in range(1, 30) if abs(value) * 10**places >= 1)


def table(head: Sequence[str], rows: Rows) -> str:
    """Return a Markdown table; the first column is left-aligned, the others right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def as_json(
    cases: Sequence[CaseResult], verdicts: Sequence[Verdict], run: dict[str, Any], indent: int = 1
) -> str:
    """Return everything that was measured; the ratios and verdicts are in it too."""
    content = run | {
        "cases": [asdict(case) | {"ratios": case.ratios(), "best_peer": case.best_peer()} for case in cases],
        "goals": [asdict(one.goal) | {"found": one.found, "met": one.met} for one in verdicts],
    }
    return json.dumps(content, indent=indent) + "\n"


def as_markdown(cases: Sequence[CaseResult], verdicts: Sequence[Verdict], run: dict[str, Any]) -> str:
    """Return the page: machine, one table for each number of rows, goals, costs beside the runs, what is missing."""
    parts = [INTRODUCTION.format(rounds=run["rounds"]), machine_line(run), *busy_line(cases)]
    for rows in dict.fromkeys(case.rows for case in cases):
        group = [case for case in cases if case.rows == rows]
        parts += [f"## {rows:,} rows", networks_line(group), times_table(group)]
    parts += ["## Goals", goals_table(verdicts)] if verdicts else []
    parts += ["## The evaluator itself", ours_table(cases)]
    parts += ["## Before the first answer", first_answer_table(cases)]
    if missing := missing_lines(cases):
        parts += ["## Not measured", missing]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def machine_line(run: dict[str, Any]) -> str:
    about = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    clock = "; **milliseconds of the process's processor time**" if run.get("clock") == "processor" else ""
    return (
        f"{run['date']}{clock}; {about['cpu']} (family/model {about['family_model']}, {about['cores']} cores, "
        f"{' '.join(about['features'])}); chop on {about['chop_isa']}, torch on {about['torch_capability']}; "
        f"Python {about['python']}, {versions}; load average {run['load'][0]:.2f} at the start, "
        f"{run['load'][1]:.2f} at the end."
    )


def busy_line(cases: Iterable[CaseResult]) -> list[str]:
    """Return a warning where other programs took the core: that lengthens long calls and spares short ones."""
    busy = [f"{case.title}: {case.cpu_share:.0%}" for case in cases if case.cpu_share < BUSY]
    return [f"**Discard this run.** Its share of the core was {'; '.join(busy)}."] if busy else []


def networks_line(cases: Iterable[CaseResult]) -> str:
    return "; ".join(f"{case.model}: {case.what}" for case in cases) + "."


def times_table(cases: Sequence[CaseResult]) -> str:
    """Return the medians of every way (rows) in every case (columns), and the ratios below them."""
    ways: dict[str, Variant] = {name: one for case in cases for name, one in case.variants.items()}
    peers = [name for name in ways if name not in (ONE, MANY, READ)]
    order = [name for name in (*peers, READ, ONE, MANY) if name in ways]
    rows = [[ways[name].label, *(_time(case, name) for case in cases)] for name in order]
    for label, keys in RATIO_ROWS:
        cells = [" / ".join(number(case.ratios()[key]) for key in keys) for case in cases]
        if any(cell.strip("–/ ") for cell in cells):
            rows.append([f"**{label}**", *cells])
    return table(["ms", *(case.model for case in cases)], rows)


RATIO_ROWS = (
    ("loop / chop; / chop, many a pass", ("loop", "loop_many")),
    ("best quantized peer that takes any configuration / chop", ("best_any_config",)),
    ("best quantized peer with torch's loss / chop", ("best_torch_loss",)),
    ("best quantized peer of all / chop; / chop, many a pass", ("best", "best_many")),
    ("reading the float input / chop; / chop, many a pass", ("bound", "bound_many")),
)


def _time(case: CaseResult, name: str) -> str:
    found = case.variants.get(name)
    if found is None or found.timing is None:
        reason = found.reason if found else None
        return "not run" if reason and reason.startswith("not run") else "not measured"
    share = case.configs if name == MANY else 1
    median, low, high = (
        number(value / share) for value in (found.timing.median, found.timing.low, found.timing.high)
    )
    return f"{median} ({low}–{high})"


def goals_table(verdicts: Iterable[Verdict]) -> str:
    """Return each goal beside what was found: met, not met, or not measured."""
    words = {True: "met", False: "not met", None: "not measured"}
    rows = [
        [
            f"{one.goal.model}, {one.goal.rows:,} rows",
            AGAINST[one.goal.against]
            + {None: "", True: " (with AMX)", False: " (without AMX)"}[one.goal.amx],
            f"{one.goal.factor:g} x",
            f"{number(one.found)} x" if one.found is not None else "–",
            words[one.met],
        ]
        for one in verdicts
    ]
    return table(["case", "against", "goal", "found", ""], rows)


def ours_table(cases: Iterable[CaseResult]) -> str:
    """Return construction, first call, rates, and how the results compare with torch's."""
    rows = []
    for case in cases:
        if not case.ours:
            continue
        one, many = (_rate(case, name) for name in (ONE, MANY))
        ours = case.ours
        exact = "yes" if ours["exact_in_fp32"] else "no"
        times = [number(ours[key]) for key in ("construction_ms", "first_call_ms")]
        equal = [f"{ours['equal_logits']:.4%}", f"{ours['loss_difference']:.1e}"]
        rows.append([case.title, *times, one, f"{many} ({case.configs})", exact, *equal])
    head = ["case", "construction, ms", "first call, ms", "M rows/s", "M rows/s, many a pass (how many)"]
    return table(
        [*head, "bound below 2^24", "logits equal to torch's", "relative difference of the loss"], rows
    )


def _rate(case: CaseResult, name: str) -> str:
    found = case.ms(name)
    return number(None if found is None else case.rows / found / 1e3)


def first_answer_table(cases: Iterable[CaseResult]) -> str:
    """Return for each way the range over the cases of the time from a configuration to its first result."""
    taken: dict[str, list[float]] = {}
    for case in cases:
        for one in case.variants.values():
            if one.first_answer_s is not None:
                again = "again for each configuration" if one.rebuilds else "once"
                taken.setdefault(f"{one.label} ({again})", []).append(one.first_answer_s)
    rows = [[label, number(min(values)), number(max(values))] for label, values in taken.items()]
    return table(["building it and its first run, s", "least", "most"], rows)


def missing_lines(cases: Iterable[CaseResult]) -> str:
    """Return a line for each reason, with the cases it holds for."""
    reasons: dict[str, list[str]] = {}
    for case in cases:
        for one in case.variants.values():
            if one.reason is not None and one.name != MANY:  # it has the reason of the other one of ours
                reasons.setdefault(f"{one.label}: {one.reason}", []).append(case.title)
    return "\n".join(f"- {reason} ({'; '.join(titles)})" for reason, titles in reasons.items())
