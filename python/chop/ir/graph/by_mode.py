"""What a traced forward computes otherwise in train mode than in eval mode."""

from __future__ import annotations

from typing import Any

from torch import nn


class ByMode(nn.Module):
    """An argument that depends on ``self.training``: one value in train mode, another in eval mode.

    Args:
        train_value, eval_value: numbers, text or None.

    >>> choice = ByMode(0.5, 0.0)
    >>> choice(), choice.eval()()
    (0.5, 0.0)
    """

    def __init__(self, train_value: Any, eval_value: Any) -> None:
        super().__init__()
        self.train_value, self.eval_value = train_value, eval_value

    def forward(self) -> Any:
        return self.train_value if self.training else self.eval_value

    def extra_repr(self) -> str:
        return f"train={self.train_value!r}, eval={self.eval_value!r}"


class TracedMode(nn.Module):
    """Refuses to run a graph in another mode than that it was traced in, because the forward branches on it.

    Args:
        traced_training: True for train mode.
        place: where the forward branches, for the message.
    """

    _is_impure = True  # torch.fx must not remove it

    def __init__(self, traced_training: bool, place: str) -> None:
        super().__init__()
        self.traced_training, self.place = traced_training, place

    def forward(self) -> None:
        if self.training != self.traced_training:
            raise RuntimeError(self.message())

    def message(self) -> str:
        """The reason and the way out."""
        traced, other = ("train", "eval") if self.traced_training else ("eval", "train")
        return (
            f"the graph was traced in {traced} mode, and the forward does something else in {other} mode{self.place}; "
            f"call model.{other}() before tracing (before MaseGraph, Evaluator or Costs) for a graph of that mode"
        )

    def extra_repr(self) -> str:
        return f"traced_training={self.traced_training}, place={self.place!r}"
