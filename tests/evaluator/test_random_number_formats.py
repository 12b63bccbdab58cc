"""Random graphs under random number formats: the quantized graph's bits where sums are exact, else float64's."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chop import Evaluator, MaseGraph
from chop.ir.graph.quantize_targets import QuantizeTargets

from .number_formats import fields, quantized, ulps, with_wide_sums
from .random_graphs import random_data, random_model

SEEDS = st.integers(0, 2**32 - 1)
MX = ("mxint8", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4")


def random_format(random: Random) -> dict[str, Any]:
    """A config of one operation in any format but the integer one."""
    width, exponent = random.randint(3, 10), random.randint(1, 5)
    bias = random.choice([None, None, random.randint(-2, 9)])
    block = random.choice([[1, 4], [1, 16], [1, 1, 3], [1, 2, -1], [1, 3, 4, 5]])
    kind = random.randrange(10)
    if kind < 2:
        name = ("minifloat_ieee", "minifloat_denorm")[kind]
        return fields(name, width=max(width, exponent + 2), exponent_width=exponent, exponent_bias=bias)
    if kind == 2:
        return fields("log", width=min(width, 6), exponent_bias=bias)
    if kind == 3:
        return fields("block_fp", width=width, exponent_width=8, exponent_bias=None, block_size=block)
    if kind == 4:
        return fields(
            "block_minifloat",
            width=max(width, exponent + 2),
            exponent_width=exponent,
            exponent_bias_width=8,
            block_size=block,
        )
    if kind == 5:
        return fields("block_log", width=min(width, 6), exponent_bias_width=8, block_size=block)
    if kind == 6:
        return fields("binary", width=1, stochastic=False, bipolar=random.random() < 0.5)
    if kind == 7:
        return fields("ternary", width=2, scaling_factor=random.random() < 0.5)
    if kind == 8:
        given_scale = random.choice([None, 0.125, 0.3])
        return fields("scale_integer", width=width, scale=given_scale)
    return {"name": random.choice(MX), **random.choice([{}, {"data_in_block_size": 5}])}


def check(seed: int) -> str:
    """Compare one random case with torch. Returns what was promised of it."""
    random = Random(seed)
    model, shape = random_model(seed, small=seed % 2 == 0)
    mg = MaseGraph(model)
    # Whatever follows the data's dimensions: rows must not share a block.
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for name, op in QuantizeTargets(mg).ops.items():
        if op in ("linear", "conv1d", "conv2d") or random.random() < 0.4:
            table = random_format(random)
            for key in [k for k in table if k == "data_in_block_size" and isinstance(table[k], list)]:
                if op in ("add", "sub", "mul") or op == "relu":
                    table[key] = [1, *table[key][-1:]]
            config[name] = {"config": table}
    rows = random.choice((1, 7, 63, 64, 65, 130, 300))
    x, y = random_data(shape, rows, seed | 1 if seed % 8 == 0 else seed)
    ev = Evaluator(mg, x, y, threads=random.randint(1, 3))
    found, certificate = ev.forward(config), ev.certificate(config)
    graph = quantized(model, config)
    with torch.no_grad():
        plain = graph(x)
        wide = with_wide_sums(graph)(x)
    case = f"seed {seed}, {rows} rows, {config}\n{model.steps}\n{model}\n{certificate!r}"
    if certificate.quantized_part_is_exact and not certificate.behind:
        assert torch.equal(found, plain), case
        return "exact"
    if certificate.between or certificate.behind:  # other bits on other machines go into a quantizer
        close = torch.isclose(found, wide, rtol=1e-3, atol=1e-3 * float(wide.abs().max())).all(1)
        assert int((~close).sum()) <= max(3, rows // 5), case
        return "close"
    assert ulps(found, wide) <= 2, case
    return "rounded"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_random_graphs_in_random_formats(seed: int) -> None:
    check(seed)


@pytest.mark.soak
def test_random_graphs_in_random_formats_soak() -> None:
    promised = [check(seed) for seed in range(1000)]
    counts = {kind: promised.count(kind) for kind in sorted(set(promised))}
    print(f"\n1000 cases: {counts}")  # noqa: T201  the result of a soak
    assert counts["rounded"] + counts["exact"] > 300


def test_most_cases_are_judged_closely() -> None:
    """The tests above would say nothing if they promised little."""
    kinds = [check(seed) for seed in range(16)]
    assert kinds.count("exact") + kinds.count("rounded") >= 4
