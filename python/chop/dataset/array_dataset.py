"""Any ``.npz`` file with ``x`` and ``y`` as a data set, and data sets that a user's function makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chop.dataset.array_files import read_npz
from chop.dataset.info import DATASETS, Arrays, DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.dataset.intake import Labels, check_arrays
from chop.dataset.scaling import apply_scaler
from chop.dataset.splits import split_rows, take_rows
from chop.tools.errors import ConfigError

UserLoader = Callable[[DataRequest], Arrays | Mapping[str, Arrays]]


def array_spec(path: Path | None = None) -> DatasetSpec:
    """The data set that an ``.npz`` file holds: ``x [rows, ...]`` numbers and ``y [rows]`` labels from 0.

    ``y`` may be one-hot ``[rows, classes]``; else the largest label tells the number of classes. The features are
    taken as they are, unless a scaler is given. With ``path`` None the file is the request's data_file.
    """

    def at(request: DataRequest) -> Path:
        if path is not None and request.data_file not in (None, path):
            raise ConfigError(f"data_file: the data set is already a file, {path}; got {request.data_file}")
        found = path or request.data_file
        if found is None:
            raise ConfigError("data_file: the data set 'npz' needs the path of an .npz file with x and y")
        return found

    def load(request: DataRequest) -> LoadedData:
        file = at(request)
        if request.class_order:
            raise ConfigError(f"class_order: the labels of {file} have no names, got {request.class_order!r}")
        x, y = _read(file, request)
        return split_arrays(x, y.values, request, f"{len(x)} rows of {file.name}")

    def info(request: DataRequest) -> MaseDatasetInfo:
        file = at(request)
        x, y = _read(file, request)
        return MaseDatasetInfo(
            name=str(path or "npz"),
            num_classes=y.classes,
            num_features=math.prod(x.shape[1:]),
            image_size=image_size_of(x),
            description=f"arrays x and y of {file}",
        )

    return DatasetSpec(
        info=info,
        load=load,
        prepare=lambda request: _read(at(request), request),
        files=lambda request: (at(request),),
    )


def register_dataset(
    name: str,
    *,
    num_features: int,
    num_classes: int,
    description: str = "",
    transform: Callable[[Tensor], Tensor] | None = None,
    image_size: tuple[int, int, int] | None = None,
) -> Callable[[UserLoader], UserLoader]:
    """Decorator that makes a data set of a function.

    The function takes a :class:`DataRequest` and returns either (x, y), which is split as the request
    says, or ``{"train": (x, y), "val": (x, y), "test": (x, y)}``. x is ``[rows, ...]`` numbers, y
    ``[rows]`` labels from 0. Images are ``[rows, channels, height, width]``, as torch's convolutions take them.

    Args:
        name: the data set's name.
        num_features: number of values of a row (of an image: channels x height x width).
        num_classes: number of labels.
        description: a line for reports.
        transform: see :class:`MaseDataModule`.
        image_size: (channels, height, width) where rows are images; other rows are refused then, and models that
            build themselves for an image (``toy_convnet``, ``digits-cnn``) learn its size from it.

    Raises:
        ConfigError: image_size and num_features do not agree; later, arrays that are not as announced.

    >>> @register_dataset("doctest-stripes", num_features=2, num_classes=2)
    ... def stripes(request):
    ...     x = np.arange(20.0).reshape(10, 2)
    ...     return x, (x[:, 0] > 8).astype(int)
    >>> DATASETS["doctest-stripes"].load(DataRequest()).rows
    {'train': 6, 'val': 2, 'test': 2}
    >>> del DATASETS["doctest-stripes"]
    """

    if image_size is not None and math.prod(image_size) != num_features:
        raise ConfigError(
            f"dataset {name!r}: images of {list(image_size)} have {math.prod(image_size)} values, "
            f"num_features says {num_features}"
        )

    def checked_arrays(x: Any, y: Any) -> Arrays:
        rows, labels = check_arrays(x, y, f"dataset {name!r}", num_classes)
        if image_size is not None and rows.shape[1:] != tuple(image_size):
            raise ConfigError(
                f"dataset {name!r}: image_size announces images of {list(image_size)}, "
                f"the function gave rows of {list(rows.shape[1:])}"
            )
        return rows, labels.values

    def register(function: UserLoader) -> UserLoader:
        def load(request: DataRequest) -> LoadedData:
            made = function(request)
            if isinstance(made, Mapping):
                checked = {split: checked_arrays(*arrays) for split, arrays in made.items()}
                missing = {"train", "val", "test"} - checked.keys()
                if missing:
                    raise ConfigError(f"dataset {name!r} gave no split {', '.join(sorted(missing))}")
                rows = {split: len(y) for split, (_, y) in checked.items()}
                return LoadedData(splits=checked, rows=rows, source=description or "arrays")
            x, y = checked_arrays(*made)
            return split_arrays(x, y, request, description or "arrays")

        info = MaseDatasetInfo(
            name=name,
            num_classes=num_classes,
            num_features=num_features,
            description=description,
            image_classification=image_size is not None,
            image_size=image_size,
        )
        DATASETS[name] = DatasetSpec(info=info, load=load, transform=transform)
        return function

    return register


def image_size_of(x: np.ndarray) -> tuple[int, int, int] | None:
    """(channels, height, width) of ``x [rows, channels, height, width]``; None for rows that are no images."""
    return (x.shape[1], x.shape[2], x.shape[3]) if x.ndim == 4 else None


def split_arrays(x: np.ndarray, y: np.ndarray, request: DataRequest, source: str) -> LoadedData:
    """Split rows as the request says, and standardise them if it has a scaler."""
    if request.scaler is not None:
        x = apply_scaler(x, request.scaler)
    chosen = split_rows(len(y), request.split)
    return LoadedData(
        splits={split: partial(take_rows, x, y, rows) for split, rows in chosen.items()},
        rows={split: len(rows) for split, rows in chosen.items()},
        source=source,
        class_order=tuple(request.class_order) if request.class_order else None,
    )


def _read(path: Path, request: DataRequest) -> tuple[np.ndarray, Labels]:
    if not path.exists():
        raise FileNotFoundError(f"data_file: {path} does not exist")
    facts = path.stat()
    return _read_unchanged(path, request.max_unpacked_mb, facts.st_mtime_ns, facts.st_size, facts.st_ino)


@lru_cache(maxsize=2)
def _read_unchanged(path: Path, max_unpacked_mb: int | None, *state: int) -> tuple[np.ndarray, Labels]:
    arrays = read_npz(path, "data_file", ("x", "y"), max_unpacked_mb)
    for name in ("x", "y"):
        if name not in arrays:
            raise ConfigError(f"data_file: {path} has no array {name!r}")
    return check_arrays(arrays["x"], arrays["y"], f"data_file: {path}")


DATASETS["npz"] = array_spec()
