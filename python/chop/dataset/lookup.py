"""From a data set's name to its entry."""

from __future__ import annotations

import os
from pathlib import Path

from chop.dataset import physical  # noqa: F401  registers the data sets of the package
from chop.dataset.array_dataset import array_spec
from chop.dataset.info import DATASETS, DataRequest, DatasetSpec, MaseDatasetInfo


def find_dataset(name: str) -> DatasetSpec:
    """The entry of ``name``, which may also be the path of an ``.npz`` file.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) no such data set.
    """
    if name not in DATASETS and str(name).endswith(".npz"):
        return array_spec(Path(name))
    return DATASETS[name]


def get_dataset_info(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    data_file: str | os.PathLike[str] | None = None,
) -> MaseDatasetInfo:
    """Facts about a data set: num_classes, num_features, the splits it has, a description.

    ``data_file`` and ``data_dir`` matter only for data sets that are whatever their file holds.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) no such data set.

    >>> info = get_dataset_info("jsc")
    >>> info.num_features, info.num_classes, info.validation_split_available
    (16, 5, True)
    """
    request = DataRequest(
        data_dir=Path(data_dir) if data_dir is not None else None,
        data_file=Path(data_file) if data_file is not None else None,
    )
    return find_dataset(name).info_for(request)
