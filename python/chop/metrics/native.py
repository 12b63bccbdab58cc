"""The metrics of the core as Python classes, made from what the core says about each."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from chop import _core
from chop.ir.graph.lowering_call import plain_tensor
from chop.metrics.metric import METRICS, Metric
from chop.tools.tensors import Array, as_tensor

NativeValue = float | tuple[bytearray, list[int], bool]


class Option(NamedTuple):
    """A whole number that a native metric takes."""

    name: str
    standard: int | None
    least: int
    at_most_classes: bool
    meaning: str


class NativeMetric(Metric):
    """A metric that the core computes block by block, on several threads with the same bits as on one.

    Args:
        options: the metric's own, whole numbers; see ``declared``.

    Attributes:
        name: its name in the core.
        declared: its options, with standard value, bounds and meaning.
    """

    name: ClassVar[str] = ""
    declared: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, **options: int) -> None:
        self.given: dict[str, int] = {}
        for option in self.declared:
            value = options.get(option.name, option.standard)
            if value is None:
                raise ValueError(f"option {option.name} is missing ({option.meaning})")
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"{option.name} must be a whole number, got {value!r}")
            if value < option.least or value >= 2**63:
                bound = f"{option.least}..classes" if option.at_most_classes else f"{option.least} or more"
                raise ValueError(f"{option.name} must be {bound}, got {value}")
            self.given[option.name] = value

    def check(self, classes: int) -> None:
        """Raise ``ValueError`` where an option is larger than the number of classes and may not be."""
        for option in self.declared:
            value = self.given[option.name]
            if option.at_most_classes and value > classes:
                raise ValueError(f"{option.name} must be {option.least}..{classes}, got {value}")

    def compute(self, logits: Tensor, y: Any, *reference: Tensor) -> float | Tensor:
        """Return the value for all rows, computed on one thread; see :func:`chop.metrics.score`."""
        z, *others = (_plain(given, f"{self.name}: logits") for given in (logits, *reference))
        labels = None if y is None else _plain(y, f"{self.name}: y", torch.int64)
        (found,) = _core.score(z, labels, others[0] if others else None, [(self.name, self.given)], 1)
        return plain_value(found)


def _plain(given: Array, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    return plain_tensor(as_tensor(given, name), dtype, name)


def plain_value(found: NativeValue) -> float | Tensor:
    """Return a value of the core as a float, or as a tensor: int64 for counts, float64 for other numbers."""
    if isinstance(found, float):
        return found
    data, shape, integral = found
    numbers = torch.frombuffer(data, dtype=torch.float64)
    return numbers.reshape(shape).to(torch.int64 if integral else torch.float64)


def _text(definition: str, options: tuple[Option, ...]) -> str:
    lines = [definition[0].upper() + definition[1:] + "."]
    lines += [f"{option.name}: {option.meaning}." for option in options]
    return "\n".join(lines)


def _make(row: tuple[Any, ...]) -> type[NativeMetric]:
    """The class of one native metric; its signature shows the metric's own options."""
    name, unit, direction, definition, needs, listed = row
    options = tuple(Option(*option) for option in listed)
    parameters = [
        Parameter(
            o.name, Parameter.KEYWORD_ONLY, default=Parameter.empty if o.standard is None else o.standard
        )
        for o in options
    ]
    return type(
        "".join(part.capitalize() for part in name.split("_")),
        (NativeMetric,),
        {
            "__doc__": _text(definition, options),
            "__module__": __name__,
            "__signature__": Signature(parameters),
            "declared": options,
            "direction": direction or None,
            "name": name,
            "needs_labels": needs[0],
            "needs_reference": needs[1],
            "unit": unit,
        },
    )


for _row in _core.metrics():
    METRICS[_row[0]] = _make(_row)
