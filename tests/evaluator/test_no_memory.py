"""A result depends on its config alone: not on company, order, earlier calls or other threads."""

from __future__ import annotations

import threading
from itertools import pairwise
from random import Random

import pytest
import torch

from chop import Evaluator, MaseGraph

from .random_graphs import CLASSES, random_config, random_data, random_model

SEEDS = (1, 2, 3, 5, 13, 21)


def case(
    seed: int, rows: int, configs: int
) -> tuple[MaseGraph, torch.Tensor, torch.Tensor, list[dict | None]]:
    random = Random(seed)
    model, shape = random_model(seed)
    x, y = random_data(shape, rows, seed)
    mg = MaseGraph(model)
    drawn = [random_config(mg, random) for _ in range(configs - 1)]
    # Configs that share rules share packed weights and steps.
    mixed = [
        {**a, **{key: rule for key, rule in b.items() if key != "by" and random.random() < 0.5}}
        for a, b in pairwise(drawn)
    ]
    return mg, x, y, [None, *drawn, *mixed]


@pytest.mark.parametrize("seed", SEEDS)
def test_company_and_order_change_nothing(seed: int) -> None:
    mg, x, y, configs = case(seed, 700, 12)
    alone = [Evaluator(mg, x, y).evaluate(config) for config in configs]
    ev = Evaluator(mg, x, y, threads=3)
    assert repr(ev.evaluate_many(configs)) == repr(alone)  # a loss may be NaN, which equals nothing
    order = list(range(len(configs)))
    Random(seed).shuffle(order)
    assert repr(ev.evaluate_many([configs[i] for i in order])) == repr([alone[i] for i in order])


@pytest.mark.parametrize("seed", SEEDS)
def test_earlier_calls_change_nothing(seed: int) -> None:
    mg, x, y, configs = case(seed, 200, 10)
    expected = [Evaluator(mg, x, y).forward(config) for config in configs]
    ev, random = Evaluator(mg, x, y, threads=2), Random(seed)
    for _ in range(4 * len(configs)):
        at = random.randrange(len(configs))
        kind = random.random()
        if kind < 0.2:
            ev.certificate(configs[at])
        elif kind < 0.4:
            ev.evaluate_many(random.sample(configs, 3))
        else:
            assert torch.equal(ev.forward(configs[at]).view(torch.int32), expected[at].view(torch.int32)), at


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_callers_in_four_threads_disturb_nobody(seed: int) -> None:
    mg, x, y, configs = case(seed, 3000, 8)
    ev = Evaluator(mg, x, y, threads=2)
    expected = [repr(Evaluator(mg, x, y).evaluate(config)) for config in configs]
    wrong: list[int] = []

    def work(own: int) -> None:
        order = list(range(len(configs))) * 3
        Random(own).shuffle(order)
        wrong.extend(at for at in order if repr(ev.evaluate(configs[at])) != expected[at])
        if [repr(found) for found in ev.evaluate_many(configs)] != expected:
            wrong.append(-1)

    threads = [threading.Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_rows_in_front_change_nothing() -> None:
    """Row i of a long set equals row i alone."""
    mg, x, y, configs = case(5, 300, 4)
    for config in configs:
        whole = Evaluator(mg, x, y).forward(config)
        assert whole.shape == (300, CLASSES)
        for row in (0, 63, 64, 299):
            single = Evaluator(mg, x[row : row + 1], y[row : row + 1]).forward(config)
            assert torch.equal(single[0].nan_to_num(7.5), whole[row].nan_to_num(7.5))
