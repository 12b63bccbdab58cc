"""Data sets of physical measurements."""

from chop.dataset.physical import jsc, jsc_synth

__all__ = ["jsc", "jsc_synth"]
