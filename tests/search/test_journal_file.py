"""The journal's bytes: torn records, a full disk, several writers; what was acknowledged is never lost."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from chop.actions.search.journal.file import JournalFile, drop_torn_tail
from chop.actions.search.journal.study import JOURNAL_NAME


def record(number: int, size: int = 200) -> dict[str, Any]:
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {f"k{number}": "x" * size}}


def readable(path: Path) -> list[Any]:
    return list(JournalFile(path).read_logs(0))


def offsets_of(path: Path) -> tuple[bytes, int]:
    content = path.read_bytes()
    return content, content.rstrip(b"\n").rfind(b"\n") + 1


def check_offset(cut: int, content: bytes, last: int, folder: Path, run: Any, table: Any, whole: Any) -> None:
    """Cut the last record at ``cut`` bytes; the same command must end with the whole study."""
    (folder / JOURNAL_NAME).write_bytes(content[:cut])
    result = run(table, folder)
    assert [t.values for t in result.study.trials] == whole
    assert (folder / JOURNAL_NAME).read_bytes()[:last] == content[:last]
    assert drop_torn_tail(folder / JOURNAL_NAME) == 0


@pytest.mark.parametrize("count", [20, pytest.param(0, marks=pytest.mark.soak)])
def test_every_torn_end_is_dropped_and_done_again(
    count: int, config: dict[str, Any], run: Any, tmp_path: Path
) -> None:
    """At 20 offsets of the last record; the soak run takes every one."""
    whole = [t.values for t in run(config, tmp_path).study.trials]
    content, last = offsets_of(tmp_path / JOURNAL_NAME)
    step = max(1, (len(content) - last) // count) if count else 1
    for cut in range(last, len(content), step):
        check_offset(cut, content, last, tmp_path, run, config, whole)


def test_a_writer_cuts_off_what_another_left_torn(tmp_path: Path, caplog: Any) -> None:
    """Two open journals: one dies in the middle of a line, the other writes on."""
    path = tmp_path / "j.log"
    ours = JournalFile(path)
    ours.append_logs([record(0)])
    with path.open("ab") as torn:
        torn.write(b'{"op_code":2,"work')
    assert len(list(ours.read_logs(0))) == 1
    ours.append_logs([record(1), record(2)])
    assert "18 bytes dropped, every whole trial is kept" in caplog.text
    assert list(ours.read_logs(1)) == [record(1), record(2)] and readable(path) == list(map(record, range(3)))


def test_a_long_torn_record_and_one_without_any_line(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    JournalFile(path).append_logs([record(0)])
    size = path.stat().st_size
    with path.open("ab") as torn:
        torn.write(b"x" * 200_000)
    assert drop_torn_tail(path) == 200_000 and path.stat().st_size == size
    path.write_bytes(b"\0" * 70_000)
    assert drop_torn_tail(path) == 70_000 and path.stat().st_size == 0


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files here")
def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    journal = JournalFile(path)
    journal.append_logs([record(0)])
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for room in range(1, 240, 12):
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, limits[1]))
            with pytest.raises(OSError, match="too large"):
                journal.append_logs([record(1)])
            assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    journal.append_logs([record(2)])
    assert readable(path) == [record(0), record(2)]


def write(path: str, name: int, count: int) -> None:
    journal = JournalFile(Path(path))
    for number in range(count):
        journal.append_logs([record(1000 * name + number, size=5000)])


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(str(path), name, 40)) for name in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    keys = [next(iter(log["user_attr"])) for log in readable(path)]
    assert len(keys) == len(set(keys)) == 120


def test_only_what_is_acknowledged_waits_for_the_disk(
    tmp_path: Path, changed: Callable[..., Any], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    run(changed({"strategy.setup.n_trials": 1}), tmp_path / "warm")
    synced.clear()
    run(changed({"strategy.setup.storage": f"journal://{tmp_path}/a.log"}), tmp_path / "out")
    # log.json and best.json sync a file and its folder each; a study is two records and a name.
    assert 6 <= len(synced) <= 6 + 4 + 4
    storage = optuna.storages.JournalStorage(JournalFile(tmp_path / "a.log"))
    assert len(storage.get_all_studies()) == 1
