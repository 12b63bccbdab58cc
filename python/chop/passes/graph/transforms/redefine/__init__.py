"""Redefinition of a graph's layers: other numbers of channels, from a config."""

from __future__ import annotations

from chop.passes.graph.transforms.redefine.plan import plan_redefinition
from chop.passes.graph.transforms.redefine.redefine import redefine_transform_pass

__all__ = ["plan_redefinition", "redefine_transform_pass"]
