"""Training: the native engine, and what is built on it."""

from chop.training.native import Epoch, NativeTrainer, NonFiniteLossError, Scores

__all__ = ["Epoch", "NativeTrainer", "NonFiniteLossError", "Scores"]
