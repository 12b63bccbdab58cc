"""Small models for trying passes out: perceptrons, a convolutional net, and one of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType
from chop.models.toys.convnet import ToyConvNet, get_toy_convnet
from chop.models.toys.custom_fn import CustomActivation, ToyCustomFnNet, custom_activation, get_toyfnnet
from chop.models.toys.mlp import MLP, ToyNet, ToyTiny, get_toy_tiny, get_toynet
from chop.registry import Registry

#: name -> {"model": function(dataset_info) -> nn.Module, "info": MaseModelInfo}
TOY_MODELS: Registry[dict[str, Any]] = Registry("model")

_BUILDERS: dict[str, Callable[[Any], nn.Module]] = {
    "toy": get_toynet,
    "toy_tiny": get_toy_tiny,
    "toy_convnet": get_toy_convnet,
    "toy_custom_fn": get_toyfnnet,
}

for _name, _build in _BUILDERS.items():
    TOY_MODELS[_name] = {
        "model": _build,
        "info": MaseModelInfo(
            _name,
            model_source=ModelSource.TOY,
            task_type=ModelTaskType.VISION,
            image_classification=True,
            is_fx_traceable=True,
        ),
    }

__all__ = [
    "MLP",
    "TOY_MODELS",
    "CustomActivation",
    "ToyConvNet",
    "ToyCustomFnNet",
    "ToyNet",
    "ToyTiny",
    "custom_activation",
    "get_toy_convnet",
    "get_toy_tiny",
    "get_toyfnnet",
    "get_toynet",
]
