"""Results of earlier runs are kept, and ``ch runs`` lists them all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from chop.cli.versions import signature
from tests.cli.test_strategy_word import CONFIG

SOFTWARE = Path("mase_output/p/software")
TRAIN = ("--accelerator", "cpu", "--cpu=0", "--batch-size", 64, "--max-epochs", 2, "--project", "p")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_second_training_keeps_the_first(ch, small_data):
    words = ("train", "jsc-tiny", small_data, *TRAIN)
    newest, kept = SOFTWARE / "training_ckpts/best.ckpt", SOFTWARE / "earlier/training_ckpts-1/best.ckpt"
    assert ch(*words, "--learning-rate", 1e-2).code == 0
    first = weights(newest)
    done = ch(*words, "--learning-rate", 1e-5)
    assert done.code == 0 and "earlier/training_ckpts-1 (--overwrite replaces them)" in done.err
    second = weights(newest)
    assert same(weights(kept), first) and not same(second, first)
    assert ch(*words, "--learning-rate", 1e-3, "--overwrite").code == 0  # which replaces the second
    assert [path.name for path in (SOFTWARE / "earlier").iterdir()] == ["training_ckpts-1"]
    assert not same(weights(newest), second)
    assert (
        ch(*words, "--learning-rate", 1e-3, "--max-epochs", 2, "--resume").code == 0
    )  # nothing to keep: it goes on
    assert len(list((SOFTWARE / "earlier").iterdir())) == 1
    listed = json.loads(ch("runs", "--json").out)
    assert [run["results"] for run in listed] == [
        str(newest.parent), str(kept.parent)
    ]  # fmt: skip
    assert [run["options"]["learning_rate"] for run in listed] == [1e-3, 1e-2]
    table = ch("runs").out
    assert (
        "val_acc_epoch 0." in table
        and "jsc-tiny" in table
        and table.index("software/training_ckpts ") < table.index("training_ckpts-1")
    )


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_training_that_fails_leaves_the_first_in_place(ch, small_data, monkeypatch, checkpoint):
    words = ("train", "jsc-tiny", small_data, *TRAIN)
    assert ch(*words).code == 0
    folder = SOFTWARE / "training_ckpts"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def broken(*args, **options):
        folder.mkdir()
        (folder / ("last.ckpt" if checkpoint else "metrics.csv")).write_text("new")
        raise RuntimeError("boom")

    monkeypatch.setattr(sys.modules["chop.actions.train"], "train", broken_after_checks(broken))
    done = ch(*words, "--seed", 5)
    assert done.code == 1 and "boom" in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    failed = SOFTWARE / "earlier/training_ckpts-1-failed/last.ckpt"
    assert failed.is_file() == checkpoint and (SOFTWARE / "earlier").exists() == checkpoint

    again = ch(*words, "--seed", 6)
    assert again.code == 1 and "boom" in again.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    second = SOFTWARE / "earlier/training_ckpts-2-failed/last.ckpt"
    assert failed.is_file() == second.is_file() == checkpoint


def broken_after_checks(broken):
    def train(*args, validate_only=False, **options):
        return {} if validate_only else broken()

    return train


def test_a_training_that_is_stopped_at_once_leaves_the_first_in_place(ch, small_data, monkeypatch):
    words = ("train", "jsc-tiny", small_data, *TRAIN)
    assert ch(*words).code == 0
    before = (SOFTWARE / "training_ckpts/best.ckpt").read_bytes()

    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["chop.actions.train"], "train", broken_after_checks(stopped))
    done = ch(*words, "--seed", 5)
    assert done.code == 130
    assert done.err.splitlines()[-1] == (
        "ch: interrupted: the results of the run before are as they were; the same command begins again"
    )
    assert (SOFTWARE / "training_ckpts/best.ckpt").read_bytes() == before
    assert json.loads((SOFTWARE / "training_ckpts/run.json").read_text())["state"] == "done"


def test_another_search_keeps_the_best_of_the_first_and_the_same_goes_on(ch, tmp_path, small_data):
    (tmp_path / "s.toml").write_text(CONFIG)
    words = ("search", "jsc-tiny", small_data, "--config", "s.toml", "--strategy", "random")
    best, kept = SOFTWARE / "search_ckpts/best.json", SOFTWARE / "earlier/search_ckpts-1/best.json"
    assert ch(*words).code == 0
    first = best.read_text()
    (tmp_path / "s.toml").write_text(CONFIG.replace("n_trials = 4", "n_trials = 5"))
    assert ch(*words).code == 0 and not kept.exists()  # the same study, longer
    assert len(json.loads(best.with_name("log.json").read_text())) == 5
    longer = best.read_text()
    assert ch(*words, "--seed", 3).code == 0
    assert kept.read_text() == longer and first
    assert (SOFTWARE / "search_ckpts/study_journal.log").is_file()
    assert ch(*words).code == 0 and best.read_text() == longer  # and the first goes on from its journal
    assert "trials 5" in ch("runs", "mase_output/p").out


def test_runs_of_nothing(ch, tmp_path):
    ch("runs", "nowhere").is_refused("there is no folder 'nowhere'")
    (tmp_path / "empty").mkdir()
    assert ch("runs", "empty").out == "No runs in empty\n"
    old = tmp_path / "old/p/software/training_ckpts"
    old.mkdir(parents=True)
    (old / "best.ckpt").write_text("of a version without records")
    assert "train" in ch("runs", "old").out


def test_what_does_not_change_results_is_no_other_run():
    from chop.cli.merge import merge_loaded

    table = {"search": {"strategy": {"setup": {"n_trials": 3, "sampler": "tpe"}}}}
    other = {"search": {"strategy": {"setup": {"n_trials": 9, "sampler": "tpe", "timeout": 2}}}}
    third = {"search": {"strategy": {"setup": {"n_trials": 3, "sampler": "random"}}}}

    def of(typed, tables):
        return signature("search", merge_loaded(typed, tables, "a.toml"))

    assert of({}, table) == of({"workers": "3", "log_level": "debug", "storage": "x"}, other)
    assert len({of({}, table), of({"seed": "1"}, table), of({}, third), of({"model": "m"}, table)}) == 4
