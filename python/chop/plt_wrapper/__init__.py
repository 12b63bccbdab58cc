"""Lightning modules around models (MASE's import path); lightning is imported when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chop.tools.errors import ConfigError
from chop.tools.extras import how_to_install

if TYPE_CHECKING:
    import lightning

__all__ = ["get_model_wrapper"]


def get_model_wrapper(model_info: Any, task: str = "cls") -> type[lightning.LightningModule]:
    """The LightningModule class that trains models of this kind.

    Args:
        model_info: a :class:`chop.models.MaseModelInfo`.
        task: "cls" or "classification".

    Returns:
        A class; call it as ``cls(model, dataset_info=..., learning_rate=..., weight_decay=..., epochs=...,
        optimizer=...)``.

    Raises:
        ImportError: lightning is not installed.
        ConfigError: a model or task that no wrapper serves.
    """
    serves = model_info.physical_data_point_classification or model_info.image_classification
    if task not in ("cls", "classification") or not serves:
        raise ConfigError(f"task: no Lightning wrapper serves {task!r} for model {model_info.name!r}")
    try:
        from chop.plt_wrapper.jet_substructure import JetSubstructureModelWrapper
    except ModuleNotFoundError as error:
        raise ImportError(f"this needs {error.name}: {how_to_install('train')}") from error
    return JetSubstructureModelWrapper
