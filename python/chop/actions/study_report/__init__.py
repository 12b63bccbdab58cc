"""One HTML file about a study, that needs nothing beside it."""

from __future__ import annotations

from chop.actions.study_report.write import report

__all__ = ["report"]
