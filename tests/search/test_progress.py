"""Best values beside the bar, a callback that sees every trial, and how a study tells what made it."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from optuna.trial import create_trial

from chop.actions.search.strategies.progress import BestSoFar, Progress
from chop.plotting.pareto import front_of


def test_the_front_as_it_comes_is_the_front_of_all() -> None:
    values = np.random.default_rng(0).integers(0, 9, (200, 3)).astype(float)
    ways = ["maximize", "minimize", "minimize"]
    best = BestSoFar(["a", "b", "c"], ways)
    for row in values:
        best.add(row.tolist())
    found = {tuple(row) for row in values[front_of(values, ways)].tolist()}
    assert {(-a, b, c) for a, b, c in best.front} == found
    assert str(best).startswith(f"front {len(found)}, best a ")


def test_one_objective_and_failed_trials() -> None:
    best = BestSoFar(["loss"], ["minimize"])
    assert str(best) == ""
    for value in (math.nan, 0.5, 0.25, 0.3):
        best.add([value])
    assert str(best) == "best loss 0.25"


def test_the_bar_shows_the_best_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(0, 2, BestSoFar(["loss"], ["minimize"])) as progress:
        for value in (0.5, 0.125):
            progress.seen([create_trial(value=value)])
            progress.update()
    assert progress.n == 2
    said = capsys.readouterr().err
    assert "2/2" in said and "best loss 0.125" in said


def test_the_best_beside_the_bar_keeps_the_constraints(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(0, 2, BestSoFar(["loss"], ["minimize"])) as progress:
        for value, excess in ((0.5, -0.1), (0.125, 0.1)):
            trial = create_trial(value=value)
            trial.set_constraint("accuracy.min", excess)
            progress.seen([trial])
            progress.update()
    assert "2/2 trials, best loss 0.5" in capsys.readouterr().err


def test_a_sampler_that_ends_before_the_trials_do_fills_the_bar(
    changed: Any, run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(changed({"strategy.setup.sampler": "brute-force", "strategy.setup.n_trials": 50}), tmp_path)
    assert "36/36" in capsys.readouterr().err


def test_a_visualizer_that_can_be_called_sees_every_trial(config: Any, run: Any, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watch:
        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            assert "accuracy" in metrics

        def __call__(self, study: Any, trial: Any) -> None:
            assert trial.number < len(study.trials)
            seen.append(trial.number)

    run(config, tmp_path, visualizer=Watch())
    assert seen == list(range(6))


@pytest.mark.parametrize(
    "keys",
    [{}, {"strategy.setup.study_name": "claimed"}, {"strategy.name": "exhaustive", "strategy.setup": {}}],
)
def test_a_visualizer_draws_the_end(keys: Any, changed: Any, run: Any, tmp_path: Path) -> None:
    drawn: list[int] = []

    class Drawn:
        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            if step == 4 and len(drawn) == 1:
                raise KeyboardInterrupt

        def draw(self, study: Any) -> None:
            drawn.append(sum(trial.state.name == "COMPLETE" for trial in study.trials))

    result = run(changed(keys), tmp_path / "whole", visualizer=Drawn())
    assert drawn == [len(result.study.trials)]
    if "strategy.name" not in keys:
        with pytest.raises(KeyboardInterrupt):
            run(changed({**keys, "strategy.setup.sampler": "tpe"}), tmp_path / "stopped", visualizer=Drawn())
        assert drawn[1:] == [5]  # a trial is on disk before anybody is told of it


def test_a_result_reads_well(config: Any, run: Any, tmp_path: Path) -> None:
    result = run(config, tmp_path)
    first, *table = repr(result).splitlines()
    assert first.startswith(f"Study {result.study_name}: 6 trials, {len(result.best)} best; ")
    assert len(table) == 3 + len(result.best) and "average_bitwidth" in table[0]
    assert result._repr_html_().count("<tr>") == 2 + len(result.best)


def test_live_front_draws_where_there_is_a_notebook(config: Any, run: Any, tmp_path: Path) -> None:
    from chop.plotting import live_front

    result = run(config, tmp_path)
    shown, updated = [], []

    def display(picture: Any, display_id: bool) -> Any:
        shown.append(picture)
        return SimpleNamespace(update=updated.append)

    live = live_front(every=0.0)
    live(result.study, None)
    assert live.drawn == 0  # no notebook
    live._display = display
    for _ in range(3):
        live(result.study, None)
    assert (live.drawn, len(shown), len(updated)) == (3, 1, 2)
    assert shown[0].get_xlabel() == "average bit width [bit]"
