"""From a data set's name to its entry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chop.dataset import physical, vision  # noqa: F401  register the data sets of the package
from chop.dataset.array_dataset import array_spec
from chop.dataset.digests import parse_digest
from chop.dataset.info import DATASETS, DataRequest, DatasetSpec, MaseDatasetInfo
from chop.tools.errors import ConfigError


def find_dataset(name: str) -> DatasetSpec:
    """The entry of ``name``, which may also be the path of an ``.npz`` file.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) no such data set.
    """
    if name not in DATASETS and str(name).endswith(".npz"):
        return array_spec(Path(name))
    return DATASETS[name]


def make_request(
    *,
    data_dir: str | os.PathLike[str] | None = None,
    data_file: str | os.PathLike[str] | None = None,
    data_sha256: str | None = None,
    max_unpacked_mb: int | None = None,
    **rest: Any,
) -> DataRequest:
    """A request of arguments as users give them; ``rest`` are fields of :class:`DataRequest`.

    Raises:
        ConfigError: ``data_sha256`` is no SHA-256, or ``max_unpacked_mb`` no positive integer.
    """
    if max_unpacked_mb is not None and (type(max_unpacked_mb) is not int or max_unpacked_mb < 1):
        raise ConfigError(f"max_unpacked_mb must be an integer of at least 1, got {max_unpacked_mb!r}")
    return DataRequest(
        data_dir=Path(data_dir) if data_dir is not None else None,
        data_file=Path(data_file) if data_file is not None else None,
        sha256=parse_digest(data_sha256, "data_sha256") if data_sha256 is not None else None,
        max_unpacked_mb=max_unpacked_mb,
        **rest,
    )


def get_dataset_info(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    data_file: str | os.PathLike[str] | None = None,
    data_sha256: str | None = None,
    max_unpacked_mb: int | None = None,
) -> MaseDatasetInfo:
    """Facts about a data set: num_classes, num_features, the splits it has, a description.

    The options, which are those of :class:`MaseDataModule`, matter only for data sets that are whatever their file
    holds.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) no such data set.

    >>> info = get_dataset_info("jsc")
    >>> info.num_features, info.num_classes, info.validation_split_available
    (16, 5, True)
    """
    request = make_request(
        data_dir=data_dir,
        data_file=data_file,
        data_sha256=data_sha256,
        max_unpacked_mb=max_unpacked_mb,
    )
    return find_dataset(name).info_for(request)
