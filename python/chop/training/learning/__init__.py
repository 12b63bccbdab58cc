"""Widths that are learned with the weights, for a bound of the cost, a price, or a whole front."""

from __future__ import annotations

from chop.training.learning.learn import learn_front, learn_widths
from chop.training.learning.learned_model import LearnedFront, LearnedModel
from chop.training.learning.recipe import WidthRecipe

__all__ = ["LearnedFront", "LearnedModel", "WidthRecipe", "learn_front", "learn_widths"]
