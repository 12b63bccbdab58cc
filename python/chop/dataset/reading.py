"""What every reader of data files does alike: one error for whatever is wrong with a file, and a limit on unpacking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chop.tools.errors import ConfigError

_FREE = 16 << 20  # bytes that any file may unpack to
_RATIO = 50  # float data shrink to a half, padded images in float64 to a thirtieth
_LARGEST = 16 << 30  # the whole OpenML table takes 0.1 GB
MEGABYTE = 10**6


@contextmanager
def reading(path: Path, kind: str, what: str = "") -> Iterator[None]:
    """Turn whatever a library raises about a damaged or foreign file into one sentence.

    Args:
        path: the file, which exists.
        kind: of file, such as ".npz".
        what: opens the message, such as "data_file".

    Raises:
        ConfigError: instead of any exception but this one.

    >>> with reading(Path("a.h5"), "HDF5"):
    ...     raise KeyError("no group")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: a.h5 is not a readable HDF5 file ('no group')
    """
    try:
        yield
    except ConfigError:
        raise
    # Damaged bytes make zlib, tokenize, h5py and pyarrow fail in dozens of ways; each means the same to the user.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        opening = f"{what}: " if what else ""
        raise ConfigError(f"{opening}{path} is not a readable {kind} file ({reason})") from None


def check_unpacked(declared: int, held: int, where: str, allowed_mb: int | None = None) -> None:
    """Refuse a file that declares far more than its size makes likely, before any memory is taken.

    Without consent a file may unpack to 16 MiB and 50 times its own size.

    Args:
        declared: bytes that the arrays take in memory.
        held: bytes that the file holds of them.
        where: opens the message.
        allowed_mb: the user's consent, in megabytes (10^6 bytes).

    Raises:
        ConfigError: more than that.

    >>> check_unpacked(10**7, 10**4, "a.npz")
    >>> check_unpacked(10**9, 10**6, "a.npz", allowed_mb=1000)
    """
    limit = min(_FREE + _RATIO * held, max(_LARGEST, held))
    if declared <= max(limit, (allowed_mb or 0) * MEGABYTE):
        return
    needed = -(-declared // MEGABYTE)
    raise ConfigError(
        f"{where} declares {needed} MB, the file holds {held / MEGABYTE:.1f} MB of it: if that is right, "
        f"store it without compression or allow it with max_unpacked_mb = {needed} (--max-unpacked-mb)"
    )
