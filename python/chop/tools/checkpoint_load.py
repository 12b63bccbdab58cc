"""Reading and writing model weights: Lightning checkpoints, state dicts, and chop's own ``.mz``.

An ``.mz`` file is a safetensors file whose metadata hold a JSON text: format, version, SHA-256 of the file
and of its parts, and what the writer adds. The first digest covers every byte of the file (with that digest
itself read as zeros), so a flipped bit anywhere is found; those of the parts, tensors and description, say
where. safetensors alone and ``torch.load`` accept wrong numbers. Nothing here executes a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import torch
from torch import Tensor, nn

from chop.registry import did_you_mean
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

_FORMAT = "chop-mz"
_VERSION = 1
_NO_DIGEST = b"0" * 64
_TENSORS_MARK = b'\\"tensors\\": \\"'
_EXTRA_TENSOR = "@"  # opens the names of tensors that are no part of the model's state
_MARK = b'\\"sha256\\": \\"'  # the metadata are JSON inside JSON, so quotes carry a backslash

ModelT = TypeVar("ModelT", bound=nn.Module)


@overload
def load_model(
    load_name: str | os.PathLike[str], load_type: str = ..., model: None = ...
) -> dict[str, Tensor]: ...
@overload
def load_model(load_name: str | os.PathLike[str], load_type: str, model: ModelT) -> ModelT: ...
def load_model(
    load_name: str | os.PathLike[str], load_type: str = "mz", model: nn.Module | None = None
) -> nn.Module | dict[str, Tensor]:
    """Load weights from a file (MASE's function).

    Args:
        load_name: the file.
        load_type: "pl" (Lightning ``.ckpt``), "pt" (``torch.save`` of a state dict) or "mz"
            (:func:`save_mz`).
        model: receives the weights in place; None asks for the tensors.

    Returns:
        ``model``, or the state dict when no model was given (tensors on the CPU).

    Raises:
        FileNotFoundError: no such file.
        ConfigError: an unknown type, a truncated, altered or foreign file, one that would have to execute
            a pickle, or tensors whose names or shapes do not fit the model (the model is then unchanged).
    """
    if load_type not in _READERS:
        hint = did_you_mean(load_type, _READERS)
        raise ConfigError(f"load_type must be one of {', '.join(sorted(_READERS))}, got {load_type!r}{hint}")
    path = Path(load_name)
    if not path.exists():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    if not path.is_file():
        raise ConfigError(f"checkpoint {path} is not a file")
    state = _READERS[load_type](path)
    if model is None:
        return state
    _check_fit(state, model, path)
    model.load_state_dict(state)
    return model


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

    >>> import tempfile
    >>> path = save_mz(nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "a.mz", extra={"note": "hello"})
    >>> state, extra = read_mz(path)
    >>> sorted(state), extra
    (['bias', 'weight'], {'note': 'hello'})
    """
    from safetensors.torch import save

    named = {**model.state_dict(), **{f"{_EXTRA_TENSOR}{name}": t for name, t in (tensors or {}).items()}}
    # A clone, because safetensors refuses tensors that share memory (tied weights do).
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in named.items()}
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
    return atomic_write(path, payload.replace(_MARK + _NO_DIGEST, _MARK + _digest(payload), 1))


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
    from safetensors import SafetensorError
    from safetensors.torch import load

    payload = Path(path).read_bytes()
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


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch comments on odd pickles; the error below says it all
            return torch.load(path, map_location="cpu", weights_only=True)
    # Foreign bytes make the unpickler fail in a dozen ways; each of them means the same to the user.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0][:160]
        raise ConfigError(
            f"checkpoint {path} cannot be read: it is truncated, not a torch file, "
            f"or holds objects other than tensors, which are refused ({reason})"
        ) from None


def _read_pt(path: Path) -> dict[str, Tensor]:
    return _state_dict(_read_torch(path), path)


def read_lightning(path: Path) -> dict[str, Any]:
    """Read the whole content of a Lightning ``.ckpt``; nothing but tensors and plain values is accepted.

    Raises:
        ConfigError: as :func:`load_model`.
    """
    content = _read_torch(path)
    if not isinstance(content, Mapping) or "state_dict" not in content:
        raise ConfigError(f"checkpoint {path} is not a Lightning checkpoint: it has no 'state_dict'")
    return dict(content)


def _read_pl(path: Path) -> dict[str, Tensor]:
    state = _state_dict(read_lightning(path)["state_dict"], path)
    # A wrapper keeps the network as `model`, and its metrics beside it.
    if any(name.startswith("model.") for name in state):
        state = {name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")}
    return state


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ConfigError(f"checkpoint {path} is not a state dict: names with tensors are expected")
    return dict(content)


def _check_fit(state: Mapping[str, Tensor], model: nn.Module, path: Path) -> None:
    own = model.state_dict()
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    if missing or unexpected:
        parts = [
            f"{word} {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
            for word, names in (("it lacks", missing), ("it has unknown", unexpected))
            if names
        ]
        raise ConfigError(f"checkpoint {path} does not fit {type(model).__name__}: {'; '.join(parts)}")
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise ConfigError(
                f"checkpoint {path} does not fit {type(model).__name__}: {name} has shape "
                f"{list(state[name].shape)}, the model needs {list(tensor.shape)}"
            )


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "mz": lambda path: read_mz(path)[0],
    "pl": _read_pl,
    "pt": _read_pt,
}
