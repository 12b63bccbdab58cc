"""A reader sees the old file or the new one; a failed write names the file and leaves nothing behind."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from chop.tools.atomic_write import atomic_write


@pytest.mark.parametrize("data", ["text\n", b"\x00bytes", ""])
def test_writes_and_makes_folders(tmp_path: Path, data: str | bytes) -> None:
    path = atomic_write(tmp_path / "a" / "b", data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_a_failed_write_keeps_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "file", "old")
    old_limit, old_handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old_limit[1]))
        with pytest.raises(OSError, match="file") as error:
            atomic_write(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert error.value.filename == str(path)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["file"]
