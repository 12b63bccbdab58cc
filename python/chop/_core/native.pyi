"""The compiled core. Generated with pybind11-stubgen, then given the types that the bindings do not state."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict, final

from torch import Tensor

__version__: str

class _OpRow(TypedDict):
    inputs: int
    required: list[str]
    optional: list[str]
    attributes: list[str]
    operands: list[str]

class _NodeRow(TypedDict):
    name: str
    op: str
    inputs: list[str]
    attributes: dict[str, float]
    parameters: dict[str, list[int]]
    shape: list[int]

# (node, quantizer, {operand: (width, frac_width, is_signed)}) for every quantized node.
_Config = Sequence[tuple[str, str, Mapping[str, tuple[int, int, bool]]]]

@final
class Graph:
    """A lowered graph: immutable, typed, in topological order."""

    __hash__: ClassVar[None]  # type: ignore[assignment]
    @staticmethod
    def parse(text: str) -> Graph:
        """Read the text form; raises ValueError with the line number."""
    def __eq__(self, other: object) -> bool: ...
    def __len__(self) -> int: ...
    @property
    def nodes(self) -> list[_NodeRow]:
        """One dict a node: name, op, inputs, attributes, parameters (shapes), shape (-1: batch)."""
    @property
    def output(self) -> str:
        """Name of the node whose value the graph returns."""

@final
class GraphBuilder:
    """Collects nodes in topological order; build() checks them."""

    def __init__(self) -> None: ...
    def add(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        attributes: Mapping[str, float],
        parameters: dict[str, Tensor],
        shape: Sequence[int],
    ) -> None: ...
    def build(self, output: str) -> Graph: ...

@final
class Metrics:
    """Counts of one evaluation."""

    @property
    def rows(self) -> int: ...
    @property
    def support(self) -> list[int]: ...
    @property
    def predicted(self) -> list[int]: ...
    @property
    def correct(self) -> list[int]: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def accuracy_micro(self) -> float: ...
    @property
    def loss(self) -> float | None: ...

@final
class Evaluator:
    """Evaluates configs on resident data and weights."""

    def __init__(self, graph: Graph, x: Tensor, y: Tensor, threads: int, fused_affine: bool) -> None: ...
    def evaluate(self, configs: Sequence[_Config], loss: bool) -> list[Metrics]: ...
    def forward(self, config: _Config, logits: Tensor) -> None: ...
    def layers(self, config: _Config) -> list[tuple[str, str, float]]:
        """(node, road, bound) for every linear layer."""
    @property
    def rows(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def threads(self) -> int: ...

def active_isa() -> str:
    """Name of the instruction set that the kernels use."""

def available_isas() -> list[str]:
    """Instruction sets that were built and that this processor runs, slowest first."""

def quantizers() -> list[str]:
    """Names of the quantizers with a native twin."""

def op_table() -> dict[str, _OpRow]:
    """The operations of the lowered graph: name to operands, parameters and attributes."""

def fake_quantize(x: Tensor, y: Tensor, width: int, frac_width: int, is_signed: bool, isa: str) -> None:
    """Write the fixed-point values of x to y with the kernels of one instruction set or 'reference'."""
