"""``chop.search(model, x, y, …)``: formats of every layer, judged on data, in one call and without a file."""

from __future__ import annotations

from chop.actions.one_call.call import search_formats
from chop.actions.one_call.front import Found, Front

__all__ = ["Found", "Front", "search_formats"]
