"""chop's own file of weights, ``.mz``: a safetensors file whose metadata hold a JSON text.

The text has format, version, SHA-256 of the file and of its parts, and what the writer adds. The first digest covers
every byte of the file (with that digest itself read as zeros), so a flipped bit anywhere is found; those of the
parts, tensors and description, say where. safetensors alone accepts wrong numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

__all__ = ["MzParts", "looks_like_mz", "mz_payload", "parts_of", "read_mz", "read_mz_parts", "save_mz"]

_FORMAT = "chop-mz"
_VERSION = 1
_FLOATS = ("float64", "float32", "float16", "bfloat16", "complex64")
_FLOATS_8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
_INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
_DTYPES = frozenset((*_FLOATS, *_FLOATS_8, *_INTEGERS))  # those that safetensors has
_NO_DIGEST = b"0" * 64
_TENSORS_MARK = b'\\"tensors\\": \\"'
_EXTRA_TENSOR = "@"  # opens the names of tensors that are no part of the model's state
_MARK = b'\\"sha256\\": \\"'  # the metadata are JSON inside JSON, so quotes carry a backslash


def save_mz(
    model: nn.Module,
    path: str | os.PathLike[str],
    extra: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a model's weights and buffers as ``.mz``, atomically.

    Args:
        model: its ``state_dict()`` is written; equal models give equal bytes.
        path: target file.
        extra: JSON values to keep beside the tensors; :func:`read_mz` gives them back.
        tensors: further tensors that are no part of the state; :func:`read_mz_parts` gives them back.

    Returns:
        The path written.

    Raises:
        ConfigError: a tensor that safetensors cannot hold; it is named.

    >>> import tempfile
    >>> path = save_mz(nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "a.mz", extra={"note": "hello"})
    >>> state, extra = read_mz(path)
    >>> sorted(state), extra
    (['bias', 'weight'], {'note': 'hello'})
    """
    return atomic_write(path, mz_payload(model, extra, tensors))


def mz_payload(
    model: nn.Module, extra: Mapping[str, Any] | None = None, tensors: Mapping[str, Tensor] | None = None
) -> bytes:
    """Return the bytes that :func:`save_mz` writes; raises as it does."""
    from safetensors.torch import save

    named = {**model.state_dict(), **{f"{_EXTRA_TENSOR}{name}": t for name, t in (tensors or {}).items()}}
    plain = {name: _plain(name, tensor) for name, tensor in named.items()}
    # The digest comes first: the reader takes the first one it sees, whatever `extra` holds.
    facts = {
        "sha256": _NO_DIGEST.decode(),
        "format": _FORMAT,
        "version": _VERSION,
        "parts": {"tensors": _NO_DIGEST.decode(), "description": _description_digest(dict(extra or {}))},
        "extra": dict(extra or {}),
    }
    payload = save(plain, metadata={"chop": json.dumps(facts)})
    payload = payload.replace(_TENSORS_MARK + _NO_DIGEST, _TENSORS_MARK + _digest(_data_of(payload)), 1)
    return payload.replace(_MARK + _NO_DIGEST, _MARK + _digest(payload), 1)


def _plain(name: str, tensor: Any) -> Tensor:
    """A copy on the CPU: safetensors refuses tensors that share memory, as tied weights do."""
    what = type(tensor).__name__
    if isinstance(tensor, Tensor):
        kinds = ("is_meta", "is_sparse", "is_sparse_csr", "is_quantized", "is_mkldnn", "is_nested")
        what = next((kind[3:] for kind in kinds if getattr(tensor, kind)), "")
        what = "uninitialized" if isinstance(tensor, (UninitializedBuffer, UninitializedParameter)) else what
    if what:
        raise ConfigError(
            f"tensor {name} cannot be saved: a file holds dense tensors with values, got {what}"
        )
    made = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().clone()
    if str(made.dtype).removeprefix("torch.") not in _DTYPES:
        raise ConfigError(f"tensor {name} cannot be saved: safetensors has no {made.dtype}")
    return made


def read_mz(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read an ``.mz`` file: the state dict in it and the writer's ``extra``.

    Raises:
        ConfigError: truncated, altered, of a newer version, or not an ``.mz`` file.
    """
    parts = read_mz_parts(path)
    return parts.state, parts.extra


class MzParts(NamedTuple):
    """What an ``.mz`` file holds: the model's state, further tensors, JSON values."""

    state: dict[str, Tensor]
    tensors: dict[str, Tensor]
    extra: dict[str, Any]


def read_mz_parts(path: str | os.PathLike[str]) -> MzParts:
    """Read everything that :func:`save_mz` wrote; raises as :func:`read_mz` does."""
    return parts_of(Path(path).read_bytes(), path)


def looks_like_mz(payload: bytes) -> bool:
    """True for a safetensors file that chop wrote, damaged or not."""
    header = payload[8 : 8 + int.from_bytes(payload[:8], "little")]
    return any(mark in header for mark in (_MARK, _TENSORS_MARK, _FORMAT.encode()))


def parts_of(payload: bytes, path: str | os.PathLike[str]) -> MzParts:
    """Read the bytes of an ``.mz`` file; ``path`` is for messages. Raises as :func:`read_mz` does."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    start = payload.find(_MARK) + len(_MARK)
    stored = payload[start : start + 64]
    if start < len(_MARK) or len(stored) < 64:
        raise ConfigError(f"checkpoint {path} is not a chop .mz file, or only the beginning of one")
    blank = payload[:start] + _NO_DIGEST + payload[start + 64 :]
    if _digest(blank) != stored:
        part = _broken_part(payload)
        raise ConfigError(
            f"checkpoint {path} is truncated or altered: the SHA-256 of its {part} does not match"
        )
    try:
        facts = _facts_of(payload)
        version, extra = facts["version"], facts["extra"]
        tensors = load(payload)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"checkpoint {path} is not a chop .mz file: {error}") from None
    if facts.get("format") != _FORMAT or version != _VERSION:
        raise ConfigError(f"checkpoint {path} has version {version!r}, this chop reads version {_VERSION}")
    further = {n.removeprefix(_EXTRA_TENSOR): t for n, t in tensors.items() if n.startswith(_EXTRA_TENSOR)}
    state = {name: tensor for name, tensor in tensors.items() if not name.startswith(_EXTRA_TENSOR)}
    return MzParts(state, further, extra)


def _broken_part(payload: bytes) -> str:
    """Name the part whose own digest fails too; "content" where that cannot be told."""
    try:
        facts = _facts_of(payload)
        if facts["parts"]["tensors"].encode() != _digest(_data_of(payload)):
            return "tensors"
        if facts["parts"]["description"] != _description_digest(facts["extra"]):
            return "description"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the header itself is broken, or older than the digests of parts
    return "content"


def _facts_of(payload: bytes) -> dict[str, Any]:
    length = int.from_bytes(payload[:8], "little")
    facts: dict[str, Any] = json.loads(json.loads(payload[8 : 8 + length])["__metadata__"]["chop"])
    return facts


def _data_of(payload: bytes) -> bytes:
    return payload[8 + int.from_bytes(payload[:8], "little") :]


def _description_digest(extra: Mapping[str, Any]) -> str:
    return _digest(json.dumps(extra, sort_keys=True).encode()).decode()


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode()
