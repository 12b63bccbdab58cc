"""``digits``: 1,797 real handwritten digits of 8 x 8 pixels, which scikit-learn ships, so no file and no network.

Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI): counts 0 to 16 of
dark pixels in blocks of 4 x 4. They are divided by 16, so every pixel is a multiple of 1/16: a fixed-point format of
4 fractional bits holds the images without an error.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from chop.dataset.array_dataset import split_arrays
from chop.dataset.info import DATASETS, Arrays, DataRequest, DatasetSpec, LoadedData, MaseDatasetInfo
from chop.tools.errors import ConfigError

IMAGE_SIZE = (1, 8, 8)
_CLASSES = "0123456789"
_LARGEST = 16.0


def require(request: DataRequest) -> None:
    """See that scikit-learn is there and that the request asks for nothing that these data have not.

    Raises:
        ConfigError: scikit-learn is missing; a file, a class order or a scaler was given.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ConfigError("data set 'digits' comes with scikit-learn: pip install scikit-learn")
    if request.data_file is not None:
        raise ConfigError(f"data_file: the data set 'digits' reads no file, got {request.data_file}")
    if request.class_order is not None:
        raise ConfigError(f"class_order: label k of 'digits' is the digit k, got {request.class_order!r}")
    if request.scaler is not None:
        raise ConfigError("scaler: the pixels of 'digits' are in 0..1 already; leave it out")


def images() -> Arrays:
    """All images: x ``[1797, 1, 8, 8]`` float32 in 0..1 (multiples of 1/16), y ``[1797]`` int64, the digit.

    >>> x, y = images()
    >>> x.shape, float(x.max()), y[:4].tolist()
    ((1797, 1, 8, 8), 1.0, [0, 1, 2, 3])
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = (bunch.images / _LARGEST).astype(np.float32)
    return x.reshape(-1, *IMAGE_SIZE), bunch.target.astype(np.int64)


def load_digits_data(request: DataRequest) -> LoadedData:
    """The images, split as the request says."""
    require(request)
    x, y = images()
    data = split_arrays(x, y, request, f"{len(y)} real images of handwritten digits, 8 x 8 pixels")
    data.class_order = tuple(_CLASSES)
    return data


DATASETS["digits"] = DatasetSpec(
    info=MaseDatasetInfo(
        name="digits",
        num_classes=len(_CLASSES),
        num_features=64,
        image_size=IMAGE_SIZE,
        image_classification=True,
        physical_data_point_classification=False,
        class_names=tuple(_CLASSES),
        description="image classification: handwritten digits of scikit-learn (1 x 8 x 8 pixels, 10 classes)",
    ),
    load=load_digits_data,
    prepare=require,
)
