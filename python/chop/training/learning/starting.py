"""Where learning starts: the float model's probabilities, and widths that hold what its layers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chop.training.scores import one_thread

_ROWS = 4096  # at once


@dataclass(frozen=True)
class FloatModel:
    """What a float model makes of the training rows.

    Attributes:
        probabilities: shape [rows, classes].
        largest: layer -> the largest magnitude that it reads, shape [features].
    """

    probabilities: Tensor
    largest: Mapping[str, Tensor]

    @classmethod
    def measure(cls, model: nn.Module, layers: Mapping[str, str], x: Tensor) -> FloatModel:
        """Run a model on all rows, in eval mode.

        Args:
            model: float.
            layers: node -> name of the linear layer in the model.
            x: rows, shape [rows, ...].
        """
        largest = dict[str, Tensor]()

        def note(node: str, read: Tensor) -> None:
            found = read.detach().abs().reshape(-1, read.shape[-1]).amax(0)
            largest[node] = torch.maximum(largest[node], found) if node in largest else found

        hooks = [
            model.get_submodule(name).register_forward_pre_hook(
                lambda _, inputs, node=node: note(node, inputs[0])
            )
            for node, name in layers.items()
        ]
        dtype = next(p.dtype for p in model.parameters())
        try:
            with torch.no_grad(), one_thread():
                logits = torch.cat([model(part.to(dtype)) for part in x.split(_ROWS)])
        finally:
            for hook in hooks:
                hook.remove()
        return cls(logits.softmax(1), largest)

    def integers(self, node: str, like: Tensor) -> Tensor:
        """Return integer bits that hold what a layer reads, whole numbers in the shape and dtype of ``like``."""
        top = self.largest[node]
        top = top if like.numel() > 1 else top.max().reshape(1)
        return top.clamp(2.0**-8, 2.0**16).log2().ceil().to(like)
