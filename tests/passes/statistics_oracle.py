"""The statistics in NumPy's float64, straight from their definitions."""

from __future__ import annotations

import warnings

import numpy as np

FIELDS = {
    "variance_online": ("mean", "variance"),
    "variance_precise": ("mean", "variance"),
    "moments": ("min", "max", "mean", "variance"),
    "abs_mean": ("abs_mean",),
    "range_min_max": ("min", "max", "range"),
    "range_quantile": ("min", "max", "range"),
    "range_n_sigma": ("min", "max", "range"),
}


def rows_of(batches, dims):
    """Return [rows, kept...] in float64; raises ValueError where the kept shapes differ."""
    arrays = [np.asarray(batch, np.float64) for batch in batches]
    if dims == "all":
        return np.concatenate([array.ravel() for array in arrays])
    if dims is None:
        return np.stack(arrays)
    parts = []
    for array in arrays:
        reduced = sorted(dim % array.ndim for dim in dims)
        kept = [dim for dim in range(array.ndim) if dim not in reduced]
        moved = np.transpose(array, [*reduced, *kept])
        parts.append(moved.reshape(-1, *moved.shape[len(reduced) :]))
    return np.concatenate(parts)


def statistic(name, rows, *, abs=False, quantile=0.975, num_sigma=3, ddof=1, **_):
    """Return field -> float64 array (NaN where a group has too few numbers), NaN left out."""
    rows = np.abs(rows) if abs or name == "abs_mean" else rows
    flat = rows.reshape(len(rows), -1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        results = [_of_group(name, column[~np.isnan(column)], quantile, num_sigma, ddof) for column in flat.T]
    return {
        field: np.array([result[i] for result in results]).reshape(rows.shape[1:])
        for i, field in enumerate(FIELDS[name])
    }


def _of_group(name, x, quantile, num_sigma, ddof):
    if len(x) == 0:
        return [np.nan] * len(FIELDS[name])
    mean, variance = x.mean(), x.var(ddof=ddof) if len(x) > ddof else np.nan
    if name in ("variance_online", "variance_precise"):
        return [mean, variance]
    if name == "moments":
        return [x.min(), x.max(), mean, variance]
    if name == "abs_mean":
        return [mean]
    if name == "range_min_max":
        low, high = x.min(), x.max()
    elif name == "range_quantile":
        low, high = exact_quantile(x, 1.0 - quantile), exact_quantile(x, quantile)
    else:
        low, high = mean - num_sigma * np.sqrt(variance), mean + num_sigma * np.sqrt(variance)
    return [low, high, 0.0 if low == high else high - low]


def exact_quantile(x, q):
    """Linear interpolation; np.quantile makes NaN of an infinity with weight 0."""
    x = np.sort(x)
    position = q * (len(x) - 1)
    index = int(position)
    low, high, weight = x[index], x[min(index + 1, len(x) - 1)], position - index
    return low if weight == 0 or low == high else low * (1 - weight) + high * weight
