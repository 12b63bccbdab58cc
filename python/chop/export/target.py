"""What an exporter is: one file that says which nodes its format can hold, writes it, and runs what was written."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from chop.export.proof import Proof
from chop.integers import QuantizedView, ViewNode
from chop.nn.quantizers import ElementFormat, NumberFormat
from chop.nn.quantizers.number_formula import has_formula
from chop.registry import Registry
from chop.tools.errors import ConfigError

_WIDEST = ("onnx-arithmetic", "torch", "cpp")  # one of them holds whatever any target holds


@dataclass(frozen=True)
class Refusal:
    """Why a target cannot hold a node.

    Attributes:
        node: its name.
        operand: of which operand; empty where it is the operation itself.
        reason: one clause, e.g. ``"rounds half to even only"``.
        instead: a target that can hold this node, if there is one.
    """

    node: str
    operand: str
    reason: str
    instead: str = ""

    def __str__(self) -> str:
        where = f"{self.node}.{self.operand}" if self.operand else self.node
        return f"{where}: {self.reason}{f'; --to {self.instead} can' if self.instead else ''}"


@dataclass(frozen=True)
class Sample:
    """Rows and what the evaluator makes of them, for formats that carry a test of their own.

    Attributes:
        x: float32, shape [rows, ...].
        y: outputs, float32, shape [rows, ...].
    """

    x: np.ndarray
    y: np.ndarray


class MissingExecutor(Exception):
    """What runs the written file is not installed. The message names the packages."""


class Target(ABC):
    """An export format. Register a subclass in :data:`TARGETS` from a file of its own.

    Attributes:
        name: as users type it.
        file: name of what is written in a folder; without a suffix it is a folder itself.
        writer: packages that writing needs.
        executor: packages that the check needs.
        as_numbers: how the names of those executors begin whose outputs are compared as numbers, because they do not
            keep the sign of zero.
        takes_features: whether it can give each feature or channel of a node's data a format of its own.
        takes_numbers: whether it can bring data to the numbers of any format whose numbers stand for themselves.
    """

    name: ClassVar[str]
    file: ClassVar[str]
    writer: ClassVar[tuple[str, ...]] = ()
    executor: ClassVar[tuple[str, ...]] = ()
    as_numbers: ClassVar[tuple[str, ...]] = ()
    takes_features: ClassVar[bool] = False
    takes_numbers: ClassVar[bool] = False

    @abstractmethod
    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        """Yield what this format cannot say of the model."""

    @abstractmethod
    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        """Write the model to ``path``: the same bytes for the same view and sample."""

    @abstractmethod
    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        """Run what was written on rows ``x`` (float32), once with each executor; executor -> outputs, float32.

        Raises:
            MissingExecutor: none of them is installed.
        """

    def holds(self, proof: Proof) -> bool:
        """Whether a proof shows equality, as far as this format keeps the sign of zero."""
        return proof.holds(as_numbers=proof.executor.startswith(self.as_numbers or "\0"))

    def check(self, view: QuantizedView) -> None:
        """Refuse what cannot be said.

        Raises:
            ConfigError: names node, operand, reason and a target that can; or the package that is missing.
        """
        if found := self._all_refusals(view):
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            first = replace(found[0], instead=self._nearest(view, found[0].instead))
            raise ConfigError(f"export to {self.name}: {first}{more}")
        self.check_packages()

    def _all_refusals(self, view: QuantizedView) -> list[Refusal]:
        found = list(_number_formats(view, self.takes_numbers))
        found = found or ([] if self.takes_features else list(_features(view)))
        return found or list(self.refusals(view))

    def _nearest(self, view: QuantizedView, likely: str) -> str:
        """Return the first target that can hold the whole model; a node's refusal knows of that node only."""
        for name in dict.fromkeys((likely, *_WIDEST)):
            if name not in {"", self.name} and not TARGETS[name]._all_refusals(view):
                return name
        return ""

    def check_packages(self) -> None:
        """Refuse where packages that write the format are missing.

        Raises:
            ConfigError: names them.
        """
        if missing := missing_packages(self.writer):
            raise ConfigError(
                f"export to {self.name} needs {' and '.join(missing)}: pip install {' '.join(missing)}"
            )


TARGETS: Registry[Target] = Registry("export target")


def register(target: type[Target]) -> type[Target]:
    """Class decorator: add a target under its name."""
    TARGETS[target.name] = target()
    return target


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return those of the packages that cannot be imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return package -> version, of those that are installed.

    >>> sorted(versions(["numpy", "no-such-package"]))
    ['numpy']
    """
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def unknown_operations(view: QuantizedView, known: frozenset[str], instead: str = "") -> Iterator[Refusal]:
    """Yield a refusal for each node whose operation is none of ``known``."""
    for node in view:
        if node.op == "opaque":
            yield Refusal(node.name, "", "torch computes it, so there is no exact form of it")
        elif node.op not in known:
            yield Refusal(node.name, "", f"has no row for the operation {node.op}", instead)


def _features(view: QuantizedView) -> Iterator[Refusal]:
    for node in view:
        for operand, format in node.formats.items():
            if isinstance(format, ElementFormat):
                yield Refusal(
                    node.name, operand, "has one format for all features or channels", "onnx-arithmetic"
                )


def _number_formats(view: QuantizedView, taken: bool) -> Iterator[Refusal]:
    """Refuse number formats; where they are ``taken``, those of data that have no formula. Parameters are numbers."""
    for node in view:
        for operand, format in node.formats.items():
            if not isinstance(format, NumberFormat) or (taken and operand in node.values):
                continue
            if not taken:
                yield Refusal(node.name, operand, f"holds no numbers of the format {format}", "torch")
            elif not has_formula(format):
                yield Refusal(node.name, operand, f"the numbers of {format} depend on their block")


def foreign_quantizers(view: QuantizedView) -> Iterator[Refusal]:
    """Yield a refusal for each node that another arithmetic than ``integer`` quantizes, but for number formats."""
    for node in view:
        numbers = all(isinstance(format, NumberFormat) for format in node.formats.values())
        if node.quantizer not in (None, "integer") and not numbers:
            yield Refusal(node.name, "", f"holds no numbers of the quantizer {node.quantizer!r}")


def operands(node: ViewNode) -> tuple[str, ...]:
    """Return the operands that have a format and are there: a layer without bias has none of it."""
    return tuple(name for name in node.formats if name != "bias" or "bias" in node.values)
