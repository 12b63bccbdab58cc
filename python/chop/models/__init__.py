"""Models by name."""

from chop.models.factory import get_model, get_model_info, model_names, pretrained_path
from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType
from chop.models.physical import PHYSICAL_MODELS
from chop.models.registration import register_model
from chop.models.toys import TOY_MODELS
from chop.models.vision import VISION_MODELS

__all__ = [
    "PHYSICAL_MODELS",
    "TOY_MODELS",
    "VISION_MODELS",
    "MaseModelInfo",
    "ModelSource",
    "ModelTaskType",
    "get_model",
    "get_model_info",
    "model_names",
    "pretrained_path",
    "register_model",
]
