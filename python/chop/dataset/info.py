"""The registry of data sets: what is known before loading, and the function that loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chop.dataset.digests import check_digest
from chop.registry import Registry
from chop.tools.errors import ConfigError

Arrays = tuple[np.ndarray, np.ndarray]
SPLITS = ("train", "val", "test", "pred")


@dataclass(frozen=True)
class MaseDatasetInfo:
    """Facts about a data set (MASE's fields).

    num_features is the number of values of one row; image_size is (channels, height, width) where rows are images.
    """

    name: str
    num_classes: int
    num_features: int
    dataset_source: str = "manual"
    available_splits: tuple[str, ...] = ("train", "validation", "test", "pred")
    physical_data_point_classification: bool = True
    class_names: tuple[str, ...] | None = None
    synthetic: bool = False
    description: str = ""
    image_classification: bool = False
    image_size: tuple[int, int, int] | None = None

    @property
    def train_split_available(self) -> bool:
        """Whether there is a training split."""
        return "train" in self.available_splits

    @property
    def validation_split_available(self) -> bool:
        """Whether there is a validation split."""
        return "validation" in self.available_splits

    @property
    def test_split_available(self) -> bool:
        """Whether there is a test split."""
        return "test" in self.available_splits

    @property
    def pred_split_available(self) -> bool:
        """Whether there is a split to predict on."""
        return "pred" in self.available_splits


@dataclass(frozen=True)
class DataRequest:
    """What a caller asks of a loader, already checked.

    Args:
        data_dir: folder to look for files in, None for the default places.
        data_file: one file to read instead.
        class_order: label 0, 1, ... as class names, None for the data set's own order.
        split: "three-way", "mase" or "all".
        scaler: (mean, scale) to standardise with, each float64 ``[features]``; None asks for a fit.
        sha256: of the file that is read, 64 hexadecimal digits; None: whatever is known of it otherwise.
        max_unpacked_mb: megabytes that a compressed file may unpack to; None: as much as its size makes likely.
    """

    data_dir: Path | None = None
    data_file: Path | None = None
    class_order: str | None = None
    split: str = "three-way"
    scaler: Arrays | None = None
    sha256: str | None = None
    max_unpacked_mb: int | None = None


@dataclass
class LoadedData:
    """What a loader gives back.

    Args:
        splits: "train", "val", "test" (and "pred", else the same as test) -> arrays (x ``[rows, ...]``
            float32, y ``[rows]`` int64), or a function that makes them when they are first wanted.
        rows: split -> number of rows.
        source: a phrase that says which data these are.
        class_order: class names by label, None where the data have none.
    """

    splits: Mapping[str, Arrays | Callable[[], Arrays]]
    rows: Mapping[str, int]
    source: str
    class_order: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A registered data set.

    Args:
        info: facts, or a function of the request for data sets that are whatever the file holds.
        load: makes the data.
        prepare: finds or downloads the files; nothing to do when None.
        transform: applied to the features of a whole split: ``[rows, features]`` -> ``[rows, ...]``.
        files: the files that ``load`` reads; None: the request's data_file, if there is one.
        sha256: name of a published file -> its SHA-256, where the publisher tells it.
    """

    info: MaseDatasetInfo | Callable[[DataRequest], MaseDatasetInfo]
    load: Callable[[DataRequest], LoadedData]
    prepare: Callable[[DataRequest], Any] | None = None
    transform: Callable[[Tensor], Tensor] | None = field(default=None)
    files: Callable[[DataRequest], Sequence[Path]] | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)

    def info_for(self, request: DataRequest) -> MaseDatasetInfo:
        """The facts for one request."""
        if isinstance(self.info, MaseDatasetInfo):
            return self.info
        self.check_files(request)
        return self.info(request)

    def check_files(self, request: DataRequest) -> None:
        """Compare the files with the SHA-256 sums that are known of them: the request's, published ones, sidecars.

        Raises:
            FileNotFoundError: a file does not exist.
            ConfigError: a file is altered or another one, or a sum was given and there is not one file to compare.
        """
        if self.files is not None:
            paths = self.files(request)
        else:
            paths = () if request.data_file is None else (request.data_file,)
        if request.sha256 is not None and len(paths) != 1:
            raise ConfigError(
                f"data_sha256 is the sum of one data file, this data set reads {len(paths)}: "
                + ("put NAME.sha256 beside each" if paths else "leave it out")
            )
        for path in paths:
            if path.exists():  # else the reader says what is missing
                check_digest(path, request.sha256, self.sha256.get(path.name))


#: name -> DatasetSpec; users add entries here or with :func:`register_dataset`.
DATASETS: Registry[DatasetSpec] = Registry("dataset")
