"""Networks on images with few rows: the lanes of the kernels then hold places, and no bit of a result may know it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from chop import Evaluator, _core
from tests.programs import output_on

from .models import by_type, integer
from .torch_models import quantized


class Block(nn.Module):
    """A residual sum, a depthwise convolution between two of 1x1, and a pool; strides, ReLU and ReLU6."""

    def __init__(self, channels: int = 6, size: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, size, 1, size // 2)
        self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.widen, self.relu6a = nn.Conv2d(channels, 4 * channels, 1), nn.ReLU6()
        self.alone = nn.Conv2d(4 * channels, 4 * channels, 3, stride, 1, groups=4 * channels, bias=False)
        self.norm2, self.relu6b = nn.BatchNorm2d(4 * channels), nn.ReLU6()
        self.narrow = nn.Conv2d(4 * channels, 5, 1)
        self.mean, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.pool(torch.add(x, self.conv(x)))
        x = self.relu6b(self.norm2(self.alone(self.relu6a(self.widen(x)))))
        return self.head(torch.flatten(self.mean(self.narrow(x)), 1))


SHAPES = [
    (6, 3, 2, (16, 16)),
    (5, 5, 1, (9, 13)),
    (4, 1, 2, (7, 7)),
    (3, 3, 3, (32, 32)),
    (20, 3, 2, (16, 16)),
]


def network(channels: int, size: int, stride: int) -> nn.Module:
    torch.manual_seed(channels)
    model = Block(channels, size, stride)
    with torch.no_grad():
        model.train()(torch.randn(32, 3, 16, 16))
    return model.eval()


def config(width: int) -> dict:
    rule = integer(width, width - 3, width, width - 2, width, width - 3)
    return by_type(conv2d=rule, linear=rule)


@pytest.mark.parametrize(("channels", "size", "stride", "image"), SHAPES)
def test_few_images_equal_the_quantized_graph(
    channels: int, size: int, stride: int, image: tuple[int, int]
) -> None:
    model, x = network(channels, size, stride), torch.randn(70, 3, *image)
    for width in (8, 5):
        expected = quantized(model, config(width), x)
        for rows in (1, 2, 5, 63, 70):
            assert torch.equal(Evaluator(model, x[:rows]).forward(config(width)), expected[:rows]), rows


PROGRAM = """
import hashlib, torch
from tests.evaluator.test_few_images import SHAPES, config, network
from chop import Evaluator
digest = hashlib.sha256()
for channels, size, stride, image in SHAPES:
    torch.manual_seed(1)
    x = torch.randn(5, 3, *image)
    evaluator = Evaluator(network(channels, size, stride), x)
    for width in (8, 5, 12):
        digest.update((evaluator.forward(config(width)) + 0.0).numpy().tobytes())
print(digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits() -> None:
    found = {isa: output_on(isa, PROGRAM) for isa in _core.available_isas()}
    assert len(set(found.values())) == 1, found
