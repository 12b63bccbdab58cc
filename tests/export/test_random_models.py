"""Random models of users' code through every target: equal to the evaluator or refused by name, nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

import chop
from chop.export import TARGETS, cpp
from chop.export.run import Job
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantizers.operands import OPERANDS
from chop.tools.errors import ConfigError
from tests.meaning.bench import quietly
from tests.meaning.blocks import Block
from tests.meaning.case import Case
from tests.meaning.composer import random_case

NAMES = ("onnx", "onnx-arithmetic", "qonnx", "integers", "cpp", "torch")
ROWS = 40
# Of what targets have a row for; the blocks of tests/meaning are mostly what they have none for.
_BLOCKS = """
123 layer | nn.Linear({n}, <<3|6|8>>, bias=<<True|True|False>>)
2 layer | nn.Conv1d({c}, <<3|4|{c}>>, <<1|2|3>>, <<1|2>>, <<0|1|2>>, dilation=<<1|2>>, bias=<<True|False>>)
2 layer | nn.Conv1d({c}, {c}<<| * 2>>, 3, padding=<<1|2>>, groups={c})
3 layer | nn.Conv2d({c}, <<3|4|{c}>>, <<1|2|3|(3, 1)>>, <<1|2|(2, 1)>>, <<0|1|(1, 0)>>, bias=<<True|False>>)
3 layer | nn.Conv2d({c}, {c}, 3, 1, 1, groups={c}, dilation=<<1|(1, 2)>>)
12 norm | nn.BatchNorm1d({c})
3 norm | nn.BatchNorm2d({c})
123 activation | nn.<<ReLU|ReLU|ReLU6|Identity|Hardtanh>>()
123 activation | <<torch.relu({h})|{h}.clamp(-1, 2)|{h}.clamp(min=-0.5)|F.hardtanh({h}, -0.5, 0.7)|{h}.abs()|-{h}>>
2 pool | nn.<<Max|Avg>>Pool1d(<<2|2, 1|4>>)
3 pool | nn.<<Max|Avg>>Pool2d(<<2|2, 1|(1, 2)>>)
2 pool | nn.MaxPool1d(3, <<1|2>>, padding=1, ceil_mode=<<True|False>>)
3 pool | nn.MaxPool2d(3, <<1|2>>, padding=1, dilation=<<1|1|2>>)
123 join | {h} <<+|+|-|*>> <<{g}|{h}>>
123 join | torch.cat([{h}, {g}], <<1|-1>>)
123 join | torch.<<minimum|maximum>>({h}, {g})
123 number | <<{h} * 2|{h} * 0.3|{h} + 0.5|1 - {h}|{h} - 0.25>>
23 join | {h}.flatten(1)
2 view | {h}.<<transpose(1, 2)|permute(0, 2, 1)|unsqueeze(1)>>
3 view | {h}.permute(<<0, 2, 3, 1|0, 1, 3, 2>>)
1 view | {h}.<<unsqueeze(1)|view(-1, 2, {n} // 2)|reshape(-1, {n} // 2, 2)>>
123 slice | <<{h}[:, :2]|{h}[:, 1:]|{h}[..., ::2]|{h}.narrow(1, 0, 2)>>
23 pad | F.pad({h}, (1, <<0|1>>)<<|, value=0.5>>)
2 product | {h} @ <<{g}|{h}>>.transpose(1, 2)
"""
_REFUSAL = re.compile(r"export to (?P<target>[\w-]+): (?P<where>[\w.]+): (?P<reason>[^\n]+)")
_INSTEAD = re.compile(r"; --to (?P<target>[\w-]+) can(?: \(and \d+ more\))?$")


@cache
def blocks() -> tuple[Block, ...]:
    rows = [line.partition(" | ") for line in _BLOCKS.strip().splitlines()]
    return tuple(Block(frozenset(map(int, head.split()[0])), head.split()[1], code) for head, _, code in rows)


def model_of(seed: int) -> Case:
    """Every fourth is of all that tests/meaning has."""
    return random_case(seed) if seed % 4 == 0 else random_case(seed, of=blocks())


def config_of(graph: chop.MaseGraph, seed: int) -> dict[str, Any]:
    """Formats for everything that takes them: one for all, or one each with other modes; seldom some are left out."""
    random = Random(seed)
    width = random.choice((4, 6, 8, 12, 16))
    by_layer, modes = random.random() < 0.6, random.random() < 0.4
    made: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    targets = QuantizeTargets(graph)
    of_module: dict[Any, dict[str, Any]] = {}
    for name, op in targets.ops.items():
        module = targets.modules.get(name, name)
        if op not in OPERANDS or random.random() < 0.04:
            continue
        table: dict[str, Any] = {"name": "integer"}
        for operand in (o.name for o in OPERANDS[op]):
            bits = random.randint(2, 10) if by_layer else width
            frac = random.randint(0, bits) if by_layer else bits // 2
            if operand == "bias":  # on a finer grid than the products it is refused as QDQ
                frac = min(frac, table["data_in_frac_width"] + table["weight_frac_width"])
            table |= {f"{operand}_width": bits, f"{operand}_frac_width": frac}
            if modes:
                table[f"{operand}_rounding"] = random.choice(("half_even", "half_even", "floor", "half_up"))
                table[f"{operand}_overflow"] = random.choice(("saturate",) * 4 + ("wrap",))
        made[name] = {"config": of_module.setdefault(module, table)}
    return made


def jobs(seeds: Iterable[int], told: Counter[str]) -> Iterator[tuple[Case, Job]]:
    """The models that can be traced, with a config that can be evaluated."""
    for seed in seeds:
        case = model_of(seed)
        try:
            graph = chop.MaseGraph(case.model().eval())
            job = Job(chop.Evaluator(graph, case.data(ROWS)), config_of(graph, seed), ROWS)
            job.sample  # noqa: B018  evaluates
        except ValueError as error:  # said by the tests of meaning
            assert "\n" not in str(error), f"{case.name}: {error}"
            told["not traced"] += 1
            continue
        yield case, job


def outcome(job: Job, target: str, folder: Path) -> str:
    """``equal``, ``refused`` or ``unequal``.

    Raises:
        AssertionError: a refusal that does not say where and why, or whose other target cannot either; a wrong file
            under its own name.
    """
    writer = TARGETS[target]
    try:
        made = job.export(writer, folder)
    except ConfigError as error:
        said = _REFUSAL.fullmatch(str(error))
        assert said and said["target"] == target, error
        node = said["where"].partition(".")[0]
        assert node in {n.name for n in job.view}, error
        assert not any(folder.rglob("*")), error
        nearest = _INSTEAD.search(str(error))
        able = [name for name in NAMES if not list(TARGETS[name].refusals(job.view))]
        assert nearest["target"] in able if nearest else not able, f"{error}; {able} can"
        return "refused"
    final = folder / writer.file
    assert made.equal == final.exists() and made.equal != Path(f"{final}.unequal").exists()
    if target == "qonnx" and made.equal:
        graph, found = chop.load_qonnx(made.path)
        again = chop.Evaluator(graph, job.evaluator._x)
        same = np.array_equal(again.forward(found).numpy(), job.sample.y, equal_nan=True)
        assert same or not again.certificate(found).quantized_part_is_exact, "read otherwise"
    return "equal" if made.equal else "unequal"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One compiler, and torch's program in this process."""

    def execute(self: object, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {"torch": torch.export.load(path).module()(torch.from_numpy(x)).numpy()}

    monkeypatch.setattr(type(TARGETS["torch"]), "execute", execute)
    monkeypatch.setattr(cpp, "_COMPILERS", cpp._COMPILERS[:1])
    monkeypatch.setattr(cpp, "_FLAGS", (*cpp._FLAGS, "-O0"))
    monkeypatch.setattr(cpp, "_self_tested", lambda compiler, path: None)


def run(seeds: Iterable[int], names: Iterable[str], folder: Path) -> tuple[Counter[str], list[str]]:
    told, bad = Counter[str](), list[str]()
    with quietly():
        for case, job in jobs(seeds, told):
            told["models"] += 1
            for name in names:
                place = folder / f"{case.seed}-{name}"
                place.mkdir()
                try:
                    found = outcome(job, name, place)
                except Exception as error:
                    found = f"wrong: {type(error).__name__}: {str(error)[:400]}"
                told[f"{name}: {found.partition(':')[0]}"] += 1
                if found not in {"equal", "refused"}:
                    bad.append(f"{name}, {case.name}: {found}")
    return told, bad


def test_equal_or_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("qonnx")
    told, bad = run(range(30), ("onnx", "onnx-arithmetic", "qonnx", "integers"), tmp_path)
    assert not bad, "\n".join(bad)
    assert told["onnx-arithmetic: equal"] >= 3, told


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 400, 50))
def test_many(first: int, tmp_path: Path) -> None:
    """Run: pytest -m soak -n 0 -s tests/export/test_random_models.py"""
    told, bad = run(range(first, first + 50), NAMES, tmp_path)
    print(f"\n{dict(sorted(told.items()))}")  # noqa: T201  the result of a soak
    assert not bad, "\n".join(bad)
