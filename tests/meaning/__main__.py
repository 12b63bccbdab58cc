"""Replay: ``python -m tests.meaning --seed N``, ``--name TEXT``, ``--list``, or ``--seeds FROM TO``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable

from chop.tools.writer import write_line
from tests.meaning.bench import quietly
from tests.meaning.case import Case
from tests.meaning.composer import listed_cases, random_case
from tests.meaning.outcomes import GOOD, REFUSED, Outcome
from tests.meaning.record import write_record
from tests.meaning.stages import examine


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.meaning", description=__doc__)
    parser.add_argument("--seed", type=int, help="one random model, with its text")
    parser.add_argument("--name", help="the models of the list whose name has this text")
    parser.add_argument("--list", action="store_true", help="the whole list")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FROM", "TO"), help="random models")
    parser.add_argument("--forms", type=int, default=1, help="forms of each block in the list")
    parser.add_argument("--kind", help="of the listed models")
    parser.add_argument("--record", action="store_true", help="write which listed models must come out equal")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument(
        "--without",
        nargs="*",
        default=(),
        metavar="KIND",
        help="kinds of blocks to leave out",
    )
    options = parser.parse_args()
    if options.seed is not None:
        return run([random_case(options.seed, frozenset(options.without))], verbose=True)
    if options.seeds:
        return run(
            (random_case(seed, frozenset(options.without)) for seed in range(*options.seeds)), options.verbose
        )
    cases: Iterable[Case] = listed_cases(options.kind, options.forms)
    if options.record:
        with quietly():
            write_record({case.name: list(examine(case)) for case in cases})
        return 0
    if options.name:
        return run([case for case in cases if options.name in case.name], verbose=True)
    return run(cases, options.verbose)


def run(cases: Iterable[Case], verbose: bool) -> int:
    """Examine models and tell what came out, also when stopped; the exit code is 1 if anything differs."""
    told = Told(verbose)
    try:
        with quietly():
            for case in cases:
                told.add(case)
    except KeyboardInterrupt:
        write_line(f"stopped after {told.last}")
    told.summary()
    return 1 if told.bad else 0


class Told:
    """What came of the models so far, told line by line.

    Args:
        verbose: tell each model's text and outcomes.
    """

    def __init__(self, verbose: bool) -> None:
        self.verbose, self.last = verbose, "nothing"
        self.counts, self.refused, self.spent = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
        self.bad = self.models = 0

    def add(self, case: Case) -> None:
        """Examine one more."""
        if self.verbose:
            write_line(f"\n# {case.name}\n{case.source}")
        before = time.process_time()
        for outcome in examine(case):
            self.spent[outcome.stage] += time.process_time() - before
            self._tell(case, outcome)
            before = time.process_time()
        self.models, self.last = self.models + 1, case.name
        if self.models % 100 == 0:
            write_line(f"… {self.models} models, {case.name}, {self._by_verdict()}, {self.bad} bad")

    def _tell(self, case: Case, outcome: Outcome) -> None:
        self.counts[outcome.stage, outcome.verdict] += 1
        if outcome.verdict not in GOOD:
            self.bad += 1
            kinds = "/".join(sorted(case.kinds))
            line = f"{outcome.stage} {outcome.verdict} [{kinds}] {case.name}: {outcome.why[:300]}"
            write_line(line.replace("\n", "\\n"))
        elif outcome.verdict == REFUSED:
            self.refused[f"{outcome.stage}: {outcome.kind}"] += 1
        if self.verbose:
            write_line(f"{outcome.stage:10s} {outcome.verdict:8s} {outcome.why[:400]}")

    def _by_verdict(self) -> str:
        found = Counter[str]()
        for (_, verdict), count in self.counts.items():
            found[verdict] += count
        return ", ".join(f"{verdict} {count}" for verdict, count in sorted(found.items()))

    def summary(self) -> None:
        """Tell how often each stage came out how, the reasons of refusals, and the time."""
        for (stage, verdict), count in sorted(self.counts.items()):
            write_line(f"{stage:10s} {verdict:8s} {count:6d}")
        for reason, count in self.refused.most_common(60):
            write_line(f"{count:6d} {reason}")
        seconds = {stage: round(spent, 1) for stage, spent in self.spent.items()}
        write_line(f"{self.models} models; {self._by_verdict()}; seconds a stage: {seconds}")


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
