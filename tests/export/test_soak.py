"""Five networks under uniform and random formats, each target, every row equal or the reason why not.

Run: pytest -m soak -n 0 -s tests/export/test_soak.py (-k "resnet8 and uniform"; CHOP_SOAK_IMAGES=1000 for fewer
images of ResNet-8)
"""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.dataset import MaseDataModule
from chop.export import TARGETS, cpp
from chop.export.proof import in_blocks
from chop.export.run import Job
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.models import get_model
from chop.nn.quantizers.operands import OPERANDS
from chop.tools.errors import ConfigError
from tests.export.models import ResNet8, Sequences, config, trained

ROWS, RANDOM, WIDTHS = 10_000, 20, (4, 6, 8, 12, 16)
IMAGES = int(os.environ.get("CHOP_SOAK_IMAGES", "10000"))
NAMES = ("onnx", "onnx-arithmetic", "qonnx", "integers", "torch", "cpp")


def jets() -> torch.Tensor:
    return MaseDataModule("jsc-synth", batch_size=512).arrays("test")[0][:ROWS]


def pretrained(name: str) -> Callable[[], chop.Evaluator]:
    return lambda: chop.Evaluator(get_model(name, pretrained=True).eval(), jets())


def sequences() -> chop.Evaluator:
    x = jets()
    return chop.Evaluator(trained(Sequences(), x), x)


def images() -> chop.Evaluator:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(IMAGES, 3, 8, 8, generator=generator)
    x = (
        nn.functional.interpolate(coarse, scale_factor=4)
        + torch.randn(IMAGES, 3, 32, 32, generator=generator) / 4
    )
    torch.manual_seed(0)
    model = ResNet8().train()
    with torch.no_grad():
        model(x[:256])
    return chop.Evaluator(model.eval(), x)


NETS = {
    "jsc-tiny": pretrained("jsc-tiny"),
    "jsc-toy": pretrained("jsc-toy"),
    "jsc-mlp": pretrained("jsc-mlp"),
    "conv1d": sequences,
    "resnet8": images,
}


def uniform(width: int) -> dict[str, Any]:
    """All layers and the sums of branches in one width."""
    return config((width, width // 2), (width, width - 2), ("linear", "conv1d", "conv2d", "add"))


def mixed(ev: chop.Evaluator, seed: int) -> dict[str, Any]:
    """Another format for each operand of each node; half of the seeds keep the activations' usual modes."""
    random = Random(seed)
    made: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for name, op in QuantizeTargets(ev.graph).ops.items():
        if op not in OPERANDS or (op == "relu" and random.random() < 0.5):
            continue
        table: dict[str, Any] = {"name": "integer"}
        for operand in (o.name for o in OPERANDS[op]):
            bits = random.randint(2, 12 if operand == "data_in" else 10)
            most = bits + 1
            if operand == "bias" and not seed % 2:  # on a finer grid than the products it is refused as QDQ
                most = min(most, table["data_in_frac_width"] + table["weight_frac_width"])
            table |= {f"{operand}_width": bits, f"{operand}_frac_width": random.randint(min(-1, most), most)}
            if seed % 2 or operand != "data_in":
                table[f"{operand}_rounding"] = random.choice(("half_even", "floor", "half_up"))
                table[f"{operand}_overflow"] = random.choice(("saturate",) * 4 + ("wrap",))
        made[name] = {"config": table}
    return made


@functools.cache
def jobs(net: str) -> dict[str, Job]:
    """The configs of a network; the evaluator's outputs and the integer net are made once for all targets."""
    torch.manual_seed(0)
    ev = NETS[net]()
    made = {f"uniform {width}": uniform(width) for width in WIDTHS}
    made |= {f"random {seed}": mixed(ev, seed) for seed in range(RANDOM)}
    return {what: Job(ev, settings, ev.rows) for what, settings in made.items()}


def kind_of(refusal: str) -> str:
    """The reason without node and numbers."""
    reason = re.sub(r" \(and \d+ more\)$", "", refusal.partition(": ")[2].partition(": ")[2])
    return re.sub(r"[\d,]*\d", "N", reason.partition(";")[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One compiler, and torch's program in this process: the tests beside this one see to the others."""

    def execute(self: object, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        module = torch.export.load(path).module()
        with torch.no_grad():
            return {"torch": in_blocks(lambda rows: module(torch.from_numpy(rows)).numpy(), x)}

    monkeypatch.setattr(type(TARGETS["torch"]), "execute", execute)
    monkeypatch.setattr(cpp, "_COMPILERS", cpp._COMPILERS[:1])
    monkeypatch.setattr(cpp, "_self_tested", lambda compiler, path: None)
    monkeypatch.setattr(Job, "certificate", None)  # it sums everything anew, much slower than any target


@pytest.mark.soak
@pytest.mark.parametrize("formats", ["uniform", "random"])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("target", NAMES)
def test_equal_or_refused(net: str, target: str, formats: str) -> None:
    counts, reasons, bad = Counter[str](), Counter[str](), []
    start = sum(os.times()[:4])
    chosen = {what: job for what, job in jobs(net).items() if what.startswith(formats)}
    for what, job in chosen.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = job.export(TARGETS[target], Path(folder))
            except ConfigError as error:
                counts["refused"] += 1
                reasons[kind_of(str(error))] += 1
                continue
            counts["equal" if made.equal else "unequal"] += 1
            counts["only as numbers"] += any(p.sign_of_zero for p in made.proofs)
            assert all(p.rows == job.most for p in made.proofs)
            if target == "qonnx":
                graph, found = chop.load_qonnx(made.path)
                again = chop.Evaluator(graph, job.evaluator._x).forward(found)
                assert (again.numpy() == job.sample.y).all(), what
            bad += [] if made.equal else [f"{net} {what} {job.config}: {made}"]
    row = {"net": net, "target": target, "formats": formats, "rows": job.most, **counts}
    row |= {"reasons": dict(reasons), "CPU seconds": round(sum(os.times()[:4]) - start)}
    print(f"\n{json.dumps(row)}")  # noqa: T201  the result of a soak
    if folder := os.environ.get("CHOP_SOAK_DIR"):
        (Path(folder) / f"export_{net}_{target}_{formats}.json").write_text(json.dumps(row))
    assert not bad, "\n".join(bad)
    assert counts["equal"] >= 3


@pytest.mark.soak
@pytest.mark.parametrize(
    "formats", [*(f"uniform {w}" for w in WIDTHS), *(f"random {s}" for s in range(RANDOM))]
)
def test_hls4ml_project_of_resnet8(formats: str, tmp_path: Path) -> None:
    """A minute of g++ and 4 GB each, so few rows."""
    job = replace(jobs("resnet8")[formats], most=min(IMAGES, 1000))
    try:
        made = job.export(TARGETS["hls4ml"], tmp_path)
    except ConfigError as error:
        pytest.skip(f"refused: {error}")
    print(f"\n{made.proofs[0]}")  # noqa: T201  the result of a soak
    assert made.equal and made.proofs[0].rows == job.most, str(made)
