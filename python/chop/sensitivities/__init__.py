"""What each operand's format does to accuracy and loss: :func:`chop.sensitivity`."""

from __future__ import annotations

from chop.sensitivities.result import PairRow, Sensitivity, SensitivityRow
from chop.sensitivities.run import sensitivity

__all__ = ["PairRow", "Sensitivity", "SensitivityRow", "sensitivity"]
