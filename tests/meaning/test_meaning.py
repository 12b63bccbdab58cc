"""Graphs mean what the model means: at every stage plain torch's numbers, or one clear sentence."""

from __future__ import annotations

import inspect
import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from torch import nn

from tests.meaning.bench import quietly
from tests.meaning.blocks import all_blocks
from tests.meaning.case import Case
from tests.meaning.composer import listed_cases, random_case
from tests.meaning.outcomes import EQUAL, GOOD, REFUSED, SKIPPED, Outcome
from tests.meaning.record import read_record
from tests.meaning.stages import STAGES, examine

KINDS = sorted({block.kind for block in all_blocks()})
# Losses give one number, the lazy ones are told their sizes by a call, these are containers or abstract.
NO_LAYERS = {
    "Container", "DataParallel", "Module", "RNNBase", "RNNCellBase", "SyncBatchNorm", "AdaptiveLogSoftmaxWithLoss",
    }  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Neither torch's warnings nor the evaluator's about nodes that go through torch."""
    logging.disable(logging.WARNING)
    with quietly():
        yield
    logging.disable(logging.NOTSET)


def wrong(case: Case, outcomes: Iterable[Outcome], must: frozenset[str] = frozenset()) -> list[str]:
    """What may not be, each with what replays it."""
    found = []
    for each in outcomes:
        back = each.stage in must and each.verdict != EQUAL
        if each.verdict not in GOOD or back:
            found.append(f"{case.name}: {each.stage} {each.verdict}, recorded equal {back}: {each.why}")
    return found


def some_stages(case: Case) -> frozenset[str]:
    """Of the stages that cost most each model of the list takes half, always the same: all are for the long run."""
    return frozenset(STAGES) - {
        s for s in ("modes", "gradients", "file") if zlib.crc32(f"{s}{case.name}".encode()) % 2
    }


@pytest.mark.parametrize("kind", KINDS)
def test_listed_models(kind: str) -> None:
    record, bad = read_record(), []
    for case in listed_cases(kind):
        assert case.name in record, f"{case.name}: write the record anew, python -m tests.meaning --record"
        bad += wrong(case, examine(case, some_stages(case)), record[case.name])
    assert not bad, "\n".join(bad)


def test_the_record_is_of_this_list() -> None:
    record = read_record()
    names = [case.name for kind in KINDS for case in listed_cases(kind)]
    assert len(names) >= 150 and set(names) <= set(record)
    equal = Counter(stage for name in names for stage in record[name])
    shares = {stage: equal[stage] / len(names) for stage in STAGES}
    least = dict.fromkeys(("graph", "modes", "gradients", "evaluator", "fine", "coarse", "untouched"), 0.85)
    for stage, share in (least | {"costs": 0.45, "trainer": 0.2}).items():
        assert shares[stage] >= share, (stage, shares)


def random_batch(first: int, count: int) -> Counter[tuple[str, str]]:
    """Examine random models; returns how many stages came out how."""
    counts, bad = Counter[tuple[str, str]](), []
    for seed in range(first, first + count):
        case = random_case(seed)
        outcomes = list(examine(case))
        counts.update((each.stage, each.verdict) for each in outcomes)
        if found := wrong(case, outcomes):
            bad += [*found, f"replay: python -m tests.meaning --seed {seed}", case.source]
    assert not bad, "\n".join(bad)
    assert counts["evaluator", EQUAL] >= 0.6 * count, counts
    assert counts["coarse", EQUAL] >= 0.6 * count, counts
    return counts


def test_random_models() -> None:
    random_batch(0, 30)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 22000, 1000))
def test_random_models_soak(first: int) -> None:
    counts = random_batch(first, 1000)
    by_verdict = {
        v: sum(n for (_, each), n in counts.items() if each == v) for v in (EQUAL, REFUSED, SKIPPED)
    }
    print(f"\nseeds {first} to {first + 999}: {by_verdict}")  # noqa: T201  the result of a soak


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_all_forms_of_a_kind(kind: str) -> None:
    cases = listed_cases(kind, 60)
    bad = [line for case in cases for line in wrong(case, examine(case))]
    print(f"\n{kind}: {len(cases)} models")  # noqa: T201  the result of a soak
    assert not bad, "\n".join(bad)


def test_every_layer_of_torch_is_in_the_list() -> None:
    text = "\n".join(block.form(n) for block in all_blocks() for n in range(min(block.forms(), 60)))
    layers = {
        name for name, value in vars(nn).items() if inspect.isclass(value) and issubclass(value, nn.Module)
    }
    layers = {name for name in layers if not name.startswith("Lazy") and "Loss" not in name} - NO_LAYERS
    assert not {name for name in layers if f"nn.{name}(" not in text}
