"""``jsc-synth``: a seeded generator of jets that look like the OpenML table, feature by feature and in pairs.

Each class is a mixture of two Gaussians in normal-score space over the 12 independent features; the scores
are mapped to physical units through each feature's quantiles, the four dependent features follow from
their definitions. The
rows are synthetic: an accuracy on them is not an accuracy on jets, and every report says so.

The random stream is numpy's frozen ``RandomState``, so a seed means the same rows on every numpy.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np

from chop.dataset.info import DATASETS, Arrays, DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.dataset.physical.jsc_columns import CLASSES, FEATURES, parse_class_order, reorder_labels
from chop.dataset.scaling import apply_scaler
from chop.dataset.splits import check_split
from chop.tools.errors import ConfigError

ROWS = {"train": 100_000, "val": 10_000, "test": 30_000}
SEED = 0
_SCORE_LIMIT = 3.5
_HERE = Path(__file__).parent


def generate_jets(rows: int, seed: int | tuple[int, ...] = SEED) -> Arrays:
    """Synthetic jets in physical units.

    Args:
        rows: how many.
        seed: the same seed and number of rows give the same jets, bit for bit.

    Returns:
        x ``[rows, 16]`` float64, columns in the order of ``FEATURES``; y ``[rows]`` int64, an index into
        "gqtwz".

    >>> x, y = generate_jets(4, seed=1)
    >>> x.shape, bool((x[:, 6] == x[:, 8]).all())
    ((4, 16), True)
    """
    if rows < 1:
        raise ConfigError(f"jsc-synth: rows must be at least 1, got {rows}")
    parameters = _parameters()
    random = np.random.RandomState(seed)
    labels = _pick(random.random_sample(rows), parameters["priors"][None, :].repeat(rows, 0))
    component = _pick(random.random_sample(rows), parameters["weights"][labels])
    noise = random.standard_normal((rows, len(parameters["independent"])))
    scores = np.empty_like(noise)
    for label in range(len(CLASSES)):
        for which in range(parameters["weights"].shape[1]):
            chosen = (labels == label) & (component == which)
            scores[chosen] = _correlate(
                noise[chosen], parameters["means"][label, which], parameters["factors"][label, which]
            )
    return _physical(np.clip(scores, -_SCORE_LIMIT, _SCORE_LIMIT)), labels


def _pick(uniform: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # The first entry whose cumulated weight exceeds the draw; the clip guards a rounding in the last sum.
    edges = np.cumsum(weights, axis=1)
    return np.minimum((uniform[:, None] * edges[:, -1:] >= edges).sum(axis=1), weights.shape[1] - 1)


def _correlate(noise: np.ndarray, mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
    # Column by column instead of a matrix product: BLAS rounds differently with its thread count.
    scores = np.empty_like(noise)
    for row in range(len(mean)):
        total = np.full(len(noise), mean[row])
        for column in range(row + 1):
            total += factor[row, column] * noise[:, column]
        scores[:, row] = total
    return scores


def _physical(scores: np.ndarray) -> np.ndarray:
    parameters, marginals = _parameters(), _marginals()
    column = {
        name: np.interp(scores[:, i], marginals["scores"], marginals["values"][i])
        for i, name in enumerate(parameters["independent"])
    }
    lo, hi = (dict(zip(FEATURES, parameters[key], strict=True)) for key in ("clip_lo", "clip_hi"))
    for name in ("c1_b1_mmdt", "d2_b1_mmdt", "d2_a1_b2_mmdt", "d2_b2_mmdt"):
        column[name] = np.maximum(column[name], lo[name])
    column["multiplicity"] = np.maximum(np.rint(column["multiplicity"]), 1.0)
    c1_b1, d2_b1 = column["c1_b1_mmdt"], column["d2_b1_mmdt"]
    c1_b2 = np.cbrt(d2_b1 * c1_b1**3 / column["d2_a1_b2_mmdt"]) ** 2
    column["c1_b2_mmdt"] = np.clip(c1_b2, lo["c1_b2_mmdt"], hi["c1_b2_mmdt"])
    column["c2_b1_mmdt"] = d2_b1 * c1_b1
    column["c2_b2_mmdt"] = column["d2_b2_mmdt"] * column["c1_b2_mmdt"]
    column["d2_a1_b1_mmdt"] = d2_b1
    return np.stack([column[name] for name in FEATURES], axis=1)


@cache
def _parameters() -> dict[str, np.ndarray]:
    with np.load(_HERE / "jsc-synth-params.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["independent"] = [str(name) for name in arrays["independent"]]
    for name in ("weights", "means", "covs", "clip_lo", "clip_hi"):
        arrays[name] = arrays[name].astype(np.float64)
    # The stored covariances are 0.8 of the fitted ones already, which puts a small MLP where it lies on
    # real jets.
    arrays["factors"] = np.linalg.cholesky(arrays["covs"])
    return arrays


@cache
def _marginals() -> dict[str, np.ndarray]:
    # `values[i]` is the quantile function of independent feature i on an even grid of normal scores, extended
    # beyond the outermost of 200 quantiles with the slope of the outer four.
    with np.load(_HERE / "jsc-synth-marginals.npz", allow_pickle=False) as file:
        return {name: file[name].astype(np.float64) for name in file.files if name != "feature_names"}


def _make(names: tuple[str, ...], request: DataRequest) -> Arrays:
    features, labels = [], []
    for name in names:
        x, y = generate_jets(ROWS[name], seed=(SEED, list(ROWS).index(name)))
        features.append(apply_scaler(x, request.scaler or (_marginals()["mean"], _marginals()["scale"])))
        labels.append(reorder_labels(y, _order(request)))
    return np.concatenate(features), np.concatenate(labels)


def _order(request: DataRequest) -> str:
    return parse_class_order(request.class_order) if request.class_order else CLASSES


def _load(request: DataRequest) -> LoadedData:
    if request.data_file is not None:
        raise ConfigError(f"data_file: jsc-synth is generated and reads no file, got {request.data_file}")
    order = _order(request)
    parts: dict[str, tuple[str, ...]] = {name: (name,) for name in ROWS}
    if check_split(request.split) == "mase":
        parts["val"] = ("train",)
    elif request.split == "all":
        parts = {name: tuple(ROWS) for name in ROWS}
    return LoadedData(
        splits={split: partial(_make, names, request) for split, names in parts.items()},
        rows={split: sum(ROWS[name] for name in names) for split, names in parts.items()},
        source="synthetic jets from a seeded generator",
        class_order=tuple(order),
    )


DATASETS["jsc-synth"] = DatasetSpec(
    info=MaseDatasetInfo(
        name="jsc-synth",
        num_classes=5,
        num_features=16,
        dataset_source="synthetic",
        class_names=tuple(CLASSES),
        synthetic=True,
        description="synthetic jets from a seeded generator fitted to real ones (16 features, 5 classes)",
    ),
    load=_load,
)
