"""Models that take rows of physical measurements; users add entries to :data:`PHYSICAL_MODELS`."""

from __future__ import annotations

from typing import Any

from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType
from chop.models.physical import jet_substructure as jsc
from chop.registry import Registry

#: name -> {"model": function(dataset_info) -> nn.Module, "info": MaseModelInfo}
PHYSICAL_MODELS: Registry[dict[str, Any]] = Registry("model")

_JSC = {
    "jsc-toy": jsc.get_jsc_toy,
    "jsc-tiny": jsc.get_jsc_tiny,
    "jsc-s": jsc.get_jsc_s,
    "jsc-three-linear": jsc.get_jsc_three_linear,
    "jsc-three-linear-relu": jsc.get_jsc_three_linear_relu,
    "jsc-linear": jsc.get_jsc_linear,
    "jsc-mlp": jsc.get_jsc_mlp,
}

for _name, _build in _JSC.items():
    PHYSICAL_MODELS[_name] = {
        "model": _build,
        "info": MaseModelInfo(
            _name,
            model_source=ModelSource.PHYSICAL,
            task_type=ModelTaskType.PHYSICAL,
            physical_data_point_classification=True,
            is_fx_traceable=True,
        ),
    }

__all__ = ["PHYSICAL_MODELS"]
