"""What a format costs a tensor, in NumPy: the formula of the quantizer, then float64."""

from __future__ import annotations

import numpy as np


def squared_error(x: np.ndarray, width: int, frac_width: int, is_signed: bool) -> float:
    """Sum of squared errors over the finite numbers of ``x`` (float32)."""
    x = x[np.isfinite(x)].astype(np.float32)
    low = np.float32(-(2 ** (width - 1)) if is_signed else 0)
    high = np.float32((2 ** (width - 1) if is_signed else 2**width) - 1)
    with np.errstate(over="ignore", under="ignore"):
        codes = np.clip(np.rint(x * np.float32(2.0**frac_width)), low, high)
        quantized = codes * np.float32(2.0**-frac_width)
    return float(((x.astype(np.float64) - quantized.astype(np.float64)) ** 2).sum())
