"""Studies and sweeps on workers: the same files for any number of them, and after kills."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest

from chop.actions.search.journal.study import JOURNAL_NAME
from chop.actions.search.samplers import SAMPLERS
from chop.pool import Source
from chop.tools.errors import ConfigError
from tests.pool.cluster import Cluster
from tests.search import slow_metrics  # noqa: F401  registers its metrics
from tests.search.conftest import SOURCE

pytest.importorskip("distributed", reason="distributed is not installed: pip install '.[dist]'")

TIMES = ("worker_id", "datetime_start", "datetime_complete", "sum")
SLOW: dict[str, Any] = {
    "strategy.metrics.nap": {"scale": 1.0},
    "strategy.setup.n_trials": 20,
    "strategy.setup.sum_scaled_metrics": True,
}


def records(folder: Path) -> list[dict[str, Any]]:
    """The journal without times."""
    lines = [json.loads(line) for line in (folder / JOURNAL_NAME).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def trials(folder: Path) -> list[dict[str, Any]]:
    return [record for record in records(folder) if record["op_code"] == 4]


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_study_of_each_sampler_has_the_same_journal(
    sampler: str, changed: Any, run: Any, on_workers: Any, tmp_path: Path
) -> None:
    config = changed({**SLOW, "strategy.setup.sampler": sampler, "strategy.setup.batch": 5})
    run(config, tmp_path / "here")
    on_workers(config, tmp_path / "there")
    assert records(tmp_path / "there") == records(tmp_path / "here")
    assert len(trials(tmp_path / "there")) == 20


@pytest.mark.parametrize("sampler", ["tpe", "native-tpe"])
def test_a_batch_is_a_study_of_its_own_and_goes_on_where_it_was_stopped(
    sampler: str, changed: Any, run: Any, tmp_path: Path
) -> None:
    config = changed({**SLOW, "strategy.setup.sampler": sampler, "strategy.setup.batch": 5})
    whole = run(config, tmp_path / "whole")
    config["search"]["strategy"]["setup"]["n_trials"] = 10
    run(config, tmp_path / "parts")
    config["search"]["strategy"]["setup"]["n_trials"] = 20
    run(config, tmp_path / "parts")
    assert trials(tmp_path / "parts") == trials(tmp_path / "whole")
    config["search"]["strategy"]["setup"]["batch"] = 1
    assert run(config, tmp_path / "whole").study_name != whole.study_name


def test_a_worker_that_is_killed_in_a_batch_changes_nothing(
    changed: Any, run: Any, on_workers: Any, cluster: Cluster, tmp_path: Path
) -> None:
    config = changed({**SLOW, "strategy.setup.sampler": "random", "strategy.setup.n_trials": 36})
    run(config, tmp_path / "here")
    kills = []

    class Killer:
        def log_metrics(self, metrics: Any, step: int) -> None:
            if step == 3:  # of the first batch, which is measured here: the next one is on its way soon
                kills.extend(cluster.workers()[:1])
            if kills and step % 5 == 4 and kills[-1].is_running():
                os.kill(kills[-1].pid, signal.SIGKILL)

    from chop.actions import search
    from tests.search.conftest import for_workers

    source = Source(SOURCE, {"imports": "tests.search.slow_metrics"})
    search(
        **for_workers({}), search_config=config, save_path=tmp_path / "there", cluster=str(cluster.file),
        source=source, visualizer=Killer(),
    )  # fmt: skip
    assert kills and records(tmp_path / "there") == records(tmp_path / "here")


def test_a_trial_that_ends_its_worker_fails_and_is_named(
    changed: Any, on_workers: Any, tmp_path: Path
) -> None:
    keys = {**SLOW, "strategy.metrics.deadly": {"scale": 1.0}}
    keys |= {
        "search_space.setup.by": "type",
        "strategy.setup.sampler": "brute-force",
        "strategy.setup.n_trials": 36,
    }
    config = changed(keys)
    with pytest.raises(ChildProcessError, match=r"1 trials of study .* failed, .* the first is trial"):
        on_workers(config, tmp_path / "study")
    tells = trials(tmp_path / "study")
    assert len(tells) == 36 and {record["state"] for record in tells} == {1, 3}  # complete and failed


def test_an_error_of_a_metric_is_told_as_it_is(changed: Any, on_workers: Any, tmp_path: Path) -> None:
    config = changed({**SLOW, "strategy.metrics.wrong": {"scale": 1.0}})
    with pytest.raises(ZeroDivisionError, match="the metric of the test"):
        on_workers(config, tmp_path / "study")


@pytest.mark.parametrize("options", [{"rows": 301}, {"other_weights": True}])
def test_other_rows_or_weights_are_refused(
    options: Any, changed: Any, on_workers: Any, tmp_path: Path
) -> None:
    config = changed({**SLOW, "strategy.setup.sampler": "random", "strategy.setup.n_trials": 36})
    with pytest.raises(RuntimeError, match=r"worker node\d at tcp://.* is refused, it differs in model"):
        on_workers(config, tmp_path / "study", **options)
    tells = trials(tmp_path / "study")
    assert len(tells) < 36  # what was measured here before


def test_a_worker_without_a_file_is_refused(changed: Any, on_workers: Any, tmp_path: Path) -> None:
    config = changed({**SLOW, "strategy.setup.n_trials": 36, "strategy.setup.sampler": "random"})
    with pytest.raises(
        RuntimeError, match=r"worker node\d at tcp://.* is refused: No module named 'nowhere'"
    ):
        on_workers(config, tmp_path / "study", imports="nowhere")


@pytest.mark.parametrize("prune", [False, True])
def test_a_sweep_leaves_the_same_files(
    prune: bool, changed: Any, run: Any, on_workers: Any, tmp_path: Path
) -> None:
    config = changed(
        {"strategy.name": "exhaustive", "strategy.setup": {"n_jobs": 1, "prune": prune, "part": 5}}
    )
    run(config, tmp_path / "here")
    on_workers(config, tmp_path / "there")
    here, there = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("sweep-*/*")}
        for name in ("here", "there")
    )
    assert here == there and len(here) == 9


def test_a_strategy_without_parts_is_refused(changed: Any, run: Any, tmp_path: Path) -> None:
    config = changed({"strategy.setup.storage": "memory"})
    for options, words in (
        ({"workers": 1}, "need source"),
        ({"workers": 1, "source": Source(SOURCE)}, "'memory' is for one process"),
    ):
        with pytest.raises(ConfigError, match=words):
            run(config, tmp_path, **options)


def test_a_finished_study_is_copied_with_its_constraints(changed: Any, run: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    keys = {"strategy.constraints": {"average_bitwidth": {"max": 4.0}}, "strategy.setup.storage": url}
    first = run(changed(keys), tmp_path / "out")
    more = run(changed({**keys, "strategy.setup.n_trials": 9}), tmp_path / "out")
    copy = optuna.load_study(study_name=more.study_name, storage=url)
    assert [t.values for t in copy.trials] == [t.values for t in more.study.trials] and len(copy.trials) == 9
    assert copy.trials[0].system_attrs["constraints"] == list(more.study.trials[0].constraints.values())
    assert first.study_name == more.study_name and copy.metric_names == more.study.metric_names
    own = {**keys, "strategy.setup.study_name": "mine", "strategy.setup.n_trials": 3}
    run(changed(own), tmp_path / "out")
    with pytest.raises(ConfigError, match="belongs to another search"):
        run(changed({**own, "strategy.setup.sampler": "qmc"}), tmp_path / "elsewhere")


def test_a_copy_in_postgresql(changed: Any, run: Any, tmp_path: Path, postgresql: Any) -> None:
    url = postgresql.database("copies")
    found = run(
        changed({"strategy.setup.storage": url, "strategy.setup.study_name": "mine"}), tmp_path / "out"
    )
    opened = url.replace("postgresql://", "postgresql+psycopg://")
    copy = optuna.load_study(study_name="mine", storage=opened)
    assert [t.values for t in copy.trials] == [t.values for t in found.study.trials]


def test_an_address_of_the_journal_itself_is_no_copy(changed: Any, run: Any, tmp_path: Path) -> None:
    url = f"journal://{tmp_path / JOURNAL_NAME}"
    for count in (3, 6):
        run(changed({"strategy.setup.storage": url, "strategy.setup.n_trials": count}), tmp_path)
    assert len(trials(tmp_path)) == 6
