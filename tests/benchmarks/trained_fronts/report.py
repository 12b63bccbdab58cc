"""The figures as a page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.evaluator.report import machine_line, table

from .qat_search import GOAL
from .recipes import as_table
from .ways import AGAIN, LEARNED, PEER, POST, QAT

OURS = (LEARNED, AGAIN)
ORDER = (POST, QAT, *OURS, PEER)
BETTER = 1.0  # points that the learned front is to be above the peer's
NEAR = 2 / 3  # of a target: a peer that has points further below it alone is not judged there
SHARE = 20  # parts of the peer's CPU seconds in which the whole front is to be there
LABELS = {
    POST: "post-training",
    QAT: "train_front",
    LEARNED: "learned",
    AGAIN: "learned again",
    PEER: "HGQ2",
}
# What HGQ2 0.2.0 reached in an earlier run on the same rows: one seed, 60 to 120 epochs, 28 to 61 CPU seconds a point.
EARLIER = {"16-64-32-32-5": {1_000: 68.9, 1_500: 71.3, 3_000: 73.0, 10_000: 76.8, 17_500: 79.0}}
EARLIER_SECONDS = 28  # of its quickest point

INTRODUCTION = """\
# Trained fronts against rounded ones, and against HGQ2

How right a network can be for its effective bit operations (EBOPs), by five ways to a front, on the same rows.
Written by `python -m tests.benchmarks.trained_fronts`; the numbers are in `trained_fronts.json`.

- **post-training**: the exact front of a space of 2, 3, 4 or 6 bits for the weights and for the inputs of each
  layer, on the float weights, rounded. Nothing in it is random: one run stands for all seeds.
- **train_front**: what that sweep proposes is trained through its quantizers, and so is its neighbourhood.
- **learned**: chop trains the widths with the weights, one for each weight and each feature, from the float ones.
- **learned again**: the same, with more epochs for the narrower targets, and the narrowest two learned a second time.
- **HGQ2**: HGQ2 0.2.0 on Keras 3.15.1 and JAX trains widths and weights from random ones, one training at one fixed
  price of a bit for each point; the checkpoints of its later half that no other beats all count. Beside it stands what
  it reached in an earlier run with another recipe (one seed, 28 to 61 CPU seconds a point); goals are judged by the
  better of the two, and only where it has a point at two thirds of the target or above: it ran at few prices.

EBOPs are those of chop's cost `ebops_hgq` for all of them: input bits without the sign times the bits from the highest
to the lowest set one of each weight's code, biases left out. Of HGQ2 the weights and widths count that it uses after a
trace of the training rows. Accuracy is the share of right rows in %. The point of a way is the one within so many EBOPs
that is best on the validation rows; what stands here is its accuracy on the test rows, mean ± standard deviation over
seeds (folds), and in brackets the points' mean EBOPs. CPU seconds are processor time of one thread for a way's whole
front of one seed; HGQ2's are without compilation and measuring. Ways ran at different times and on two machines, at the
load averages in the last row of each table: where more is to do than two cores can, CPU seconds rise, so that a share
is rough. Shares are of runs on one processor. Rows are synthetic but for the real jets: compare ways, not jets."""


def at(points: Sequence[dict[str, Any]], target: float) -> dict[str, Any] | None:
    """The point of at most so many EBOPs that is best on the validation rows."""
    fitting = [point for point in points if point["ebops"] <= target]
    return max(fitting, key=lambda point: (point["val"], -point["ebops"]), default=None)


def points_of(runs: Sequence[dict[str, Any]], case: str, way: str) -> dict[int, list[dict[str, Any]]]:
    """Seed -> the points of all runs."""
    found: dict[int, list[dict[str, Any]]] = {}
    for run in runs:
        if run["case"] == case and run["way"] == way:
            found.setdefault(run["seed"], []).extend(run["points"])
    return found


def accuracies(by_seed: dict[int, list[dict[str, Any]]], target: float) -> list[dict[str, Any]]:
    """The point of each seed that has one."""
    return [point for points in by_seed.values() if (point := at(points, target)) is not None]


def seconds_of(runs: Sequence[dict[str, Any]], case: str, way: str) -> dict[str, float]:
    """Processor -> CPU seconds of a way for one seed, the mean over seeds."""
    spent: dict[str, dict[int, float]] = {}
    for run in runs:
        if run["case"] == case and run["way"] == way:
            seeds = spent.setdefault(run["processor"], {})
            seeds[run["seed"]] = seeds.get(run["seed"], 0.0) + run["cpu_seconds"]
    return {name: statistics.mean(seeds.values()) for name, seeds in sorted(spent.items())}


def as_markdown(found: dict[str, Any]) -> str:
    parts = [INTRODUCTION, machine_line(found)]
    runs = found["runs"]
    for case, about in found["cases"].items():
        parts += [f"## {case}: {about['what']}", case_table(runs, case, about["targets"])]
        if lines := verdicts(runs, case, about["targets"]):
            parts.append("\n".join(lines))
    if study := found.get("qat_search"):
        parts += ["## A study whose every trial trains", study_line(study)]
    if found.get("recipes"):
        parts += ["## Recipes of training through quantizers", as_table(found["recipes"])]
    if found.get("missing"):
        parts += ["## Not measured", "\n".join(f"- {why}" for why in found["missing"])]
    return "\n\n".join(parts) + "\n"


def case_table(runs: Sequence[dict[str, Any]], case: str, targets: Sequence[int]) -> str:
    ways = [way for way in ORDER if points_of(runs, case, way)]
    earlier = EARLIER.get(case, {})
    rows = []
    for target in targets:
        sides = [points_of(runs, case, way) for way in ways]
        cells = [_cell(accuracies(side, target), len(side)) for side in sides]
        rows.append([f"{target:,}", *cells, *([f"{earlier.get(target, '–')}"] if earlier else [])])
    last = [""] if earlier else []
    rows.append(["seeds", *(", ".join(map(str, points_of(runs, case, way))) for way in ways), *last])
    for name in sorted({run["processor"] for run in runs if run["case"] == case}):
        spent = [seconds_of(runs, case, way).get(name) for way in ways]
        rows.append(
            [f"CPU seconds a seed, {name}", *("–" if s is None else f"{s:,.1f}" for s in spent), *last]
        )
    rows.append(["load average", *(_loads(runs, case, way) for way in ways), *last])
    head = [LABELS[way] for way in ways] + (["HGQ2, earlier run"] if earlier else [])
    return table(["EBOPs at most", *head], rows)


def _cell(points: Sequence[dict[str, Any]], seeds: int) -> str:
    if not points:
        return "–"
    test = [100 * point["test"] for point in points]
    spread = f" ± {statistics.stdev(test):.1f}" if len(test) > 1 else ""
    part = f"; {len(points)} of {seeds} seeds" if len(points) < seeds else ""
    return f"{statistics.mean(test):.1f}{spread} ({statistics.mean(p['ebops'] for p in points):,.0f}{part})"


def _loads(runs: Sequence[dict[str, Any]], case: str, way: str) -> str:
    """Of the machine while a way ran; above the number of cores, CPU seconds are more than they need be."""
    found = [load for run in runs if (run["case"], run["way"]) == (case, way) for load in run["load"]]
    return f"{min(found):.0f} to {max(found):.0f}"


def _mean(points: Sequence[dict[str, Any]]) -> float | None:
    """Mean test accuracy in %."""
    return 100 * statistics.mean(point["test"] for point in points) if points else None


def verdicts(runs: Sequence[dict[str, Any]], case: str, targets: Sequence[int]) -> list[str]:
    """How far the learned fronts are above HGQ2's, and what they cost, against the goals."""
    ways = [way for way in OURS if points_of(runs, case, way)]
    return [line for way in ways for line in _verdicts(runs, case, targets, way)]


def _verdicts(runs: Sequence[dict[str, Any]], case: str, targets: Sequence[int], way: str) -> list[str]:
    mine, theirs = points_of(runs, case, way), points_of(runs, case, PEER)
    lines = []
    for target in targets:
        points = accuracies(theirs, target)
        near = points and statistics.mean(p["ebops"] for p in points) >= NEAR * target
        found = [_mean(points) if near else None, EARLIER.get(case, {}).get(target)]
        peers = [value for value in found if value is not None]
        ours = _mean(accuracies(mine, target))
        if ours is not None and peers:
            above = ours - max(peers)
            met = "met" if above >= BETTER else "missed"
            goal = f"goal +{BETTER:.1f}: {met}"
            lines.append(f"- {LABELS[way]}, {target:,} EBOPs: {above:+.1f} points against HGQ2 ({goal})")
    return lines + _shares(runs, case, way)


def _shares(runs: Sequence[dict[str, Any]], case: str, way: str) -> list[str]:
    """What of HGQ2's CPU seconds a front takes, on each processor that ran both."""
    ours, theirs = seconds_of(runs, case, way), seconds_of(runs, case, PEER)
    lines, begin = [], f"- {LABELS[way]}, CPU seconds"
    for name in ours.keys() & theirs.keys():
        met = "met" if theirs[name] >= SHARE * ours[name] else "missed"
        lines.append(
            f"{begin}, both on {name}: 1/{theirs[name] / ours[name]:.1f} of HGQ2's (goal 1/{SHARE}: {met})"
        )
    if ours and theirs and not ours.keys() & theirs.keys():
        least, most = min(theirs.values()), max(ours.values())
        lines.append(
            f"{begin}: 1/{least / most:.1f} of HGQ2's, but on other processors, which says little of the "
            f"goal 1/{SHARE}"
        )
    if ours and (earlier := EARLIER.get(case)):
        least, most = EARLIER_SECONDS * len(earlier), max(ours.values())
        lines.append(
            f"{begin} against HGQ2's earlier run, by which most goals above are judged, on another machine: "
            f"1/{least / most:.1f} or less ({len(earlier)} points of at least {EARLIER_SECONDS} s)"
        )
    return sorted(lines)


def study_line(study: dict[str, Any]) -> str:
    waited = study["wall_seconds"] > GOAL
    met = "not met here, where others had the processor" if waited else "met"
    if waited and study["cpu_seconds"] > 2 * GOAL:
        met = "missed"
    return (
        f"{study['trials']} trials of jsc-mlp, {study['epochs']} epochs of 100,000 rows each, {study['jobs']} threads: "
        f"{study['cpu_seconds']:.0f} s of CPU time, and {study['wall_seconds']:.0f} s by the clock at a load average "
        f"of {study['load'][0]:.1f} to {study['load'][1]:.1f} on two cores. "
        f"Goal: {GOAL:.0f} s by the clock on two idle cores: {met}."
    )
