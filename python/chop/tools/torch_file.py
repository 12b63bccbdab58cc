"""Files of ``torch.save``: their checksums are read before anything is built, and nothing but plain values is built."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger
from chop.tools.torch_zip import BrokenZip, check_zip

__all__ = ["is_old_torch_file", "is_zip", "read_torch"]

logger = get_logger(__name__)
_ZIP = b"PK\3\4"
_OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that opens files of torch before 1.6


def is_zip(payload: bytes) -> bool:
    """True for a zip file, which is what ``torch.save`` writes."""
    return payload.startswith(_ZIP)


def is_old_torch_file(payload: bytes) -> bool:
    """True for a file of ``torch.save`` before torch 1.6: no zip, no checksums."""
    return payload.startswith(_OLD)


def read_torch(payload: bytes, path: Path) -> Any:
    """Read the content of a file of ``torch.save``, tensors on the CPU.

    Args:
        payload: the whole file.
        path: where it comes from, for messages.

    Raises:
        ConfigError: truncated or altered (a CRC-32 that does not match), foreign, or with objects other than
            tensors and plain values; their classes are named.
    """
    if is_zip(payload):
        try:
            parts = check_zip(payload)
        except BrokenZip as error:
            raise ConfigError(f"checkpoint {path} is truncated or altered: {error}") from None
        if any(name.endswith("/constants.pkl") for name in parts):
            raise ConfigError(f"checkpoint {path} is a TorchScript program; save its state dict instead")
    elif is_old_torch_file(payload):
        logger.warning(
            "checkpoint %s has no checksums (torch before 1.6 wrote it): a damaged one cannot be told", path
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch comments on odd pickles; the error below says it all
            return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    # Foreign bytes make the unpickler fail in a dozen ways; each of them means the same to the user.
    except Exception as error:
        raise ConfigError(_refusal(payload, path, error)) from None


def _refusal(payload: bytes, path: Path, error: Exception) -> str:
    classes = _foreign_classes(payload, error)
    if not classes:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0][:160]
        return (
            f"checkpoint {path} cannot be read: it is truncated, not a torch file, "
            f"or holds objects other than tensors, which are refused ({reason})"
        )
    named = ", ".join(classes[:4]) + (" ..." if len(classes) > 4 else "")
    return (
        f"checkpoint {path} holds objects other than tensors and plain values ({named}), and building them can run "
        "any code: they are refused; write the weights alone where the file was made, "
        "torch.save(model.state_dict(), 'weights.pt')"
    )


def _foreign_classes(payload: bytes, error: Exception) -> list[str]:
    """Names of what a pickle would import, sorted; looked up in its text, not executed."""
    found = set(re.findall(r"GLOBAL ([\w.]+)", str(error)))
    if is_zip(payload):
        try:
            found |= set(get_unsafe_globals_in_checkpoint(io.BytesIO(payload)))
        except Exception:  # an odd pickle; what the error says is known all the same
            return sorted(found)
    return sorted(found)
