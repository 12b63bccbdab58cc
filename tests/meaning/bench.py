"""One model on the bench: what plain torch makes of it, and how far rounding alone may carry it."""

from __future__ import annotations

import tempfile
import warnings
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from chop import MaseGraph
from tests.meaning.case import Case

ROWS = 70  # one block of the evaluator and a part of a second


class Bench:
    """A case with its data, its values in plain torch, and the graphs made of it.

    Args:
        case: the model.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.x, self.y = case.data(ROWS), case.labels(ROWS)
        self.plain = case.model().eval()
        with torch.no_grad():
            torch.default_generator.manual_seed(case.seed)
            self.want: Tensor = self.plain(self.x.clone())
            self.second: Tensor = self.plain(self.x.clone())
        # The user's own instance, for what must leave it as it is.
        self.user = case.model().eval()

    @property
    def same_each_time(self) -> bool:
        """Whether two calls with the same input give the same: no chance, no memory."""
        return same(self.want, self.second)

    @property
    def scaled_by_each_call(self) -> bool:
        """Whether torch scales a table of the model in every call, and so moves its last digits."""
        return any(getattr(module, "max_norm", None) for module in self.plain.modules())

    def model(self, training: bool = False) -> nn.Module:
        """A fresh instance."""
        return self.case.model().train(training)

    @cached_property
    def graph(self) -> MaseGraph:
        """A graph of the user's instance; stages quantize it one after the other."""
        return MaseGraph(self.user)

    @cached_property
    def folder(self) -> tempfile.TemporaryDirectory[str]:
        """A place for files."""
        return tempfile.TemporaryDirectory()

    @cached_property
    def sensitivity(self) -> float:
        """How far relative changes of 1e-6 of the input and of the weights carry the output, in its own units."""
        return self.moved_by(1e-6, 0.0)

    def moved_by(self, relative: float, absolute: float) -> float:
        """The largest change of an output under random changes of that size of inputs and weights."""
        generator = torch.Generator().manual_seed(5)
        model = self.model()
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.add_(_noise(tensor, relative, absolute, generator))
            moved = model(self.x + _noise(self.x, relative, absolute, generator))
        gap = (moved.double() - self.want.double()).abs()
        return float("inf") if gap.isnan().any() else float(gap.max())

    def steady_rows(self, tolerance: float, model: fx.GraphModule | None = None) -> Tensor:
        """Which rows stay where they are when every node rounds its value a little otherwise.

        They are the model's, or those of a quantized graph of it. Others hang on the order of two numbers that are
        nearly equal, or on which side of a step one lies.
        """
        steady = torch.ones(ROWS, dtype=torch.bool)
        with torch.no_grad():
            want = self.want if model is None else model(self.x.clone())
            for seed in range(4):
                moved = _Shaken(model or self.graph.model, seed).run(self.x.clone())
                steady &= (moved.double() - want.double()).abs().flatten(1).amax(1) <= tolerance
        return steady

    @property
    def scale(self) -> float:
        return max(1.0, float(self.want.abs().max()))

    def largest_inside(self, graph: MaseGraph) -> float:
        """The largest magnitude of a value on the way."""
        seen = _Magnitudes(graph.model)
        with torch.no_grad():
            seen.run(self.x.clone())
        return max(seen.largest, *(float(p.detach().abs().max()) for p in self.plain.parameters()), 0.0)


class _Magnitudes(fx.Interpreter):
    largest = 0.0

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
            self.largest = max(self.largest, float(value.detach().abs().max()))
        return value


class _Shaken(fx.Interpreter):
    def __init__(self, model: fx.GraphModule, seed: int) -> None:
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op.startswith("call") and isinstance(value, Tensor) and value.is_floating_point():
            if "gelu" in type_of_call(n, self.module).lower():
                # torch ends the negative tail in -0.0 where 1 + tanh does; the true value is still below zero.
                value = value.masked_fill(value == 0, -torch.finfo(value.dtype).tiny)
            return value + _noise(value, 2.0**-22, 0.0, self.generator)
        return value


def type_of_call(node: fx.Node, model: nn.Module) -> str:
    """The name of the layer's class, of the function or of the method."""
    if node.op == "call_module":
        return type(model.get_submodule(str(node.target))).__name__
    return getattr(node.target, "__name__", str(node.target))


def _noise(tensor: Tensor, relative: float, absolute: float, generator: torch.Generator) -> Tensor:
    random = torch.rand(tensor.shape, generator=generator) * 2 - 1
    return random * (tensor.detach().abs() * relative + absolute)


def same(a: Tensor, b: Tensor) -> bool:
    """Equal numbers, NaN equal to NaN."""
    return a.shape == b.shape and bool((a.eq(b) | (a.isnan() & b.isnan())).all())


def gap_of(a: Tensor, b: Tensor) -> str:
    """How two tensors differ, in words."""
    if a.shape != b.shape:
        return f"shape {list(a.shape)}, plain torch gives {list(b.shape)}"
    return f"off by {float((a.double() - b.double()).abs().max()):.3g}"


def quietly() -> warnings.catch_warnings:
    """A context without torch's warnings."""
    return warnings.catch_warnings(action="ignore")
