"""A journal damaged anywhere: one sentence with file and record, and not a byte of it is changed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from chop.actions.search.journal.file import JournalFile
from chop.actions.search.journal.study import JOURNAL_NAME
from chop.actions.study_report.sources import find_source
from chop.tools.errors import ConfigError
from tests.search.wrong_records import WRONG

KEY = re.compile(rb'"(\w+)":')


def study_of(backend: Any) -> Any:
    """Four trials of each road: claimed and finished, added at once, and one that is still running."""
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.create_study(storage=storage, study_name="s", directions=["maximize", "minimize"])
    study.set_user_attr("about", {"seed": 3})
    space = {
        "a": optuna.distributions.IntDistribution(0, 9),
        "b": optuna.distributions.CategoricalDistribution([4, 8, None]),
    }
    for number in range(3):
        trial = study.ask(space)
        trial.set_user_attr("config", {"width": 8 + number})
        study.tell(trial, [0.5 + number, 3.0])
    study.add_trial(
        optuna.trial.create_trial(params={"a": 3, "b": None}, distributions=space, values=[0.25, 2.5])
    )
    study.ask(space)
    return study


@pytest.fixture(scope="module")
def ours(tmp_path_factory: Any) -> bytes:
    """A journal with sums, as every writer of ours leaves it."""
    path = tmp_path_factory.mktemp("ours") / "j.log"
    study_of(JournalFile(path))
    return path.read_bytes()


@pytest.fixture(scope="module")
def optunas(tmp_path_factory: Any) -> bytes:
    """A journal without sums: Optuna's own, or an older one of ours."""
    path = tmp_path_factory.mktemp("optunas") / "j.log"
    study_of(JournalFileBackend(str(path)))
    return path.read_bytes()


def opened(path: Path, read_only: bool = True) -> Any:
    return optuna.storages.JournalStorage(JournalFile(path, read_only))


def told(data: bytes, path: Path) -> int:
    """The number of the record that is refused; 0 where all are taken. Nothing else may happen."""
    path.write_bytes(data)
    for read_only in (True, False):
        with pytest.raises(ConfigError) as said:
            opened(path, read_only)
        assert path.read_bytes() == data
        assert str(path) in str(said.value) and "\n" not in str(said.value) and len(str(said.value)) < 600
    number = re.search(r"(?:record \d+ \()?line (\d+)", str(said.value))
    assert number, str(said.value)
    return int(number[1])


def test_optuna_reads_ours_and_we_read_optunas(ours: bytes, optunas: bytes, tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    for data in (ours, optunas):
        path.write_bytes(data)
        seen = [
            [(t.number, t.state, t.values, t.params, t.user_attrs) for t in storage.get_all_trials(0)]
            for storage in (optuna.storages.JournalStorage(JournalFileBackend(str(path))), opened(path))
        ]
        assert seen[0] == seen[1] and len(seen[0]) == 5
    assert ours.count(b'"sum":') == ours.count(b"\n") and b'"sum":' not in optunas


def test_both_may_write_to_one_journal_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    study_of(JournalFileBackend(str(path)))
    for backend in (JournalFile(path), JournalFileBackend(str(path)), JournalFile(path)):
        study = optuna.load_study(storage=optuna.storages.JournalStorage(backend), study_name="s")
        study.tell(study.ask(), [1.0, 2.0])
    trials = opened(path).get_all_trials(0)
    assert [t.number for t in trials] == list(range(8)) and trials[7].values == [1.0, 2.0]
    data = path.read_bytes()
    last = data.splitlines(keepends=True)
    assert b'"sum":' not in last[0] and b'"sum":' in last[-1]
    # Optuna's record between two of ours is under the sum of ours that follows.
    foreign = max(i for i, line in enumerate(last) if b'"sum":' not in line and b'"values":[1.0,2.0]' in line)
    last[foreign] = last[foreign].replace(b"[1.0,2.0]", b"[1.0,3.0]")
    assert told(b"".join(last), path) == foreign + 2


def check_flips(data: bytes, places: Any, path: Path) -> None:
    for place, bit in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        line = data[:place].count(b"\n") + 1
        if bytes(flipped)[-1:] != b"\n":  # its end is torn: as if it had not been written
            continue
        assert told(bytes(flipped), path) in (line, line + 1), (place, bit)


def test_any_flipped_bit_is_noticed(ours: bytes, tmp_path: Path) -> None:
    draw = random.Random(0)
    check_flips(
        ours, [(draw.randrange(len(ours)), draw.randrange(8)) for _ in range(800)], tmp_path / "j.log"
    )


@pytest.mark.soak
def test_every_flipped_bit_is_noticed(ours: bytes, tmp_path: Path) -> None:
    check_flips(ours, ((place, bit) for place in range(len(ours)) for bit in range(8)), tmp_path / "j.log")


def moved(lines: list[bytes], draw: random.Random) -> list[bytes]:
    """One record lost, doubled, or in another's place; the last ones may be lost, as if never written."""
    lines, at = list(lines), draw.randrange(len(lines) - 1)
    how = draw.choice(["lost", "doubled", "swapped", "moved"])
    if how == "lost":
        del lines[at]
    elif how == "doubled":
        lines.insert(draw.randrange(at + 1, len(lines) + 1), lines[at])
    elif how == "swapped":
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    else:
        lines.insert(draw.choice([i for i in range(len(lines)) if i != at]), lines.pop(at))
    return lines


def test_records_lost_doubled_or_moved_are_noticed(ours: bytes, tmp_path: Path) -> None:
    draw = random.Random(1)
    lines = ours.splitlines(keepends=True)
    for _ in range(150):
        changed = moved(lines, draw)
        if changed != lines:
            assert told(b"".join(changed), tmp_path / "j.log")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_record_first_between_and_last(
    case: str, ours: bytes, optunas: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "j.log"
    for data in (ours, optunas):
        lines = data.splitlines(keepends=True)
        for at in (0, 2, len(lines)):
            wrong = b"".join([*lines[:at], WRONG[case], *lines[at:]])
            assert told(wrong, path) == at + 1


def mutated(record: Any, draw: random.Random) -> Any:
    """One entry of a record, at any depth, gone, under another name or of another kind."""
    keys = list(record)
    key = draw.choice(keys)
    if isinstance(record[key], dict) and record[key] and draw.random() < 0.5:
        return {**record, key: mutated(record[key], draw)}
    how = draw.choice(["gone", "renamed", "value", "value"])
    if how == "gone":
        return {name: value for name, value in record.items() if name != key}
    if how == "renamed":
        new = key[1:] + key[:1] if len(key) > 1 else "zz"
        return {(new if name == key else name): value for name, value in record.items()}
    odd = [
        None,
        True,
        -1,
        2**70,
        10**400,
        1e300,
        float("nan"),
        float("inf"),
        "",
        "x",
        [],
        [[1]],
        {},
        {"a": {}},
        1.5,
    ]
    return {**record, key: draw.choice(odd)}


def without_sum(record: Any) -> str:
    return repr({name: value for name, value in record.items() if name != "sum"})


def check_mutations(data: bytes, path: Path, count: int) -> int:
    """Each is read as some study or refused in words; how many were refused."""
    draw, refused = random.Random(2), 0
    lines = data.splitlines(keepends=True)
    for _ in range(count):
        changed, at = list(lines), draw.randrange(len(lines))
        record = new = json.loads(lines[at])
        while without_sum(new) == without_sum(
            record
        ):  # a last record that lost only its sum says what it said
            new = mutated(record, draw)
        changed[at] = json.dumps(new, separators=(",", ":")).encode() + b"\n"
        wrong = b"".join(changed)
        path.write_bytes(wrong)
        try:
            for trial in opened(path).get_all_trials(0):
                assert trial.values is None or len(trial.values) == 2
        except (ConfigError, KeyError) as error:
            # The study itself may be gone by its record's name; then there is no study 0, which all ask by name.
            assert isinstance(error, ConfigError) or at == 0
            assert f"line {at + 1})" in str(error) or f"line {at + 2})" in str(error) or at == 0
            refused += 1
        assert path.read_bytes() == wrong
    return refused


def test_any_change_of_a_record_is_told(ours: bytes, optunas: bytes, tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    lines = ours.splitlines(keepends=True)
    assert lines and check_mutations(ours, path, 300) == 300
    assert check_mutations(optunas, path, 700) > 400


@pytest.mark.soak
def test_any_change_of_a_record_is_told_in_bulk(ours: bytes, optunas: bytes, tmp_path: Path) -> None:
    path = tmp_path / "j.log"
    assert check_mutations(ours, path, 20_000) == 20_000
    assert check_mutations(optunas, path, 80_000) > 40_000


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        JournalFile(tmp_path)


@pytest.mark.parametrize("data", [b"\x89PNG\r", b'{"a": 1}', b"my notes", b"[1, 2"])
def test_another_file_named_by_mistake_stays_as_it_is(data: bytes, tmp_path: Path) -> None:
    """Without a line's end all of it would be a torn record."""
    assert told(data, tmp_path / "j.log") == 1


def test_every_reader_says_the_same(config: dict[str, Any], run: Callable[..., Any], tmp_path: Path) -> None:
    """The search that goes on, the report of a folder, of a file and of a URL."""
    run(config, tmp_path)
    journal = tmp_path / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"1", b"2", 1)
    journal.write_bytes(b"".join(lines))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    readers: list[Callable[[], Any]] = [
        lambda: run(config, tmp_path),
        lambda: find_source(str(tmp_path)),
        lambda: find_source(str(journal)),
        lambda: find_source(f"journal://{journal}"),
    ]
    for reader in readers:
        with pytest.raises(ConfigError, match=rf"{re.escape(str(journal))}.*record 3 \(line 3\) was changed"):
            reader()
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
