"""Random models, configs and data of all kinds that the evaluator runs, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.ir.graph.quantize_targets import QuantizeTargets

CLASSES = 4
Shape = tuple[int, ...]


class Program(nn.Module):
    """Applies its steps to the values so far; the last one's value is the output.

    Steps are (name of a module or function, positions of the values it reads).
    """

    def __init__(self, modules: dict[str, nn.Module], steps: list[tuple[str, tuple[int, ...]]]) -> None:
        super().__init__()
        self.steps = steps
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for name, reads in self.steps:
            apply = FUNCTIONS[name] if name in FUNCTIONS else getattr(self, name)
            values.append(apply(*[values[i] for i in reads]))
        return values[-1]


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "cat": lambda a, b: torch.cat((a, b), 1),
    "flat": lambda a: torch.flatten(a, 1),
    "rows": lambda a: a.view(a.shape[0], -1),
}


PAIRS = ("add", "add", "add", "sub", "mul")
ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.Hardswish, nn.Sigmoid, nn.Tanh,
)  # fmt: skip
POOLS: tuple[dict[int, type], ...] = (
    {1: nn.MaxPool1d, 2: nn.MaxPool2d},
    {1: nn.AvgPool1d, 2: nn.AvgPool2d},
)


class _Growing:
    """A model in the making: values' shapes without the batch, and the steps that give them."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self.random, self.shapes = random, [shape]
        self.modules: dict[str, nn.Module] = {}
        self.steps: list[tuple[str, tuple[int, ...]]] = []

    def module(self, made: nn.Module, reads: int) -> None:
        name = f"m{len(self.steps)}"
        with torch.no_grad():
            shape = tuple(made.eval()(torch.zeros(2, *self.shapes[reads])).shape[1:])
        self.modules[name] = made
        self._step(name, (reads,), shape)

    def function(self, name: str, reads: tuple[int, ...]) -> None:
        with torch.no_grad():
            made = FUNCTIONS[name](*[torch.zeros(2, *self.shapes[i]) for i in reads])
        self._step(name, reads, tuple(made.shape[1:]))

    def _step(self, name: str, reads: tuple[int, ...], shape: Shape) -> None:
        self.steps.append((name, reads))
        self.shapes.append(shape)

    def grow(self) -> None:
        """One more step on one of the values, the newest ones most often."""
        random, last = self.random, len(self.shapes) - 1
        at = last if random.random() < 0.7 else random.randint(max(0, last - 3), last)
        shape = self.shapes[at]
        same = [i for i, other in enumerate(self.shapes) if other == shape]
        kind = random.random()
        if kind < 0.45:
            self.module(_layer(random, shape), at)
        elif kind < 0.6 and (len(same) > 1 or random.random() < 0.2):
            self.function(random.choice(PAIRS), (at, random.choice(same)))
        elif kind < 0.66 and len(same) > 1 and shape[0] <= 24:
            self.function("cat", (at, random.choice(same)))
        elif kind < 0.7 and len(shape) > 1:
            self.function(random.choice(("flat", "rows")), (at,))
        else:
            self.module(_small(random, shape), at)


def _layer(random: Random, shape: Shape) -> nn.Module:
    bias = random.random() < 0.8
    if len(shape) == 1 or (len(shape) == 2 and random.random() < 0.3):
        return nn.Linear(shape[-1], random.randint(1, 20), bias=bias)
    channels, sizes = shape[0], shape[1:]
    groups = random.choice([g for g in range(1, channels + 1) if channels % g == 0])
    kernel = [random.randint(1, min(3, size)) for size in sizes]
    dilation = [
        random.randint(1, 2) if (k - 1) * 2 < size else 1 for k, size in zip(kernel, sizes, strict=True)
    ]
    made = nn.Conv1d if len(sizes) == 1 else nn.Conv2d
    return made(
        channels,
        groups * random.randint(1, max(1, 12 // groups)),
        kernel if len(sizes) > 1 else kernel[0],
        stride=random.randint(1, 2),
        padding=[random.randint(0, k - 1) for k in kernel]
        if len(sizes) > 1
        else random.randint(0, kernel[0] - 1),
        dilation=dilation if len(sizes) > 1 else dilation[0],
        groups=groups,
        bias=bias,
    )


def _small(random: Random, shape: Shape) -> nn.Module:
    choices: list[Callable[[], nn.Module]] = [nn.ReLU, nn.ReLU, nn.Identity, lambda: nn.Dropout(0.3)]
    norm: list[type] = [nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d]
    choices += [lambda: norm[len(shape) - 1](shape[0])] * 3
    choices.append(random.choice(ACTIVATIONS))
    if len(shape) > 1 and min(shape[1:]) >= 2:
        choices.append(lambda: random.choice(POOLS)[len(shape) - 1](2))
    return random.choice(choices)()


def _fill(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 2 + 0.05)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.6)


class _SmallNumbers(Random):
    """Sizes so small that numbers of channels, places and rows are often the same."""

    def randint(self, a: int, b: int) -> int:
        return super().randint(a, min(b, max(a, 4)))


def random_model(seed: int, small: bool = False) -> tuple[nn.Module, Shape]:
    """A chain or a directed graph of 1 to 9 steps, then a Linear layer; and the shape of its input."""
    random = _SmallNumbers(seed) if small else Random(seed)
    shape = random.choice(
        [
            (random.randint(1, 20),),
            (random.randint(1, 20),),
            (random.randint(1, 6), random.randint(1, 9)),
            (random.randint(1, 4), random.randint(2, 7), random.randint(2, 7)),
        ]
    )
    growing = _Growing(random, shape)
    for _ in range(random.randint(1, 9)):
        growing.grow()
    last = len(growing.shapes) - 1
    if len(growing.shapes[last]) > 1:
        growing.function("flat", (last,))
        last += 1
    growing.module(nn.Linear(growing.shapes[last][0], CLASSES), last)
    if random.random() < 0.3:
        growing.module(random.choice([nn.ReLU(), nn.BatchNorm1d(CLASSES)]), last + 1)
    model = Program(growing.modules, growing.steps).eval()
    _fill(model, seed)
    return model, shape


OPERANDS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d"), ("data_in", "weight", "bias")),
    **dict.fromkeys(("relu", "add", "sub", "mul"), ("data_in",)),
}


def random_config(mg: MaseGraph, random: Random) -> dict[str, Any]:
    """Another format for each layer, by name; some layers and most other operations stay float."""
    most_bits = 9 if random.random() < 0.6 else 16
    config: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    floats = random.choice((0.0, 0.0, 0.3))
    modes = random.random() < 0.3
    for name, op in QuantizeTargets(mg).ops.items():
        is_layer = len(OPERANDS.get(op, ())) == 3
        if op not in OPERANDS or random.random() < (floats if is_layer else 0.7):
            continue
        formats: dict[str, Any] = {"name": "integer"}
        for operand in OPERANDS[op]:
            bits = random.randint(1, most_bits)
            formats[f"{operand}_width"] = bits
            formats[f"{operand}_frac_width"] = random.randint(-1, bits + 1)
            if modes:
                formats[f"{operand}_rounding"] = random.choice(("half_even", "floor", "half_up"))
                formats[f"{operand}_overflow"] = random.choice(("saturate", "saturate", "wrap"))
        config[name] = {"config": formats}
    return config


def random_data(shape: Shape, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normal numbers; in one of eight sets some are NaN, infinite, zero or very large."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, *shape, generator=generator) * 2
    if seed % 8 == 0:
        odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e30])
        chosen = torch.rand(x.shape, generator=generator) < 0.01
        x[chosen] = odd[torch.randint(0, len(odd), (int(chosen.sum()),), generator=generator)]
    return x, torch.randint(0, CLASSES, (rows,), generator=generator)
