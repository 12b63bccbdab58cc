"""SHA-256 of data files: formats without checksums of their own load a flipped bit as another number."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from chop.tools.errors import ConfigError

_HEX = re.compile(r"[0-9a-f]{64}")
_LONGEST_SIDECAR = 1 << 16


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    facts = path.stat()
    return _sha256(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)


def check_digest(path: Path, wanted: str | None = None, published: str | None = None) -> bool:
    """Compare a file with the digests that are known of it.

    Those are the one given, the published one, and that of ``FILE.sha256`` beside the file (what ``sha256sum FILE``
    prints), each where there is one.

    Args:
        path: the file.
        wanted: 64 hexadecimal digits that the user gave.
        published: those of the registry.

    Returns:
        Whether there was anything to compare with.

    Raises:
        ConfigError: the file is another, or a digest is none.
    """
    known = {"data_sha256": parse_digest(wanted, "data_sha256")} if wanted is not None else {}
    if published is not None:
        known["the published file"] = parse_digest(published, "sha256 of the registry")
    sidecar = path.with_name(f"{path.name}.sha256")
    if sidecar.exists():
        known[str(sidecar)] = _read_sidecar(sidecar, path.name)
    for source, digest in known.items():
        if sha256_of(path) != digest:
            raise ConfigError(
                f"data_file: {path} is altered, cut or another file: its SHA-256 is {sha256_of(path)}, "
                f"{source} says {digest}"
            )
    return bool(known)


def parse_digest(text: object, where: str) -> str:
    """Return 64 hexadecimal digits in small letters.

    >>> parse_digest("AB" * 32, "data_sha256") == "ab" * 32
    True
    """
    found = str(text).strip().lower()
    if not _HEX.fullmatch(found):
        raise ConfigError(f"{where} must be 64 hexadecimal digits, got {str(text)[:80]!r}")
    return found


def _read_sidecar(sidecar: Path, name: str) -> str:
    try:
        with sidecar.open("rb") as file:
            text = file.read(_LONGEST_SIDECAR).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigError(f"{sidecar} cannot be read ({error.strerror})") from None
    lines = [line for line in text.splitlines() if line.strip()]
    # A list of sums may name several files; one line alone means the file that it lies beside.
    own = lines if len(lines) == 1 else [line for line in lines if name in re.split(r"[\s*()/]+", line)]
    found = {digest for line in own for digest in _HEX.findall(line.lower())}
    if len(found) != 1:
        raise ConfigError(f"{sidecar} must hold one SHA-256 for {name}, as sha256sum {name} prints it")
    return found.pop()


@lru_cache(maxsize=16)
def _sha256(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
