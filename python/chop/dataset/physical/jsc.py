"""``jsc``: jet substructure classification on the real tables, 16 high-level features and five classes.

Two different tables go by this name: the CERNBox file that MASE and LogicNets read, and OpenML 42468 that
the hls4ml tutorial reads. Both are read; the description says which one it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from chop.dataset.info import DATASETS, DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.dataset.physical.jsc_columns import CLASSES, MASE_ORDER, parse_class_order, reorder_labels
from chop.dataset.physical.jsc_files import TUTORIAL_FILES, locate, reader_name
from chop.dataset.physical.jsc_readers import READERS
from chop.dataset.physical.jsc_table import JetTable
from chop.dataset.scaling import apply_scaler, fit_scaler
from chop.dataset.splits import split_rows, take_rows


def read_jets(request: DataRequest) -> JetTable:
    """The table that a request means; repeated rows of the CERNBox family are dropped, as MASE does."""
    path = locate(request)
    table = READERS[reader_name(path)](path, request.max_unpacked_mb)
    if table.family == "CERNBox":
        table.drop_duplicates()
    return table


def files_of(request: DataRequest) -> tuple[Path, ...]:
    """The file that a request means, or the four of the tutorial's set."""
    path = locate(request)
    return tuple(path / name for name in TUTORIAL_FILES) if path.is_dir() else (path,)


def load_jsc(request: DataRequest) -> LoadedData:
    """Read, split and standardise.

    The scaler is fitted on the training rows unless the request has one. Labels follow the request's class
    order; by default MASE's g q w z t for the CERNBox family, the alphabetical g q t w z for the OpenML
    family.

    Raises:
        FileNotFoundError: no data; the message says how to get them. ConfigError: files that cannot be read.
    """
    order = parse_class_order(request.class_order) if request.class_order else None
    table = read_jets(request)
    order = order or (MASE_ORDER if table.family == "CERNBox" else CLASSES)
    labels = reorder_labels(table.labels, order)
    chosen = split_rows(len(labels), request.split, table.parts)
    x = apply_scaler(table.x, request.scaler or fit_scaler(table.x[chosen["train"]]))

    return LoadedData(
        splits={split: partial(take_rows, x, labels, rows) for split, rows in chosen.items()},
        rows={split: len(rows) for split, rows in chosen.items()},
        source=table.describe(),
        class_order=tuple(order),
    )


DATASETS["jsc"] = DatasetSpec(
    info=MaseDatasetInfo(
        name="jsc",
        num_classes=5,
        num_features=16,
        class_names=tuple(MASE_ORDER),
        description="physical data point classification: jets of the LHC (16 features, 5 classes)",
    ),
    load=load_jsc,
    prepare=locate,
    files=files_of,
)
