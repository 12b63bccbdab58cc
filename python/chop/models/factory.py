"""Building a model from its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from chop.models.model_info import MaseModelInfo
from chop.models.physical import PHYSICAL_MODELS
from chop.models.toys import TOY_MODELS
from chop.models.vision import VISION_MODELS
from chop.registry import UnknownNameError, did_you_mean
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError

_CLASSIFICATION = ("cls", "classification")
_WEIGHTS = Path(__file__).parent / "weights"
_TABLES = (PHYSICAL_MODELS, VISION_MODELS, TOY_MODELS)


def get_model_info(name: str) -> MaseModelInfo:
    """Facts about the model ``name``.

    Raises:
        UnknownNameError: (a KeyError and a ValueError) no such model.

    >>> get_model_info("jsc-tiny").is_fx_traceable
    True
    """
    return _entry(name)["info"]


def get_model(
    name: str,
    task: str = "cls",
    dataset_info: Any = None,
    pretrained: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    quant_config: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build the model ``name`` (MASE's function).

    Args:
        name: a key of ``PHYSICAL_MODELS``, ``VISION_MODELS`` or ``TOY_MODELS``.
        task: "cls" or "classification".
        dataset_info: ``num_features`` and ``num_classes`` as attributes or keys, for images ``image_size``; None stands
            for 16 and 5 (``digits-*``: for the data set ``digits``).
        pretrained: load the weights that ship in the package: ``jsc-*`` were trained on the synthetic set
            ``jsc-synth`` with class order g q t w z, ``digits-*`` on the real set ``digits``.
        checkpoint: a file to load instead, of any type that :func:`load_model` reads.
        quant_config: must be None; models are quantized by ``quantize_transform_pass``.

    Returns:
        The model, in training mode, float32.

    Raises:
        UnknownNameError: no such model.
        ConfigError: a task the model does not serve, no shipped weights, or a checkpoint that does not fit.

    >>> get_model("jsc-linear").seq_blocks
    Sequential(
      (0): Linear(in_features=16, out_features=5, bias=True)
    )
    """
    entry = _entry(name)
    if task not in _CLASSIFICATION:
        hint = did_you_mean(task, _CLASSIFICATION)
        raise ConfigError(f"task: model {name!r} serves 'cls' ('classification'), got {task!r}{hint}")
    if quant_config is not None:
        raise ConfigError(
            f"quant_config: model {name!r} takes none; use quantize_transform_pass on its MaseGraph"
        )
    model: nn.Module = entry["model"](dataset_info)
    if checkpoint is not None:
        return load_model(checkpoint, None, model)
    if pretrained:
        load_model(pretrained_path(name), "mz", model)
    return model


def pretrained_path(name: str) -> Path:
    """The weights file that ships for model ``name``.

    Raises:
        ConfigError: none ships for it.
    """
    path = _WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in _WEIGHTS.glob("*.safetensors")))
        raise ConfigError(f"pretrained: no weights ship for model {name!r}; they do for: {shipped or 'none'}")
    return path


def model_names() -> list[str]:
    """The names of all models, sorted."""
    return sorted({name for table in _TABLES for name in table})


def _entry(name: str) -> dict[str, Any]:
    for table in _TABLES:
        if name in table:
            return table[name]
    known = model_names()
    raise UnknownNameError(
        f"model {name!r} is not known{did_you_mean(name, known)}; known: {', '.join(known)}"
    )
