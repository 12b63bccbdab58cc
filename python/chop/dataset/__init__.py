"""Data sets by name, their splits and their loaders."""

from chop.dataset.array_dataset import register_dataset
from chop.dataset.data_module import MaseDataModule, get_dataset
from chop.dataset.info import DATASETS, DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.dataset.lookup import get_dataset_info

__all__ = [
    "DATASETS",
    "DataRequest",
    "DatasetSpec",
    "LoadedData",
    "MaseDataModule",
    "MaseDatasetInfo",
    "get_dataset",
    "get_dataset_info",
    "register_dataset",
]
