"""The zip files of ``torch.save``, walked from the first byte to the last: torch itself does not read their checksums.

The form is fixed: parts without compression, one behind the other, then the directory, and nothing else. So each byte
belongs to a part whose CRC-32 is known, or to a field that is said twice, or to one that decides nothing.
Source of the layout: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BrokenZip", "check_zip"]

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_FULL = 0xFFFFFFFF  # the value is in the field of 64 bits
_DESCRIPTOR_FOLLOWS, _UTF8 = 0x0008, 0x0800


class BrokenZip(ValueError):
    """The bytes are no whole zip file of ``torch.save``; the message is the reason."""


class _Directory(NamedTuple):
    at: int
    size: int
    entries: int


class _Entry(NamedTuple):
    name: bytes
    flags: int
    crc: int
    size: int
    at: int  # of the local header
    end: int  # of the directory's entry


def check_zip(payload: bytes) -> list[str]:
    """Check every part of a file by its CRC-32, and that there is nothing beside the parts.

    Args:
        payload: the whole file.

    Returns:
        The names of the parts.

    Raises:
        BrokenZip: truncated or altered, or not as ``torch.save`` writes it.
    """
    directory = _directory(payload)
    at, place, names = 0, directory.at, []
    for _ in range(directory.entries):
        entry = _entry(payload, place, directory.at + directory.size)
        if entry.at != at:
            raise BrokenZip("its parts overlap or leave a gap")
        at, place = _check_part(payload, entry, directory.at), entry.end
        names.append(entry.name)
    if at != directory.at or place != directory.at + directory.size:
        raise BrokenZip("there are bytes that belong to no part")
    if len(set(names)) != len(names):
        raise BrokenZip("two of its parts have one name")
    return [name.decode("utf-8", "replace") for name in names]


def _read(form: struct.Struct, payload: bytes, at: int, mark: bytes) -> tuple[int, ...]:
    if at < 0 or at + form.size > len(payload) or payload[at : at + 4] != mark:
        raise BrokenZip("its directory is damaged, or the end is missing")
    return form.unpack_from(payload, at)[1:]


def _directory(payload: bytes) -> _Directory:
    end = len(payload) - _END.size
    disk, first, here, entries, size, at, comment = _read(_END, payload, end, b"PK\5\6")
    if disk or first or here != entries or comment:
        raise BrokenZip("its end is damaged")
    if payload[max(0, end - _LOCATOR.size) :][:4] == b"PK\6\7":
        end -= _LOCATOR.size
        on_disk, end_64, disks = _read(_LOCATOR, payload, end, b"PK\6\7")
        end -= _END_64.size
        found = _read(_END_64, payload, end, b"PK\6\6")
        rest, disk, first, here, large, large_size, large_at = (found[0], *found[3:])
        same = all(
            short in (long, full)
            for short, long, full in (
                (entries, large, 0xFFFF),
                (size, large_size, _FULL),
                (at, large_at, _FULL),
            )
        )
        if on_disk or disks != 1 or end_64 != end or rest != 44 or disk or first or here != large or not same:
            raise BrokenZip("its end is damaged")
        entries, size, at = large, large_size, large_at
    if at + size != end:
        raise BrokenZip("its directory is damaged")
    return _Directory(at, size, entries)


def _entry(payload: bytes, place: int, limit: int) -> _Entry:
    fields = _read(_ENTRY, payload, place, b"PK\1\2")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment, disk, _, attributes, at = (
        fields
    )
    name_at = place + _ENTRY.size
    end = name_at + name_size + extra_size
    # torch takes a part with an attribute of MS-DOS (a folder) for empty, and leaves its tensor as memory was.
    if (
        end > limit
        or comment
        or disk
        or attributes & 0xFF
        or payload[name_at : name_at + name_size].endswith(b"/")
    ):
        raise BrokenZip("its directory is damaged")
    if flags & ~(_DESCRIPTOR_FOLLOWS | _UTF8) or method:
        raise BrokenZip("its parts are compressed or encrypted")
    large = _large_fields(payload[name_at + name_size : end])
    values = [next(large, -1) if value == _FULL else value for value in (size, packed, at)]
    if values[0] != values[1]:
        raise BrokenZip("its directory is damaged")
    return _Entry(payload[name_at : name_at + name_size], flags, crc, values[0], values[2], end)


def _large_fields(extra: bytes) -> Iterator[int]:
    """The numbers of 64 bits among the extra fields of an entry, in their order."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            part = extra[at + 4 : at + 4 + size]
            yield from (int.from_bytes(part[i : i + 8], "little") for i in range(0, len(part) - 7, 8))
        at += 4 + size


def _check_part(payload: bytes, entry: _Entry, limit: int) -> int:
    """Check one part against its entry; return where the next one begins."""
    _, flags, method, _, _, crc, packed, size, name_size, extra_size = _read(
        _LOCAL, payload, entry.at, b"PK\3\4"
    )
    name_at = entry.at + _LOCAL.size
    start = name_at + name_size + extra_size
    end = start + entry.size
    name = entry.name.decode("utf-8", "replace")
    if name_size != len(entry.name) or payload[name_at : name_at + name_size] != entry.name:
        raise BrokenZip(f"the part {name!r} has two names")
    if end > limit or flags != entry.flags or method:
        raise BrokenZip(f"the head of the part {name!r} is damaged")
    if zlib.crc32(memoryview(payload)[start:end]) != entry.crc:
        raise BrokenZip(f"the CRC-32 of the part {name!r} does not match")
    if flags & _DESCRIPTOR_FOLLOWS:
        told = struct.pack("<4sI", b"PK\7\x08", entry.crc)
        for number in ("<2I", "<2Q"):
            with_sizes = told + struct.pack(number, *(entry.size & (_FULL if "I" in number else -1),) * 2)
            if payload[end : end + len(with_sizes)] == with_sizes:
                return end + len(with_sizes)
        raise BrokenZip(f"the end of the part {name!r} is damaged")
    if crc != entry.crc or any(value not in (entry.size, _FULL) for value in (packed, size)):
        raise BrokenZip(f"the head of the part {name!r} is damaged")
    return end
