"""Models that take images; users add entries to :data:`VISION_MODELS`."""

from __future__ import annotations

from typing import Any

from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType
from chop.models.vision.digits import DigitsCNN, DigitsMLP, get_digits_cnn, get_digits_mlp
from chop.registry import Registry

#: name -> {"model": function(dataset_info) -> nn.Module, "info": MaseModelInfo}
VISION_MODELS: Registry[dict[str, Any]] = Registry("model")

for _name, _build in {"digits-cnn": get_digits_cnn, "digits-mlp": get_digits_mlp}.items():
    VISION_MODELS[_name] = {
        "model": _build,
        "info": MaseModelInfo(
            _name,
            model_source=ModelSource.VISION_OTHERS,
            task_type=ModelTaskType.VISION,
            image_classification=True,
            is_fx_traceable=True,
        ),
    }

__all__ = ["VISION_MODELS", "DigitsCNN", "DigitsMLP", "get_digits_cnn", "get_digits_mlp"]
