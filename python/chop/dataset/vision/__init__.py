"""Data sets of images."""

from chop.dataset.vision import digits

__all__ = ["digits"]
