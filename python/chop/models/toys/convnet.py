"""Two- and one-dimensional convolutions in one net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from chop.models.toys.sizes import image_sizes_of


class ToyConvNet(nn.Module):
    """Two blocks of Conv2d and two of Conv1d, each with a ReLU, pools between them and a Linear at the end.

    Args:
        num_classes: features of the output.
        channels: channels of the input and of each block's output.
    """

    def __init__(self, num_classes: int, channels: Sequence[int] = (3, 8, 16, 32, 64)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        kinds: list[type[nn.Conv2d] | type[nn.Conv1d]] = [nn.Conv2d, nn.Conv2d, nn.Conv1d, nn.Conv1d]
        blocks = [
            nn.Sequential(kind(self.channels[i], self.channels[i + 1], 3, padding=1), nn.ReLU())
            for i, kind in enumerate(kinds)
        ]
        self.block_1, self.block_2, self.block_3, self.block_4 = blocks
        self.maxpool, self.avgpool = nn.MaxPool2d(2, 2), nn.AdaptiveAvgPool1d(1)
        self.linear = nn.Linear(self.channels[4], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of images ``x [rows, channels, height, width]``."""
        x = self.block_2(self.maxpool(self.block_1(x)))
        x = self.block_4(self.block_3(x.flatten(2)))
        return self.linear(self.avgpool(x).flatten(1))


def get_toy_convnet(info: Any, pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build :class:`ToyConvNet` for images of a dataset's channels; no weights ship for it."""
    size, classes = image_sizes_of(info)
    return ToyConvNet(classes, (size[0], 8, 16, 32, 64))
