"""Sizes of an image model's input and output, from whatever describes a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chop.tools.errors import ConfigError

ImageSize = tuple[int, int, int]


def image_sizes_of(info: Any) -> tuple[ImageSize, int]:
    """Return ((channels, height, width), classes) of a dataset info, an object or a mapping.

    A data set of rows counts as images of one line; None stands for 3 x 32 x 32 and 10 classes.

    >>> image_sizes_of({"num_features": 16, "num_classes": 5})
    ((1, 1, 16), 5)
    """
    if info is None:
        return (3, 32, 32), 10
    facts: Mapping[str, Any] = (
        info if isinstance(info, Mapping) else {name: getattr(info, name, None) for name in _FACTS}
    )
    if facts.get("num_classes") is None:
        raise ConfigError(f"an image model needs num_classes from its dataset info, got {info!r}")
    size = facts.get("image_size")
    if size is not None and len(size) == 3:
        return (int(size[0]), int(size[1]), int(size[2])), int(facts["num_classes"])
    if facts.get("num_features") is None:
        raise ConfigError(
            f"an image model needs image_size (channels, height, width) or num_features, got {info!r}"
        )
    return (1, 1, int(facts["num_features"])), int(facts["num_classes"])


_FACTS = ("image_size", "num_features", "num_classes")
