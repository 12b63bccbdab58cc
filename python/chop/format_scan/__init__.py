"""The best fixed-point format of each tensor, by an exact scan: :func:`chop.best_formats`."""

from __future__ import annotations

from chop.format_scan.result import BestFormats, FormatChoice
from chop.format_scan.scan import best_formats

__all__ = ["BestFormats", "FormatChoice", "best_formats"]
