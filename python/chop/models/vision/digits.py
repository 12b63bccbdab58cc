"""Small networks for small images, such as the 8 x 8 pixels of the data set ``digits``."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from chop.models.toys.sizes import image_sizes_of

_DIGITS = {"image_size": (1, 8, 8), "num_classes": 10}


class DigitsCNN(nn.Module):
    """Two blocks of Conv2d 3 x 3 (8 and 16 channels), ReLU and a max pool of 2 x 2, and a linear layer.

    Args:
        size: (channels, height, width) of an image. classes: number of logits.
    """

    def __init__(self, size: tuple[int, int, int] = (1, 8, 8), classes: int = 10) -> None:
        super().__init__()
        channels, height, width = size
        self.conv1, self.relu1 = nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2, self.relu2 = nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16 * (height // 4) * (width // 4), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of images ``x [rows, channels, height, width]``."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc(self.flatten(x))


class DigitsMLP(nn.Module):
    """pixels-32-classes with a ReLU between; the images are flattened first."""

    def __init__(self, size: tuple[int, int, int] = (1, 8, 8), classes: int = 10) -> None:
        super().__init__()
        channels, height, width = size
        self.flatten = nn.Flatten()
        self.fc1, self.relu = nn.Linear(channels * height * width, 32), nn.ReLU()
        self.fc2 = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of images ``x [rows, channels, height, width]``."""
        return self.fc2(self.relu(self.fc1(self.flatten(x))))


def get_digits_cnn(info: Any) -> nn.Module:
    """Build :class:`DigitsCNN` for a dataset; None stands for ``digits``."""
    return DigitsCNN(*image_sizes_of(_DIGITS if info is None else info))


def get_digits_mlp(info: Any) -> nn.Module:
    """Build :class:`DigitsMLP` for a dataset; None stands for ``digits``."""
    return DigitsMLP(*image_sizes_of(_DIGITS if info is None else info))
