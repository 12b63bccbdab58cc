"""Pictures beside the numbers of a run, where matplotlib is installed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from chop.tools.extras import how_to_install
from chop.tools.logger import get_logger

logger = get_logger(__name__)


def save_picture(kind: str, data: Any, path: Path, **options: Any) -> bool:
    """Draw ``chop.plotting.<kind>(data)`` into a PNG file.

    Returns:
        Whether there is a picture; without matplotlib there is none, and the log says so at debug level.
    """
    if importlib.util.find_spec("matplotlib") is None or importlib.util.find_spec("chop.plotting") is None:
        logger.debug("no %s: matplotlib is not installed (%s)", path.name, how_to_install("plot"))
        return False
    plotting = importlib.import_module("chop.plotting")
    plotting.save(getattr(plotting, kind)(data, **options), path)
    return True
