"""MaseDataModule: a data set, its splits and its loaders."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from chop.dataset.info import SPLITS, LoadedData, MaseDatasetInfo
from chop.dataset.intake import check_arrays, finite_tensor
from chop.dataset.loaders import RowDataset, make_loader
from chop.dataset.lookup import find_dataset, make_request
from chop.dataset.scaling import load_scaler
from chop.dataset.splits import SPLIT_SCHEMES, check_split
from chop.registry import did_you_mean
from chop.tools.errors import ConfigError

_WITH_LIGHTNING = "LightningMaseDataModule"


class MaseDataModule:
    """A data set by name, with MASE's methods; a LightningDataModule where Lightning is in use.

    Where ``lightning`` was imported before the object is made, the object is a ``LightningDataModule``
    too; chop does not import it for this.

    Args:
        name: a key of ``DATASETS``, or the path of an ``.npz`` file with ``x`` and ``y``.
        batch_size: rows in a batch, at least 1.
        num_workers: kept for MASE's interface; the rows are in memory and need no worker processes.
        max_token_len, tokenizer, load_from_cache_file, model_name: kept for MASE's interface, unused for
            rows.
        data_dir: folder with the data set's files; default ``CHOP_DATA_DIR``, then a cache folder.
        data_file: one file to read instead of looking for published names.
        class_order: class names by label, such as ``gqwzt``; default: the data set's own.
        split: "three-way" (train, validation, test apart), "mase" (validation is training) or "all" (every
            row in every split).
        scaler: ``.npz`` file with ``mean`` and ``scale`` to standardise with; default: fitted on the
            training rows.
        data_sha256: SHA-256 of the data file, 64 hexadecimal digits: any other file is refused. The digest in
            ``FILE.sha256`` beside a data file (what ``sha256sum FILE`` prints) is compared without being asked for.
        max_unpacked_mb: megabytes (10^6 bytes) that a compressed file may unpack to; default: 16 MiB and 50 times
            its size.
        transform: applied to all features of a split, ``[rows, features]`` -> ``[rows, ...]``.

    Raises:
        ConfigError: a value out of range. UnknownNameError: no such data set. Reading errors come at
            ``setup``.

    >>> data = MaseDataModule("jsc-synth", batch_size=256)
    >>> x, y = data.arrays("val")
    >>> x.shape, y.dtype
    (torch.Size([10000, 16]), torch.int64)
    >>> data.describe()  # doctest: +ELLIPSIS
    'jsc-synth: synthetic jets...; rows: train 100000, val 10000, test 30000; class order g q t w z'
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> MaseDataModule:
        return super().__new__(
            _lightning_class() if cls is MaseDataModule and "lightning" in sys.modules else cls
        )

    def __init__(
        self,
        name: str,
        batch_size: int,
        num_workers: int = 0,
        max_token_len: int | None = None,
        tokenizer: Any = None,
        load_from_cache_file: bool = True,
        model_name: str | None = None,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        data_file: str | os.PathLike[str] | None = None,
        class_order: str | None = None,
        split: str = "three-way",
        scaler: str | os.PathLike[str] | None = None,
        data_sha256: str | None = None,
        max_unpacked_mb: int | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ConfigError(f"batch_size must be an integer of at least 1, got {batch_size!r}")
        self.name = name
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.max_token_len = max_token_len
        self.tokenizer = tokenizer
        self.load_from_cache_file = load_from_cache_file
        self.model_name = model_name
        self._spec = find_dataset(name)
        self._request = make_request(
            data_dir=data_dir,
            data_file=data_file,
            class_order=class_order,
            split=check_split(split),
            scaler=load_scaler(scaler) if scaler is not None else None,
            data_sha256=data_sha256,
            max_unpacked_mb=max_unpacked_mb,
        )
        self._transforms = [t for t in (self._spec.transform, transform) if t is not None]
        self._data: LoadedData | None = None
        self._datasets: dict[str, RowDataset] = {}

    @property
    def dataset_info(self) -> MaseDatasetInfo:
        """Facts about the data set."""
        return self._spec.info_for(self._request)

    def prepare_data(self) -> None:
        """Find the files, or download them, and compare them with the SHA-256 that is known of them."""
        self._spec.check_files(self._request)
        if self._spec.prepare is not None:
            self._spec.prepare(self._request)

    def setup(self, stage: str | None = None) -> None:
        """Read the data and decide the splits; a second call does nothing."""
        if self._data is None:
            self._spec.check_files(self._request)
            self._data = self._spec.load(self._request)

    def arrays(self, split: str) -> tuple[Tensor, Tensor]:
        """All of a split: x ``[rows, ...]`` float32 and y ``[rows]`` int64.

        Raises:
            ConfigError: split is not train, val, test or pred.
        """
        dataset = self.dataset(split)
        return dataset.x, dataset.y

    def describe(self) -> str:
        """One line: which data these are, rows of each split, class order."""
        data = self._loaded()
        rows = ", ".join(f"{split} {count}" for split, count in data.rows.items())
        order = f"; class order {' '.join(data.class_order)}" if data.class_order else ""
        return f"{self.name}: {data.source}; rows: {rows}{order}"

    @property
    def class_order(self) -> tuple[str, ...] | None:
        """Names of the classes by label; None where they have none."""
        return self._loaded().class_order

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of the training split, shuffled."""
        return make_loader(self.train_dataset, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation split, in order."""
        return make_loader(self.val_dataset, self.batch_size, shuffle=False)

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test split, in order."""
        return make_loader(self.test_dataset, self.batch_size, shuffle=False)

    def pred_dataloader(self) -> DataLoader[Any]:
        """Batches of the split to predict on, in order."""
        return make_loader(self.pred_dataset, self.batch_size, shuffle=False)

    predict_dataloader = pred_dataloader

    @property
    def train_dataset(self) -> RowDataset:
        """The training split."""
        return self.dataset("train")

    @property
    def val_dataset(self) -> RowDataset:
        """The validation split."""
        return self.dataset("val")

    @property
    def test_dataset(self) -> RowDataset:
        """The test split."""
        return self.dataset("test")

    @property
    def pred_dataset(self) -> RowDataset:
        """The split to predict on: the test rows."""
        return self.dataset("pred")

    def _loaded(self) -> LoadedData:
        self.setup()
        assert self._data is not None
        return self._data

    def dataset(self, split: str) -> RowDataset:
        """A part as a torch ``Dataset``; split is train, val, test or pred."""
        if split not in SPLITS:
            hint = did_you_mean(str(split), SPLITS)
            raise ConfigError(f"the part of the data must be one of {', '.join(SPLITS)}, got {split!r}{hint}")
        if split not in self._datasets:
            splits = self._loaded().splits
            entry = splits["test" if split == "pred" and "pred" not in splits else split]
            x, y = entry() if callable(entry) else entry
            self._datasets[split] = self._as_dataset(x, y, split)
        return self._datasets[split]

    def _as_dataset(self, x: np.ndarray, y: np.ndarray, split: str) -> RowDataset:
        what = f"dataset {self.name!r}: {split}"
        rows, known = check_arrays(x, y, what, self.dataset_info.num_classes)
        features, labels = torch.from_numpy(rows), torch.from_numpy(known.values)
        for transform in self._transforms:
            features = finite_tensor(transform(features), f"{what}: what the transform made")
        if len(features) != len(labels):
            raise ConfigError(
                f"dataset {self.name!r}: the transform made {len(features)} rows of {len(labels)} ({split})"
            )
        return RowDataset(features, labels)


def get_dataset(name: str, part: str | None = None, **options: Any) -> RowDataset:
    """One part of a data set as a torch ``Dataset`` of (features, label).

    Args:
        name: as for :class:`MaseDataModule`.
        part: train, val, test or pred; train if left out. MASE calls it ``split``, which is understood.
        options: keyword arguments of :class:`MaseDataModule`; its ``split`` says how rows are parted.

    Raises:
        ConfigError: no such part or way of parting rows.
    """
    if part is None and (split := options.get("split")) is not None and split not in SPLIT_SCHEMES:
        part = options.pop("split")
        if part not in SPLITS:
            hint = did_you_mean(str(part), (*SPLITS, *SPLIT_SCHEMES))
            raise ConfigError(
                f"split must be a part of the data ({', '.join(SPLITS)}) or a way to part its rows "
                f"({', '.join(SPLIT_SCHEMES)}), got {part!r}{hint}"
            )
    module = MaseDataModule(name, batch_size=1, **options)
    module.prepare_data()
    return module.dataset("train" if part is None else part)


@functools.cache
def _lightning_class() -> type[MaseDataModule]:
    """The data module as ``lightning.Trainer`` accepts it."""
    import lightning

    about = {
        "__doc__": "A :class:`MaseDataModule` that ``lightning.Trainer`` accepts.",
        "__module__": __name__,
    }
    return type(_WITH_LIGHTNING, (MaseDataModule, lightning.LightningDataModule), about)


def __getattr__(name: str) -> Any:  # where a pickle looks for the class
    if name == _WITH_LIGHTNING:
        return _lightning_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
