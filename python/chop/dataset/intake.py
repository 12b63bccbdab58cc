"""What every data set hands over, whatever it was read from: finite float32 rows and labels from 0."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from chop.tools.errors import ConfigError
from chop.tools.tensors import as_tensor

MOST_CLASSES = 65_536
_FEW = 256  # classes that also a file of few rows may have


class Labels(NamedTuple):
    """Labels ``[rows]`` int64 and the number of classes: the largest label + 1, or the columns of one-hot labels."""

    values: np.ndarray
    classes: int


def check_arrays(x: Any, y: Any, what: str, classes: int | None = None) -> tuple[np.ndarray, Labels]:
    """Return x as float32 and y as labels.

    Args:
        x: tensor or array of numbers, shape [rows, ...].
        y: labels from 0, shape [rows] or [rows, 1], or one-hot, shape [rows, classes].
        what: opens the messages.
        classes: how many there are, if that is known.

    Raises:
        ConfigError: lengths differ, x is not numbers, has no columns or values that float32 does not hold, or y are
            not labels from 0.

    >>> x, labels = check_arrays(np.eye(3), np.eye(3), "here")
    >>> x.dtype, labels.values.tolist(), labels.classes
    (dtype('float32'), [0, 1, 2], 3)
    """
    x, y = _array(x, f"{what}: x"), _array(y, f"{what}: y")
    if x.dtype.kind not in "fiub" or x.ndim < 2 or x.size == 0:
        raise ConfigError(
            f"{what}: x must be numbers of shape [rows, features], got {x.dtype} {list(x.shape)}"
        )
    if y.dtype.kind not in "fiub" or y.ndim not in (1, 2) or y.shape[0] != len(x) or y.shape[1:] == (0,):
        raise ConfigError(f"{what}: y must be {len(x)} labels, got {y.dtype} {list(y.shape)}")
    if y.ndim == 2 and y.shape[1] > 1:
        labels = _from_one_hot(y, what)
        if classes is not None:
            labels = check_labels(labels.values, what, classes)
    else:
        labels = check_labels(y.reshape(-1), what, classes)
    return finite_float32(x, f"{what}: x"), labels


def finite_float32(x: np.ndarray, where: str) -> np.ndarray:
    """Return numbers as contiguous float32.

    Raises:
        ConfigError: a value is not finite in float32, which ends at 3.4e38.

    >>> finite_float32(np.array([[1.0], [1e39]]), "x")
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: x[1, 0] is 1e+39, which is not finite in float32
    """
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(x, dtype=np.float32)
    # The least and the largest tell it without a copy: NaN passes through both.
    if narrow.size and not (np.isfinite(narrow.min()) and np.isfinite(narrow.max())):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(narrow))[0])
        number = "".join(f"{x[place]:g}".split())
        raise ConfigError(f"{where}{list(place)} is {number}, which is not finite in float32")
    return narrow


def finite_tensor(x: torch.Tensor, where: str) -> torch.Tensor:
    """Return floating-point numbers as :func:`finite_float32` does; any other tensor as it is."""
    return torch.from_numpy(finite_float32(_array(x, where), where)) if x.is_floating_point() else x


def check_labels(y: np.ndarray, what: str, classes: int | None = None) -> Labels:
    """Return labels ``[rows]`` as int64 and the number of classes.

    Without ``classes`` a label has to be below 65,536 and below the number of rows (or 256): nothing else tells a
    slip from a class.

    Raises:
        ConfigError: a label is negative, not whole, NaN or too large.
    """
    limit = classes or min(MOST_CLASSES, max(len(y), _FEW))
    with np.errstate(invalid="ignore"):
        wrong = ~((y >= 0) & (y < limit))  # NaN compares as False
        whole = np.where(wrong, 0, y).astype(np.int64)
    wrong |= whole != y
    if wrong.any():
        place = int(wrong.argmax())
        raise ConfigError(
            f"{what}: y must be whole numbers from 0 to {limit - 1} ({_why(classes, len(y))}), "
            f"but y[{place}] is {y[place]}"
        )
    return Labels(whole, classes or int(whole.max(initial=-1)) + 1)


def _why(classes: int | None, rows: int) -> str:
    return f"{classes} classes" if classes else f"{rows} rows hold no more classes"


def _from_one_hot(y: np.ndarray, what: str) -> Labels:
    wrong = ~(((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1))
    if wrong.any():
        raise ConfigError(
            f"{what}: a y of shape {list(y.shape)} must be one-hot, row {int(wrong.argmax())} is not"
        )
    if y.shape[1] > MOST_CLASSES:
        raise ConfigError(f"{what}: y has {y.shape[1]} classes, at most {MOST_CLASSES} are allowed")
    return Labels(y.argmax(axis=1).astype(np.int64), y.shape[1])


def _array(values: Any, name: str) -> np.ndarray:
    if isinstance(values, torch.Tensor) or (isinstance(values, np.ndarray) and values.dtype.kind in "biufc"):
        try:
            tensor = as_tensor(values, name).detach().cpu()
        except (TypeError, RuntimeError) as error:
            raise ConfigError(f"{name} cannot be read ({error})") from None
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name} must be an array ({error})") from None
