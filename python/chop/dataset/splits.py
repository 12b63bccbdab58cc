"""Which rows train, validate and test."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

SPLIT_SCHEMES = ("three-way", "mase", "all")
_TEST_SHARE = 0.2
_VALIDATION_SHARE = 0.25
_SEED = 42


def train_test_rows(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the 80 % and the 20 % part.

    The same rows in the same order as ``train_test_split(test_size=0.2, random_state=42)`` of
    scikit-learn, which MASE, LogicNets and the hls4ml tutorial call.

    >>> train, test = train_test_rows(10)
    >>> train.tolist(), test.tolist()
    ([5, 0, 7, 2, 9, 4, 3, 6], [8, 1])
    """
    order = np.random.RandomState(_SEED).permutation(rows)
    test = math.ceil(_TEST_SHARE * rows)
    # The permutation's head is the test part, as there.
    return order[test:], order[:test]


def take_rows(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The features and labels of some rows."""
    return x[rows], y[rows]


def check_split(scheme: str) -> str:
    """Return ``scheme`` if it is one of three-way, mase and all.

    Raises:
        ConfigError: it is not.
    """
    if scheme not in SPLIT_SCHEMES:
        hint = did_you_mean(scheme, SPLIT_SCHEMES)
        raise ConfigError(f"split must be one of {', '.join(SPLIT_SCHEMES)}, got {scheme!r}{hint}")
    return scheme


def split_rows(
    rows: int, scheme: str, parts: tuple[np.ndarray, np.ndarray] | None = None
) -> Mapping[str, np.ndarray]:
    """Row numbers of each split.

    Args:
        rows: how many rows there are.
        scheme: "three-way" = 60/20/20, the last quarter of the 80 % part validates (as in the hls4ml
            tutorial); "mase" = 80/20 and validation is the training part, as there; "all" = every split is
            all the rows.
        parts: (train, test) row numbers where the files come with a split of their own.

    Raises:
        ConfigError: an unknown scheme, or too few rows to split.
    """
    check_split(scheme)
    if scheme == "all":
        everything = np.arange(rows)
        return {"train": everything, "val": everything, "test": everything}
    if rows < 5:
        raise ConfigError(f"split {scheme!r} needs at least 5 rows, the data have {rows}; use split 'all'")
    train, test = parts if parts is not None else train_test_rows(rows)
    if scheme == "mase":
        return {"train": train, "val": train, "test": test}
    cut = len(train) - math.floor(len(train) * _VALIDATION_SHARE)
    return {"train": train[:cut], "val": train[cut:], "test": test}
