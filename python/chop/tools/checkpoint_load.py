"""Reading model weights: Lightning checkpoints, state dicts, safetensors and chop's own ``.mz``.

The kind of a file is found in its first bytes. Every byte that decides a number is checked by a checksum before
anything is built, where the file has one, and nothing here executes a pickle.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from torch import Tensor, nn

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.mz_file import MzParts, looks_like_mz, parts_of, read_mz, read_mz_parts, save_mz
from chop.tools.state_dicts import state_for, states_in
from chop.tools.torch_file import is_old_torch_file, is_zip, read_torch

__all__ = [
    "LOAD_TYPES",
    "MzParts",
    "find_load_type",
    "load_model",
    "read_lightning",
    "read_mz",
    "read_mz_parts",
    "save_mz",
]

logger = get_logger(__name__)
LOAD_TYPES = ("mz", "pl", "pt")
_WHAT = {
    "mz": "a file of chop (mz)",
    "torch": "a file of torch.save (pt or pl)",
    "safetensors": "safetensors",
}
# What a network has, and a metric beside it has not.
_OF_LAYERS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

ModelT = TypeVar("ModelT", bound=nn.Module)


@overload
def load_model(
    load_name: str | os.PathLike[str], load_type: str | None = ..., model: None = ...
) -> dict[str, Tensor]: ...
@overload
def load_model(load_name: str | os.PathLike[str], load_type: str | None, model: ModelT) -> ModelT: ...
def load_model(
    load_name: str | os.PathLike[str], load_type: str | None = None, model: nn.Module | None = None
) -> nn.Module | dict[str, Tensor]:
    """Load weights from a file (MASE's function).

    The state may lie under a key (``{"model": state, "epoch": 3}``) and its names may begin with a prefix (``module.``,
    ``_orig_mod.``, ``net.``, …), as long as one place alone fits the model. Floats of another width are cast, and batch
    norms may lack ``num_batches_tracked``; the log says so.

    Args:
        load_name: the file. A ``FILE.sha256`` beside it (as ``sha256sum`` writes it) is checked.
        load_type: "pl" (Lightning ``.ckpt``), "pt" (``torch.save``), "mz" (:func:`save_mz`), or None: found by looking
            into the file, which may also be plain safetensors then.
        model: receives the weights in place; None asks for the tensors.

    Returns:
        ``model``, or the state dict when no model was given (tensors on the CPU, as they are stored).

    Raises:
        FileNotFoundError: no such file.
        ConfigError: an unknown type, a truncated, altered or foreign file, one that would have to execute
            a pickle, more than one state that fits, or tensors whose names, shapes or dtypes do not fit the model
            (the model is then unchanged).
    """
    content = _content(Path(load_name), load_type)
    if model is None:
        return _bare_state(content)
    model.load_state_dict(state_for(content.value, model, content.path))
    return model


def find_load_type(load_name: str | os.PathLike[str], load_type: str | None = None) -> str:
    """Return "mz", "pl", "pt" or "safetensors": ``load_type``, or what the content of the file says.

    >>> import tempfile
    >>> find_load_type(save_mz(nn.Linear(2, 1), Path(tempfile.mkdtemp()) / "best.ckpt"))
    'mz'
    """
    payload = _payload(Path(load_name), load_type)
    if load_type is not None:
        return load_type
    kind = _kind(payload)
    if kind != "torch":
        return kind or "pt"
    return "pl" if b"pytorch-lightning_version" in payload else "pt"


def read_lightning(path: Path) -> dict[str, Any]:
    """Read the whole content of a Lightning ``.ckpt``; nothing but tensors and plain values is accepted.

    Raises:
        FileNotFoundError, ConfigError: as :func:`load_model`.
    """
    return dict(_lightning(read_torch(_payload(path, "pl"), path), path))


class _Content(NamedTuple):
    path: Path
    kind: str
    value: Any


def _content(path: Path, load_type: str | None) -> _Content:
    payload = _payload(path, load_type)
    kind = _kind(payload)
    if load_type == "mz" or (load_type is None and kind == "mz"):
        if kind not in ("mz", None):
            raise ConfigError(
                f"checkpoint {path} is {_WHAT[kind]}, not mz: leave load_type out, or say pt or pl"
            )
        return _Content(path, "mz", parts_of(payload, path).state)
    if load_type is None and kind == "safetensors":
        return _Content(path, kind, _safetensors(payload, path))
    if kind in ("mz", "safetensors"):
        raise ConfigError(f"checkpoint {path} is {_WHAT[kind]}, not {load_type}: leave load_type out")
    value = read_torch(payload, path)
    return _Content(path, "pl", _lightning(value, path)) if load_type == "pl" else _Content(path, "pt", value)


def _payload(path: Path, load_type: str | None) -> bytes:
    if load_type is not None and load_type not in LOAD_TYPES:
        hint = did_you_mean(load_type, LOAD_TYPES)
        raise ConfigError(f"load_type must be one of {', '.join(LOAD_TYPES)}, got {load_type!r}{hint}")
    if not path.exists():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    if not path.is_file():
        raise ConfigError(f"checkpoint {path} is not a file")
    payload = path.read_bytes()
    _check_sum_beside(path, payload)
    return payload


def _check_sum_beside(path: Path, payload: bytes) -> None:
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file():
        return
    stored = re.match(rb"\\?([0-9a-fA-F]{64})(\s|$)", beside.read_bytes())
    if stored is None:
        raise ConfigError(
            f"checkpoint {path}: {beside.name} beside it holds no SHA-256; write it anew, or delete it"
        )
    if stored[1].decode().lower() != hashlib.sha256(payload).hexdigest():
        raise ConfigError(
            f"checkpoint {path} is truncated or altered: its SHA-256 is not that of {beside.name} beside it "
            "(delete that file if the checkpoint was written anew)"
        )


def _kind(payload: bytes) -> str | None:
    if is_zip(payload) or is_old_torch_file(payload):
        return "torch"
    if looks_like_mz(payload):
        return "mz"
    size = int.from_bytes(payload[:8], "little")
    return "safetensors" if payload[8:9] == b"{" and 2 <= size <= len(payload) - 8 else None


def _safetensors(payload: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = load(payload)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"checkpoint {path} is no whole safetensors file: {error}") from None
    logger.warning(
        "checkpoint %s has no checksums (safetensors of another program): a damaged one cannot be told", path
    )
    return state


def _lightning(content: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or "state_dict" not in content:
        raise ConfigError(f"checkpoint {path} is not a Lightning checkpoint: it has no 'state_dict'")
    return content


def _bare_state(content: _Content) -> dict[str, Tensor]:
    """The one state in a content, for a caller without a model."""
    value = content.value
    if isinstance(value, Mapping) and not value:
        return {}
    whole = [p for p in states_in(value) if all(isinstance(v, Tensor) for v in p.entries.values())]
    if len(whole) > 1:
        raise ConfigError(
            f"checkpoint {content.path} holds {len(whole)} states: {'; '.join(map(str, whole[:4]))}; "
            "without a model it cannot be told which one is meant"
        )
    if not whole:
        keys = f"; its keys are {', '.join(map(repr, list(value)[:6]))}" if isinstance(value, Mapping) else ""
        raise ConfigError(
            f"checkpoint {content.path} is not a state dict: names with tensors are expected{keys}"
        )
    state = dict(whole[0].entries)
    if whole[0].keys != ("state_dict",):
        return state
    # A wrapper of Lightning keeps the network as `model`, and its metrics beside it.
    inner = {name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")}
    layers = [
        name for name in state if name.rpartition(".")[2] in _OF_LAYERS and not name.startswith("model.")
    ]
    return inner if inner and not layers else state
