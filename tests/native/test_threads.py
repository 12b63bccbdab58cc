"""Eight threads at once on one object: nothing lost, nothing torn, no deadlock."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from chop import _core
from chop.actions.search.samplers import SAMPLERS
from chop.actions.search.samplers.native_tpe import NativeTpeSampler
from tests.native import plausible as p

THREADS = 8


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[int], Any]) -> list[Any]:
    """What each of the threads found; the first exception of any is raised."""
    found: list[Any] = [None] * THREADS
    errors: list[BaseException] = []
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            barrier.wait()
            found[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "deadlock"
    if errors:
        raise errors[0]
    return found


def fields(statistic: _core.Statistic) -> dict[str, np.ndarray]:
    found, counts, nans, _ = statistic.compute()
    named = {name: np.frombuffer(data, dtype=np.float64) for name, data, *_ in found}
    return {**named, "count": np.frombuffer(counts, np.int64), "nan": np.frombuffer(nans, np.int64)}


@pytest.mark.parametrize("name", sorted(_core.statistics()))
def test_statistics_lose_nothing(name: str) -> None:
    shared, alone = (_core.Statistic(name, {}) for _ in range(2))
    x = torch.randn(501)
    x[7] = float("nan")

    def work(number: int) -> None:
        for turn in range(20):
            shared.update(x + number, 1)
            if turn % 5 == 0:
                shared.compute()

    together(work)
    for number in range(THREADS):
        for _ in range(20):
            alone.update(x + number, 1)
    found, expected = fields(shared), fields(alone)
    assert found["count"] == expected["count"] == 500 * 20 * THREADS and found["nan"] == 20 * THREADS
    for field in found:
        a, b = (np.sort(each[field]) if name == "record" else each[field] for each in (found, expected))
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(_core.statistics()))
def test_merging_both_ways_is_no_deadlock(name: str) -> None:
    pair = [_core.Statistic(name, {}) for _ in range(2)]
    for each in pair:
        each.update(torch.ones(1), 1)
    parts = [_core.Statistic(name, {}) for _ in range(THREADS)]

    def work(number: int) -> None:
        for _ in range(4):
            parts[number].update(torch.ones(3), 1)
            pair[number % 2].merge(parts[number])
        if number < 2 and name not in ("record", "range_quantile", "variance_precise"):
            for _ in range(6):  # doubles what is there
                pair[number].merge(pair[1 - number])

    together(work)
    assert all(fields(each)["count"] >= 1 + 3 * (1 + 2 + 3 + 4) * 4 for each in pair)


def test_errors_of_formats_lose_nothing() -> None:
    shared = _core.QuantizationErrors(8, True, [2, 3, 4])
    x = torch.randn(999)

    def work(number: int) -> None:
        for _ in range(30):
            shared.update(x, 1 + number % 3)
            assert shared.power >= 0 and len(shared.errors) == 3 and shared.count % 999 == 0

    together(work)
    assert shared.count == 999 * 30 * THREADS
    assert shared.power == pytest.approx(float((x.double() ** 2).sum()) * 30 * THREADS, rel=1e-12)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_an_estimator_knows_all_trials(objectives: int) -> None:
    shared, alone = (
        _core.Tpe([(5, True), (7, False), (3, True)], objectives, 1, avoid_repeats=False) for _ in range(2)
    )

    def point(number: int) -> list[int]:
        return [number % 5, number % 7, number % 3]

    def work(thread: int) -> None:
        for number in range(thread, 400, THREADS):
            found = shared.propose(number, [(number + 1, [1, 1, 1])])
            assert all(0 <= value < length for value, length in zip(found, (5, 7, 3), strict=True))
            shared.tell(number, point(number), [float(number * k % 11) for k in range(1, objectives + 1)])
            assert shared.told >= 1

    together(work)
    for number in range(400):
        alone.tell(number, point(number), [float(number * k % 11) for k in range(1, objectives + 1)])
    assert shared.told == 400
    assert [shared.propose(n) for n in range(400, 420)] == [alone.propose(n) for n in range(400, 420)]


@pytest.mark.parametrize("name", ["random", "qmc", "brute-force", "grid", "cmaes", "native-tpe"])
def test_samplers_of_ours_in_eight_threads(name: str) -> None:
    """Optuna's own promise nothing to threads; ours give each trial its point, and a pickled one goes on."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lengths = {f"p{i}": 4 for i in range(3)}
    entry = SAMPLERS[name]
    sampler = entry.build(entry.Options(), 3, lengths)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        return float(sum(trial.suggest_int(name, 0, 3) for name in lengths))

    study.optimize(objective, n_trials=64, n_jobs=THREADS)
    study.sampler = pickle.loads(pickle.dumps(sampler))  # noqa: S301  made a line above
    study.optimize(objective, n_trials=8, n_jobs=THREADS)
    assert len(study.trials) == 72 and all(len(trial.params) == 3 for trial in study.trials)
    points = {tuple(trial.params.values()) for trial in study.trials[:64]}
    assert len(points) == 64 or not entry.exhausts
    fresh = entry.build(entry.Options(), 3, lengths)
    if hasattr(fresh, "propose"):  # from the number alone
        for trial in study.trials:
            assert list(trial.params.values()) == fresh.propose(trial.number).tolist()


def test_a_study_in_eight_threads() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lengths = {f"p{i}": 5 for i in range(6)}
    sampler = NativeTpeSampler(lengths, {"p0", "p3"}, 0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: sum(trial.suggest_int(name, 0, 4) for name in lengths), n_trials=160, n_jobs=THREADS
    )
    assert len(study.trials) == 160 and all(trial.state.is_finished() for trial in study.trials)
    assert sampler._core is not None and sampler._core.told >= 160 - THREADS
    points = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(points)) > 140  # those that run are known, but for a moment


@pytest.mark.parametrize("threads", [1, 3])
def test_evaluations_are_those_of_one_thread(threads: int) -> None:
    x, y = p.floats(3000, 4), p.labels(3000)
    configs = [
        _core.Formats([(n, "integer", {"weight": (w, 2, True, "half_even", "saturate")})])
        for n in p.LINEAR
        for w in range(2, 9)
    ]
    metrics = [("loss", {}), ("accuracy", {}), ("output_mse", {})]
    expected = _core.Evaluator(p.GRAPH, x, y, 1, True).evaluate(configs, metrics)
    shared = _core.Evaluator(p.GRAPH, x, y, threads, True)

    def work(number: int) -> Any:
        turned = configs[number:] + configs[:number]
        found = shared.evaluate(turned, metrics if number % 2 else [*metrics[::-1]])
        found = [values if number % 2 else values[::-1] for values in found]
        logits = torch.empty(3000, 3)
        shared.forward(configs[number], logits)
        shared.layers(configs[number]), shared.certificate(configs[number])
        return found[len(configs) - number :] + found[: len(configs) - number]

    assert all(found == expected for found in together(work))


@pytest.mark.parametrize("prune", [False, True])
def test_a_sweep_in_pieces(prune: bool) -> None:
    formats = [
        _core.Formats([(n, "integer", {"weight": (w, 2, True, "half_even", "saturate")})])
        for n in p.LINEAR[:1]
        for w in range(2, 10)
    ]
    space = _core.SweepSpace([[(each, []) for each in formats], [(_core.Formats([]), []) for _ in range(8)]])
    evaluator = _core.Evaluator(p.GRAPH, p.floats(9000, 4), p.labels(9000), 2, True)
    sweep = _core.Sweep(evaluator, space, [("accuracy", True), ("", False)], 2)

    def work(number: int) -> Any:
        values = torch.full((8, 2), float(number), dtype=torch.float64)
        dropped = torch.zeros(8, dtype=torch.uint8)
        sweep.run(8 * number, prune, values, dropped)
        sweep.add_finished(values[:1] * float("nan"))
        return values, dropped

    one = _core.Sweep(evaluator, space, [("accuracy", True), ("", False)], 1)
    for number, (values, dropped) in enumerate(together(work)):
        expected = torch.full((8, 2), float(number), dtype=torch.float64)
        one.run(8 * number, False, expected, torch.zeros(8, dtype=torch.uint8))
        kept = dropped == 0
        assert torch.equal(values[kept], expected[kept]) and values[~kept, 0].isnan().all()
        assert prune or bool(kept.all())


def test_a_trainer_works_for_one_thread_at_a_time() -> None:
    trainer = p.trainer()
    state = torch.empty(sum(p.TRAINABLE[0]))

    def work(number: int) -> int:
        refused = 0
        for turn in range(20):
            try:
                if number % 4 == 0:
                    trainer.epoch(35, 1e-3, None, 1, 0, -1, [])
                elif number % 4 == 1:
                    trainer.read("parameters", state.clone())
                elif number % 4 == 2:
                    trainer.set_data(p.floats(70 + turn, 4), p.labels(70 + turn))
                else:
                    trainer.evaluate(p.floats(9, 4), p.labels(9))
            except (RuntimeError, ValueError) as error:
                assert "at work in another call" in str(error) or "batch norm" in str(error)
                refused += 1
            assert trainer.rows >= 70 and len(trainer.progress()) == 2
        return refused

    together(work)
    trainer.read("parameters", state)
    assert state.isfinite().all()


def test_memos_and_costs() -> None:
    memo, widths = _core.FormatMemo(), _core.WidthMemo()
    totals = _core.NamedTotals(p.COSTS, ["bops", "flops"])
    expected = totals.of([])

    def work(number: int) -> None:
        for turn in range(200):
            config = {"by": "type", "linear": {"config": {"name": "integer", "weight_width": turn % 50}}}
            memo.remember(config, [[(p.LINEAR[0], "integer", {})]])
            assert memo.find(config) is not None
            widths.remember(config, [[]])
            assert totals.of_config(widths, config) == expected

    together(work)
