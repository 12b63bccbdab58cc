"""A PostgreSQL server of the system's packages, on loopback, for the tests that need one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

USER = "chop"


def _programs() -> Path:
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    folders = [path.parent for path in sorted(installed, reverse=True)]
    found = shutil.which("initdb")
    folders += [Path(os.path.realpath(found)).parent] if found else []
    for folder in folders:
        if (folder / "pg_ctl").exists():
            return folder
    pytest.skip("no PostgreSQL here: apt-get install postgresql")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A cluster in ``folder``; as root it runs under the user postgres, because PostgreSQL refuses root."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("psycopg", reason="no psycopg here: pip install 'psycopg[binary]'")
        self.programs, self.folder, self.port = _programs(), folder, free_port()
        self.prefix: list[str] = []
        if os.getuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL refuses root, and there is no user postgres")
            if shutil.which("runuser") is None:
                pytest.skip("PostgreSQL refuses root, and there is no runuser")
            os.chown(folder, account.pw_uid, account.pw_gid)
            self.prefix = ["runuser", "-u", "postgres", "--"]
        self._call("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._call("pg_ctl", "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str) -> None:
        self._call("pg_ctl", "-m", mode, "-w", "stop")

    def database(self, name: str) -> str:
        """Make a database and return its URL."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return self.url(name)

    def _call(self, program: str, *arguments: str) -> None:
        command = [*self.prefix, str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        # A sanitizer's library is for our processes. Not captured: the server would keep the pipe open.
        own = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        with (self.folder / f"{program}.txt").open("w") as said:
            done = subprocess.run(command, stdout=said, stderr=said, cwd="/", check=False, env=own)
        if done.returncode:
            text = Path(said.name).read_text()
            pytest.fail(f"{program} failed: {text}")
