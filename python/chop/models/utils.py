"""The import path that MASE's users know; the definitions are in :mod:`chop.models.model_info`."""

from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType

__all__ = ["MaseModelInfo", "ModelSource", "ModelTaskType"]
