"""Standardising features: subtract a mean, divide by a scale."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from chop.dataset.array_files import read_npz
from chop.dataset.intake import finite_float32
from chop.tools.errors import ConfigError

Scaler = tuple[np.ndarray, np.ndarray]


def fit_scaler(x: np.ndarray) -> Scaler:
    """Mean and population standard deviation of each column of ``x [rows, features]``, in float64.

    A constant column gets scale 1, as in scikit-learn's StandardScaler.

    >>> mean, scale = fit_scaler(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> mean.tolist(), scale.tolist()
    ([2.0, 5.0], [1.0, 1.0])
    """
    wide = x.astype(np.float64, copy=False)
    scale = wide.std(axis=0)
    return wide.mean(axis=0), np.where(scale == 0, 1.0, scale)


def apply_scaler(x: np.ndarray, scaler: Scaler) -> np.ndarray:
    """``(x - mean) / scale`` computed in float64, returned as float32.

    Raises:
        ConfigError: another number of features, or a result that float32 does not hold.
    """
    mean, scale = scaler
    if mean.shape != x.shape[1:]:
        raise ConfigError(f"scaler: it has {mean.size} features, the data have {list(x.shape[1:])}")
    with np.errstate(over="ignore"):
        scaled = (x.astype(np.float64, copy=False) - mean) / scale
    return finite_float32(scaled, "scaler: the standardised x")


def load_scaler(path: str | os.PathLike[str]) -> Scaler:
    """Read ``mean`` and ``scale`` (float ``[features]``) from an ``.npz`` file.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: an array is missing, or is not a row of finite numbers (scale: above 0).
    """
    arrays = read_npz(Path(path), "scaler", wanted=("mean", "scale"))
    for name in ("mean", "scale"):
        if name not in arrays:
            raise ConfigError(f"scaler: {path} has no array {name!r}")
        if arrays[name].dtype.kind not in "fiu":
            raise ConfigError(f"scaler: {path}: {name} must be numbers, got {arrays[name].dtype}")
    mean, scale = (arrays[name].astype(np.float64) for name in ("mean", "scale"))
    if mean.ndim != 1 or mean.shape != scale.shape:
        raise ConfigError(
            f"scaler: {path} must hold mean and scale of one length, got {mean.shape} and {scale.shape}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise ConfigError(f"scaler: {path} must hold finite means and scales above 0")
    return mean, scale
