"""Where a finished study is copied to, by URL: checked before anything runs, and never shown with a password."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

FORMS = "journal:///PATH, sqlite:///FILE.db or postgresql://USER@HOST/DB"
CONNECT_SECONDS = 10
_SCHEMES = {"postgres": "postgresql", "postgresql+psycopg": "postgresql"}
_KINDS = ("journal", "sqlite", "postgresql")


class StorageAddress:
    """A storage's URL.

    Args:
        url: ``journal:///PATH`` (an absolute path; ``journal://PATH`` is relative), ``sqlite:///FILE.db``
            (relative; four slashes for an absolute path), or ``postgresql://USER@HOST/DB``.

    Attributes:
        kind: "journal", "sqlite" or "postgresql".
        path: the file of a journal or an SQLite database, else None.
        label: the URL without its password.

    Raises:
        ConfigError: another form, or a pickled study.

    >>> StorageAddress("postgresql://me:secret@db/studies").label
    'postgresql://me:***@db/studies'
    >>> StorageAddress("old.pkl")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: storage 'old.pkl' is a pickle, and reading a pickle can run any code: it is \
refused; run the search anew into journal:///PATH, sqlite:///FILE.db or postgresql://USER@HOST/DB
    """

    def __init__(self, url: str) -> None:
        scheme, separator, rest = url.partition("://")
        if Path(rest or url).suffix in (".pkl", ".pickle"):
            raise ConfigError(_pickled(masked(url)))
        self.kind = _SCHEMES.get(scheme, scheme)
        if not separator or self.kind not in _KINDS:
            near = did_you_mean(scheme, _KINDS) if separator else ""
            raise ConfigError(f"storage must be {FORMS}, got {masked(url)!r}{near}")
        self._url, self.label = url, masked(url)
        self.path = self._path(rest)
        if self.kind == "postgresql":
            self._check_database(rest)

    @classmethod
    def of_journal(cls, path: Path) -> StorageAddress:
        """The address of a journal file."""
        return cls(f"journal://{path}")

    def _path(self, rest: str) -> Path | None:
        if self.kind == "journal":
            path = rest
        elif self.kind == "sqlite":
            path = rest.partition("?")[0].removeprefix("/")
        else:
            return None
        if not path or "\0" in path or (self.kind == "sqlite" and (not rest.startswith("/") or ":" in path)):
            raise ConfigError(f"storage {self.label!r} names no file: {FORMS}")
        return Path(path)

    def _check_database(self, rest: str) -> None:
        try:
            parts = urllib.parse.urlsplit(f"postgresql://{rest}")
            usable = bool(parts.path.strip("/")) and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(f"storage {self.label!r} must be postgresql://USER@HOST/DB or …HOST:PORT/DB")

    def check(self) -> None:
        """See that the storage can be opened; nothing is written.

        Raises:
            ConfigError: a driver that is not installed, a folder that is not there, a file of another kind, a
                server that does not answer.
        """
        if self.kind == "postgresql" and importlib.util.find_spec("psycopg") is None:
            hint = how_to_install("dist", ["psycopg"])
            raise ConfigError(f"storage {self.label!r} needs psycopg, which is not installed: {hint}")
        if self.path is not None:
            self._check_file(self.path)
        else:
            with self.failures(ConfigError):
                self._connect()

    def _check_file(self, path: Path) -> None:
        if path.is_dir():
            raise ConfigError(f"storage {self.label!r}: {str(path)!r} is a folder, not a file")
        if not path.parent.is_dir():
            raise ConfigError(f"storage {self.label!r}: there is no folder {str(path.parent)!r}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigError(f"storage {self.label!r}: {str(path)!r} cannot be written")
        if not path.exists():
            return
        with path.open("rb") as file:
            head = file.read(16)
        if head[:1] == b"\x80":
            raise ConfigError(_pickled(self.label))
        wanted = b"{" if self.kind == "journal" else b"SQLite format 3\0"
        if head and not head.startswith(wanted):
            what = (
                "an Optuna journal: line 1 is no record" if self.kind == "journal" else "an SQLite database"
            )
            raise ConfigError(f"storage {self.label!r}: {str(path)!r} is not {what}")

    def _connect(self) -> None:
        import psycopg

        psycopg.connect(self._url_for("postgresql"), connect_timeout=CONNECT_SECONDS).close()

    def _url_for(self, scheme: str) -> str:
        return f"{scheme}://{self._url.partition('://')[2]}"

    def open(self, read_only: bool = False) -> Any:
        """Return the Optuna storage, its file or tables made if they are not there.

        Args:
            read_only: a journal is read as it is; no file is made or mended.
        """
        import optuna

        if self.kind == "journal":
            from chop.actions.search.journal.file import JournalFile

            return optuna.storages.JournalStorage(JournalFile(Path(str(self.path)), read_only))
        scheme = "sqlite" if self.kind == "sqlite" else "postgresql+psycopg"
        wait = {} if self.kind == "sqlite" else {"connect_timeout": CONNECT_SECONDS}
        return optuna.storages.RDBStorage(self._url_for(scheme), engine_kwargs={"connect_args": wait})

    @contextlib.contextmanager
    def failures(self, kind: type[Exception]) -> Iterator[None]:
        """Turn what the storage raises in this block into one sentence without the password.

        Args:
            kind: of the exception.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, kind) and str(error).startswith(f"storage {self.label!r}"):
                raise  # an inner block said it
            reason = self._reason(error)
            if reason is None:
                raise
            hint = "" if kind is ConfigError else "; the study is in its journal, the same command copies it"
            raise kind(f"storage {self.label!r} cannot be used: {reason}{hint}") from None

    def _reason(self, error: BaseException) -> str | None:
        """What went wrong, where it was the storage's fault."""
        modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
        storages = {"sqlalchemy", "psycopg", "sqlite3", "alembic"}
        if not modules & storages and type(error).__name__ not in ("StorageInternalError", "ConnectionError"):
            return None
        if type(error).__name__ == "StorageInternalError" and error.__cause__ is not None:
            error = error.__cause__
        detail = getattr(error, "orig", None) or error
        text = str(detail)
        password = urllib.parse.urlsplit(self._url).password if self.kind == "postgresql" else None
        for secret in {password, urllib.parse.unquote(password)} if password else ():
            text = text.replace(secret, "***")
        return " ".join(text.split()) or type(error).__name__


def masked(url: str) -> str:
    """Return a URL with ``***`` in place of its password.

    >>> masked("postgresql://me:se@cret@db/x?password=abc"), masked("journal:///a/b.log")
    ('postgresql://me:***@db/x?password=***', 'journal:///a/b.log')
    """
    url = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"(?i)((?:pass(?:word|wd|file)?|pwd)=)[^&]*", r"\1***", url)


def _pickled(label: str) -> str:
    return (
        f"storage {label!r} is a pickle, and reading a pickle can run any code: it is refused; "
        f"run the search anew into {FORMS}"
    )
