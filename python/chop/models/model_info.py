"""What is known about a model before it is built: where it comes from and which tasks it serves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ModelSource(StrEnum):
    """Where a model's code comes from (names as in MASE)."""

    HF = "hf"
    TORCHVISION = "torchvision"
    VISION_OTHERS = "vision_others"
    PHYSICAL = "physical"
    MANUAL = "manual"
    TOY = "toy"


class ModelTaskType(StrEnum):
    """The kind of data that a model takes (names as in MASE)."""

    NLP = "nlp"
    VISION = "vision"
    PHYSICAL = "physical"


@dataclass(frozen=True)
class MaseModelInfo:
    """Facts about a registered model (MASE's name and fields).

    Strings are accepted for ``model_source`` and ``task_type``.

    Raises:
        ValueError: a source or task type that is not known, or a physical model without its task.

    >>> info = MaseModelInfo("mine", model_source="physical", task_type="physical",
    ...                      physical_data_point_classification=True, is_fx_traceable=True)
    >>> info.is_physical_model
    True
    """

    name: str
    model_source: ModelSource
    task_type: ModelTaskType
    physical_data_point_classification: bool = False
    image_classification: bool = False
    sequence_classification: bool = False
    causal_LM: bool = False
    is_quantized: bool = False
    is_lora: bool = False
    is_sparse: bool = False
    is_fx_traceable: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model_source", ModelSource(self.model_source))
        object.__setattr__(self, "task_type", ModelTaskType(self.task_type))
        if self.is_physical_model and not self.physical_data_point_classification:
            raise ValueError(
                f"model {self.name!r}: a physical model must have physical_data_point_classification=True"
            )

    @property
    def is_physical_model(self) -> bool:
        """Whether the model takes rows of physical measurements."""
        return self.task_type is ModelTaskType.PHYSICAL

    @property
    def is_nlp_model(self) -> bool:
        """Whether the model takes text."""
        return self.task_type is ModelTaskType.NLP

    @property
    def is_vision_model(self) -> bool:
        """Whether the model takes images."""
        return self.task_type is ModelTaskType.VISION
