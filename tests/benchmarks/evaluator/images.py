"""Networks on images of 32x32x3 pixels, defined here: two residual networks and a MobileNet."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(out), nn.ReLU()
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(out), nn.ReLU()
        same = into == out and stride == 1
        self.shortcut = (
            nn.Sequential()
            if same
            else nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(torch.add(self.bn2(self.conv2(y)), self.shortcut(x)))


class Inverted(nn.Module):
    """1x1 that widens, 3x3 depthwise, 1x1 that narrows; added to its input where the shapes agree."""

    def __init__(self, into: int, out: int, stride: int, widen: int) -> None:
        super().__init__()
        inside = into * widen
        self.block = nn.Sequential(
            *(nn.Conv2d(into, inside, 1, bias=False), nn.BatchNorm2d(inside), nn.ReLU6()),
            *(nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False), nn.BatchNorm2d(inside)),
            *(nn.ReLU6(), nn.Conv2d(inside, out, 1, bias=False), nn.BatchNorm2d(out)),
        )
        self.adds = into == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.block(x)) if self.adds else self.block(x)


def _stem(out: int, relu: nn.Module) -> list[nn.Module]:
    return [nn.Conv2d(3, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out), relu]


def _head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def resnet8() -> nn.Sequential:
    blocks = [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    return nn.Sequential(*_stem(16, nn.ReLU()), *blocks, *_head(64))


def resnet18() -> nn.Sequential:
    widths = (64, 64, 128, 256, 512)
    blocks = []
    for into, out in pairwise(widths):
        blocks += [Residual(into, out, 1 if into == out else 2), Residual(out, out, 1)]
    return nn.Sequential(*_stem(64, nn.ReLU()), *blocks, *_head(512))


def mobilenet() -> nn.Sequential:
    """Eight inverted blocks; (channels in, out, stride, how much wider inside) of each."""
    shapes = ((32, 16, 1, 1), (16, 24, 2, 6), (24, 24, 1, 6), (24, 32, 2, 6))
    shapes += ((32, 32, 1, 6), (32, 64, 2, 6), (64, 64, 1, 6), (64, 96, 1, 6))
    blocks = [Inverted(*shape) for shape in shapes]
    return nn.Sequential(*_stem(32, nn.ReLU6()), *blocks, *_head(96))
