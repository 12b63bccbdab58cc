"""Storage URLs: what is taken, what is refused before anything is written, and that passwords stay hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chop.actions.search.journal import storage as storage_module
from chop.actions.search.journal.storage import StorageAddress, masked
from chop.tools.errors import ConfigError
from tests.search.postgresql import free_port


@pytest.mark.parametrize(
    ("url", "kind", "path"),
    [
        ("journal:///a/b.log", "journal", "/a/b.log"),
        ("journal://b.log", "journal", "b.log"),
        ("sqlite:///b.db", "sqlite", "b.db"),
        ("sqlite:////a/b.db", "sqlite", "/a/b.db"),
        ("postgresql://u@h/db", "postgresql", None),
        ("postgres://u:p@h:5432/db", "postgresql", None),
        ("postgresql+psycopg://h/db", "postgresql", None),
    ],
)
def test_forms(url: str, kind: str, path: str | None) -> None:
    address = StorageAddress(url)
    assert address.kind == kind and address.path == (Path(path) if path else None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("study.log", "must be journal:///PATH"),
        ("postgresq://h/db", "did you mean 'postgresql'"),
        ("mysql://h/db", "must be journal:///PATH"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("journal://", "names no file"),
        ("grpc://host:13000", "storage must be journal:///PATH"),
        ("postgresql://host", "must be postgresql://USER@HOST/DB"),
        ("postgresql://host:port/db", "must be postgresql://USER@HOST/DB"),
        ("out/study.pkl", "is a pickle, and reading a pickle can run any code"),
        ("journal:///out/study.pickle", "is a pickle"),
    ],
)
def test_refused_forms(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("+", r"\+")):
        StorageAddress(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cr3t@db/x",
        "postgresql://me:s3cr3t@db:99999999/x",
        "postgresql://me:s3c@r3t@db/s3cr3t@x?password=s3cr3t",
        "postgres:s3cr3t://me:s3cr3t@db",
        "mysql://:s3cr3t@db/x",
        "postgresql://db/x?user=a&password=s3cr3t&sslmode=off",
    ],
)
def test_passwords_are_not_shown(url: str) -> None:
    shown = masked(url)
    try:
        shown += StorageAddress(url).label
    except ConfigError as error:
        shown += str(error)
    assert "s3cr3t" not in shown.replace("postgres:s3cr3t://", "") and "r3t@" not in shown


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"\x80\x04pickled")
    (tmp_path / "b.log").write_text("hello")
    (tmp_path / "c.db").write_text("hello")
    for url, words in (
        (f"journal://{tmp_path}/a.log", "is a pickle"),
        (f"journal://{tmp_path}/b.log", "is not an Optuna journal"),
        (f"sqlite:///{tmp_path}/c.db", "is not an SQLite database"),
        (f"sqlite:///{tmp_path}/no/c.db", "there is no folder"),
        (f"journal://{tmp_path}", "is a folder"),
    ):
        with pytest.raises(ConfigError, match=words):
            StorageAddress(url).check()
    StorageAddress(f"journal://{tmp_path}/new.log").check()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(
        ConfigError, match=r"which is not installed: pip install 'psycopg\[binary\]'"
    ) as error:
        StorageAddress("postgresql://u:s3cr3t@h/db").check()
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("form", ["postgresql://u:s3cr3t@127.0.0.1:{port}/db"])
def test_a_server_that_does_not_answer(
    form: str, changed: Callable[..., Any], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(storage_module, "CONNECT_SECONDS", 2)
    url = form.format(port=free_port())
    with pytest.raises(ConfigError, match=r"cannot be used: .*(refused|timeout)") as error:
        run(changed({"strategy.setup.storage": url}), tmp_path / "out")
    assert "s3cr3t" not in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_command_line_refuses_and_writes_nothing(
    tmp_path: Path, capsys: Any, config: dict[str, Any]
) -> None:
    from chop.cli.app import main
    from chop.tools.config_load import save_config

    table = {"model": "jsc-tiny", "dataset": "jsc-synth", "num_workers": 0, **config}
    path = save_config(table, tmp_path / "search.toml")
    for url, words in (
        ("postgresql://me:s3cr3t@127.0.0.1:1/db", "storage 'postgresql://me:***@127.0.0.1:1/db'"),
        (str(tmp_path / "study.pkl"), "is a pickle"),
        ("redis://me:s3cr3t@x", "storage must be"),
    ):
        code = main(
            ["search", "--config", str(path), "--storage", url, "--project-dir", str(tmp_path / "out")]
        )
        out, err = capsys.readouterr()
        last = err.splitlines()[-1]
        assert code == 2 and last.startswith("ch: ") and words in last, err
        assert "s3cr3t" not in out + err
    assert not (tmp_path / "out").exists()
    (tmp_path / "old.pkl").write_bytes(b"\x80\x04K\x01.")
    assert main(["search", "--config", str(path), "--load", str(tmp_path / "old.pkl")]) == 2
    assert "is a pickle, and reading a pickle can run any code" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Query string")
def test_the_table_of_options_hides_the_password(tmp_path: Path, capsys: Any, config: dict[str, Any]) -> None:
    from chop.cli.app import main
    from chop.tools.config_load import save_config

    url = f"sqlite:///{tmp_path}/a.db?password=s3cr3t"
    table = {"model": "jsc-tiny", "dataset": "jsc-synth", "num_workers": 0, "storage": url, **config}
    path = save_config(table, tmp_path / "search.toml")
    out_folder = str(tmp_path / "out")
    assert main(["search", "--config", str(path), "--storage", url, "--project-dir", out_folder]) == 0
    said = "".join(capsys.readouterr())
    assert "storage" in said and "s3cr3t" not in said.replace("\n", "")
