"""What the command line does: train, test, transform, search.

The functions have the names of their modules, as in MASE. They are imported here at once, so that each
name is the function whichever of the modules is imported later.
"""

from chop.actions.search import search
from chop.actions.test import test
from chop.actions.train import train
from chop.actions.transform import transform

__all__ = ["search", "test", "train", "transform"]
