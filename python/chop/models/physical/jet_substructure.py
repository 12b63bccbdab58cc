"""Networks for jet substructure classification: 16 high-level features of a jet, five classes.

Sources: JSC_Toy, JSC_Tiny and JSC_S have the layers that MASE gives them (after LogicNets, Umuroglu et al.
2020); JSC_MLP is the float network of the hls4ml tutorial (Duarte et al. 2018). ReLUs of the MASE models work in
place, as they do there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn


class _Blocks(nn.Module):
    # All but JSC_S keep their layers in one Sequential of this name, which the node names come from.
    seq_blocks: nn.Sequential

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of features ``x [rows, features]``."""
        return self.seq_blocks(x)


class JSC_Toy(_Blocks):
    """features-8-8-classes with batch norm and ReLU after every layer and on the input."""

    def __init__(self, info: Any) -> None:
        super().__init__()
        features, classes = sizes_of(info)
        layers: list[nn.Module] = [nn.BatchNorm1d(features), nn.ReLU(inplace=True)]
        for fan_in, fan_out in _pairs([features, 8, 8, classes]):
            layers += [nn.Linear(fan_in, fan_out), nn.BatchNorm1d(fan_out), nn.ReLU(inplace=True)]
        self.seq_blocks = nn.Sequential(*layers)


class JSC_Tiny(_Blocks):
    """Batch norm, ReLU, one linear layer, ReLU."""

    def __init__(self, info: Any) -> None:
        super().__init__()
        features, classes = sizes_of(info)
        self.seq_blocks = nn.Sequential(
            nn.BatchNorm1d(features),
            nn.ReLU(inplace=True),
            nn.Linear(features, classes),
            nn.ReLU(inplace=True),
        )


class JSC_S(nn.Module):
    """features-64-32-32-32-classes; batch norm on the input and after the first and the last layer."""

    def __init__(self, info: Any) -> None:
        super().__init__()
        features, classes = sizes_of(info)
        widths = [features, 64, 32, 32, 32, classes]
        layers: list[nn.Module] = [nn.BatchNorm1d(features), nn.ReLU(inplace=True)]
        for index, (fan_in, fan_out) in enumerate(_pairs(widths)):
            layers.append(nn.Linear(fan_in, fan_out))
            if index in (0, len(widths) - 2):
                layers.append(nn.BatchNorm1d(fan_out))
            layers.append(nn.ReLU(inplace=True))
        self.module_list = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[rows, classes]`` of features ``x [rows, features]``."""
        for layer in self.module_list:
            x = layer(x)
        return x


class JSC_ThreeLinear(_Blocks):
    """features-16-16-classes behind a batch norm and a ReLU, with a ReLU at the end.

    Args:
        info: sizes, see :func:`sizes_of`.
        hidden_relu: whether a ReLU follows each of the first two linear layers too.
    """

    def __init__(self, info: Any, hidden_relu: bool = False) -> None:
        super().__init__()
        features, classes = sizes_of(info)
        layers: list[nn.Module] = [nn.BatchNorm1d(features), nn.ReLU(inplace=True)]
        for fan_out in (16, 16):
            layers.append(nn.Linear(features, fan_out))
            if hidden_relu:
                layers.append(nn.ReLU(inplace=True))
            features = fan_out
        layers += [nn.Linear(features, classes), nn.ReLU(inplace=True)]
        self.seq_blocks = nn.Sequential(*layers)


class JSC_Linear(_Blocks):
    """One linear layer: multinomial logistic regression."""

    def __init__(self, info: Any) -> None:
        super().__init__()
        self.seq_blocks = nn.Sequential(nn.Linear(*sizes_of(info)))


class JSC_MLP(_Blocks):
    """features-64-32-32-classes with ReLUs between the layers, as in the hls4ml tutorial, without softmax."""

    def __init__(self, info: Any) -> None:
        super().__init__()
        features, classes = sizes_of(info)
        layers: list[nn.Module] = []
        for fan_in, fan_out in _pairs([features, 64, 32, 32, classes]):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.seq_blocks = nn.Sequential(*layers[:-1])


def sizes_of(info: Any) -> tuple[int, int]:
    """Return (features, classes) of a dataset info, which may be an object, a mapping, or None (16 and 5).

    >>> sizes_of({"num_features": 16, "num_classes": 5})
    (16, 5)
    """
    if info is None:
        return 16, 5
    if isinstance(info, Mapping):
        return int(info["num_features"]), int(info["num_classes"])
    return int(info.num_features), int(info.num_classes)


def _pairs(widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(widths))


def get_jsc_toy(info: Any) -> nn.Module:
    """Build :class:`JSC_Toy` for a dataset."""
    return JSC_Toy(info)


def get_jsc_tiny(info: Any) -> nn.Module:
    """Build :class:`JSC_Tiny` for a dataset."""
    return JSC_Tiny(info)


def get_jsc_s(info: Any) -> nn.Module:
    """Build :class:`JSC_S` for a dataset."""
    return JSC_S(info)


def get_jsc_three_linear(info: Any) -> nn.Module:
    """Build :class:`JSC_ThreeLinear` without hidden ReLUs."""
    return JSC_ThreeLinear(info)


def get_jsc_three_linear_relu(info: Any) -> nn.Module:
    """Build :class:`JSC_ThreeLinear` with hidden ReLUs."""
    return JSC_ThreeLinear(info, hidden_relu=True)


def get_jsc_linear(info: Any) -> nn.Module:
    """Build :class:`JSC_Linear` for a dataset."""
    return JSC_Linear(info)


def get_jsc_mlp(info: Any) -> nn.Module:
    """Build :class:`JSC_MLP` for a dataset."""
    return JSC_MLP(info)
