"""The compiled core. Generated with pybind11-stubgen, then given the types that the bindings do not state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict, final

from torch import Tensor

__version__: str
__torch__: str  # the release that the extension was built against
__compiler__: str

class _OpRow(TypedDict):
    inputs: int
    required: list[str]
    optional: list[str]
    attributes: list[str]
    lists: list[str]
    operands: list[str]

class _NodeRow(TypedDict):
    name: str
    op: str
    inputs: list[str]
    attributes: dict[str, float | list[int]]
    parameters: dict[str, list[int]]
    shape: list[int]

# (node, quantizer, {operand: (width, frac_width, is_signed, rounding, overflow)}) for every quantized node; lists of
# widths and fraction widths: one for each element.
_Format = tuple[int | Sequence[int], int | Sequence[int], bool, str, str]
_ValueFormat = tuple[str, Sequence[float], Sequence[int], int]
_Node = tuple[str, str, Mapping[str, _Format | _ValueFormat]]

@final
class Graph:
    """A lowered graph: immutable, typed, in topological order."""

    __hash__: ClassVar[None]  # type: ignore[assignment]
    @staticmethod
    def parse(text: str) -> Graph:
        """Read the text form; raises ValueError with the line number."""
    def __eq__(self, other: object) -> bool: ...
    def __len__(self) -> int: ...
    def values(self, node: str) -> dict[str, bytes]:
        """The parameters of a node: name to float32 numbers as bytes, in C order; raises ValueError without values."""
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
        attributes: Mapping[str, float | Sequence[int]],
        parameters: Mapping[str, Tensor | Sequence[int]],
        shape: Sequence[int],
    ) -> None: ...
    def build(self, output: str) -> Graph: ...
    def shape_of(self, name: str) -> list[int]:
        """Shape of a node added before (-1: batch)."""

@final
class NodeWidths:
    """Bits of the operands of one node, named by its position."""

    def __init__(
        self,
        node: int,
        quantized: bool,
        data_in: tuple[float, float, float],
        weight: tuple[float, float, float],
        bias: tuple[float, float, float],
        effective: float | None,
        configured: float | None,
        joint: tuple[float, float | None, float | None, float] | None = None,
    ) -> None:
        """Bits: all of them, without the sign, as HGQ2 counts them. joint: bits of an input times those of the weight
        that it meets: all, all and effective, without the sign and effective, as HGQ2 counts; None: the products."""
    @property
    def bias(self) -> float: ...
    @property
    def data_in(self) -> float: ...
    @property
    def node(self) -> int: ...
    @property
    def quantized(self) -> bool: ...
    @property
    def weight(self) -> float: ...

@final
class WidthMemo:
    """Widths that were decided for the rules of configs, found by their contents."""

    def __init__(self) -> None: ...
    def remember(self, config: Any, widths: Sequence[Sequence[NodeWidths]]) -> None:
        """widths: one list a rule, in their order."""

@final
class Costs:
    """Cost models of one graph at one batch size."""

    def __init__(
        self,
        operations: Sequence[Mapping[str, Any]],
        outputs: Sequence[int],
        parameters: Sequence[tuple[float, Sequence[tuple[int, str]]]],
        models: Sequence[str],
    ) -> None: ...
    def figures(self, config: Sequence[NodeWidths]) -> list[tuple[list[float], float]]:
        """(one number a node, total) for each model; NaN where a model says nothing of a node."""

@final
class NamedTotals:
    """Totals of cost models by name."""

    def __init__(self, costs: Costs, names: Sequence[str]) -> None: ...
    def of(self, widths: Sequence[NodeWidths]) -> dict[str, float]: ...
    def of_config(self, memo: WidthMemo, config: Any) -> dict[str, float] | None:
        """None if a rule is new to the memo."""

# A metric with its options, and what it found: a number, or (float64 bytes, shape, whether they are counts).
_Metric = tuple[str, Mapping[str, int]]
_Value = float | tuple[bytearray, list[int], bool]

@final
class TorchCall:
    """A node that torch computes."""

    def __init__(
        self,
        node: str,
        function: Callable[..., None],
        input_sizes: Sequence[int],
        output_size: int,
        bytes: int = ...,
    ) -> None:
        """function(inputs, output, rows): memoryviews of float32, rows times the size of a row; bytes: held."""
    @property
    def node(self) -> str: ...
    @property
    def seconds(self) -> float:
        """Spent so far, by all threads together."""

@final
class Formats:
    """A config as the evaluator takes it."""

    def __init__(self, nodes: Sequence[_Node], calls: Sequence[TorchCall] = ...) -> None:
        """nodes: (name, quantizer, {operand: (width, frac_width, is_signed, rounding, overflow)}); no format: float."""

@final
class FormatMemo:
    """Formats that were decided for the rules of configs, found again operand by operand."""

    def __init__(self) -> None: ...
    def find(self, config: Any) -> Formats | None:
        """None if a part of the config is new to the memo."""
    def remember(self, config: Any, rules: Sequence[Sequence[_Node]]) -> None:
        """rules: the nodes of each rule, in their order."""

@final
class Evaluator:
    """Evaluates configs on resident data and weights."""

    def __init__(
        self,
        graph: Graph,
        x: Tensor,
        y: Tensor | None,
        threads: int,
        fused_affine: bool,
        calls: Sequence[TorchCall] = ...,
    ) -> None: ...
    def certificate(self, config: Formats) -> list[dict[str, Any]]:
        """One dict for each operand of data that is on a grid; sums: of a layer whose operands all are."""
    def evaluate(self, configs: Sequence[Formats], metrics: Sequence[_Metric]) -> list[list[_Value]]:
        """For each config the values of score(), in the order of the metrics, which are specs as there."""
    def forward(self, config: Formats, logits: Tensor) -> None: ...
    def layers(self, config: Formats) -> list[tuple[str, str, float]]:
        """(node, road, bound) for every linear layer."""
    @property
    def rows(self) -> int: ...
    @property
    def output_shape(self) -> list[int]:
        """Of one row of the result."""
    @property
    def threads(self) -> int: ...

@final
class SweepSpace:
    """Every combination of one choice a group, the last group turning fastest."""

    def __init__(self, groups: Sequence[Sequence[tuple[Formats, Sequence[NodeWidths]]]]) -> None:
        """groups: lists of (Formats, widths of nodes)."""
    @property
    def size(self) -> int: ...
    def costs(self, models: Costs, first: int, totals: Tensor) -> None:
        """Fill a float64 tensor (count, models) for the configurations from first on."""

@final
class Sweep:
    """A walk over a space; see search/sweep.h."""

    def __init__(
        self, evaluator: Evaluator, space: SweepSpace, objectives: Sequence[tuple[str, bool]], threads: int
    ) -> None:
        """objectives: (metric, or empty for a cost; whether to maximize)."""
    def run(self, first: int, prune: bool, values: Tensor, dropped: Tensor) -> None:
        """Fill float64 (count, objectives), whose costs are filled in, and uint8 (count)."""
    def add_finished(self, values: Tensor) -> None:
        """What is finished elsewhere counts for pruning, too."""

@final
class Tpe:
    """A tree-structured Parzen estimator over finite choices; see search/tpe.h."""

    def __init__(
        self,
        parameters: Sequence[tuple[int, bool]],
        objectives: int,
        seed: int,
        startup: int = ...,
        candidates: int = ...,
        joint: bool = ...,
        avoid_repeats: bool = ...,
    ) -> None:
        """parameters: (number of choices, whether they are ordered)."""
    def tell(
        self, number: int, point: Sequence[int], values: Sequence[float], violation: float = ...
    ) -> None:
        """A finished trial: smaller values are better, a NaN among them says that it failed."""
    def propose(self, number: int, running: Sequence[tuple[int, Sequence[int]]] = ...) -> list[int]:
        """The point for a trial; running: (number, point) of trials without values so far."""
    @property
    def told(self) -> int: ...

@final
class TrainingSpecification:
    """Parameters and formats of the nodes of a graph; a node: (numbers of its parameters, number of its running
    statistics or -1, their momentum, operand -> format, operand -> who shares a trained width)."""

    def __init__(
        self,
        sizes: Sequence[int],
        trained: int,
        running: Sequence[int],
        nodes: Mapping[
            str, tuple[Mapping[str, int], int, float, Mapping[str, _Format | _ValueFormat], Mapping[str, str]]
        ],
        straight_through: str,
    ) -> None: ...

@final
class TrainingOptions:
    """The optimizer and the limits of gradients."""

    def __init__(
        self,
        optimizer: str,
        betas: tuple[float, float],
        eps: float,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        clip: float | None,
        clip_by: str,
    ) -> None: ...

@final
class Trainer:
    """Trains a lowered graph; data and weights are resident."""

    def __init__(
        self,
        graph: Graph,
        specification: TrainingSpecification,
        options: TrainingOptions,
        dtype: str,
        threads: int,
    ) -> None: ...
    def set_data(self, x: Tensor, y: Tensor) -> None: ...
    def set_targets(self, targets: Tensor) -> None: ...
    def epoch(
        self,
        batch_size: int,
        learning_rate: float,
        order: Tensor | None,
        accumulate: int,
        first_row: int,
        max_steps: int,
        rates: Sequence[float],
    ) -> dict[str, Any]: ...
    def evaluate(self, x: Tensor, y: Tensor) -> dict[str, Any]: ...
    def stop(self) -> None: ...
    def progress(self) -> tuple[int, float]:
        """(batches, sum of their losses)"""
    def learn_widths(self, rate: float, price: float) -> None:
        """Set the widths' rate and the price of a bit."""
    def bits(self) -> float: ...
    def read(self, name: str, tensor: Tensor) -> None:
        """Copy a state into a tensor."""
    def write(self, name: str, tensor: Tensor) -> None:
        """Copy a tensor into a state."""
    @property
    def updates(self) -> int:
        """Updates of the weights so far."""
    @updates.setter
    def updates(self, updates: int) -> None: ...
    @property
    def width_updates(self) -> int:
        """Updates of the widths so far."""
    @width_updates.setter
    def width_updates(self, updates: int) -> None: ...
    @property
    def skips_zeros(self) -> bool:
        """Whether pruned weights cost no time."""
    @skips_zeros.setter
    def skips_zeros(self, skips: bool) -> None: ...
    @property
    def width_numbers(self) -> int:
        """Numbers of a state of the widths."""
    @property
    def batches(self) -> list[int]:
        """Batches that each pair of running statistics has seen."""
    @batches.setter
    def batches(self, batches: Sequence[int]) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def classes(self) -> int: ...

@final
class Statistic:
    """A statistic over tensors seen as [rows][groups]."""

    def __init__(self, name: str, arguments: Mapping[str, bool | int | float | str]) -> None: ...
    def update(self, tensor: Tensor, groups: int) -> None:
        """Add a contiguous float32 or float64 tensor."""
    def merge(self, other: Statistic) -> None: ...
    def compute(self) -> tuple[list[tuple[str, bytearray, int, bool, bool]], bytearray, bytearray, bool]:
        """Fields (name, float64 bytes, numbers per group, missing, integral), int64 bytes of the counts and of the
        NaN counts, and whether the count is shown."""

@final
class QuantizationErrors:
    """Sums of squared errors of a stream of numbers under many fraction widths."""

    def __init__(self, width: int, is_signed: bool, frac_widths: Sequence[int]) -> None: ...
    def update(self, tensor: Tensor, threads: int = 1) -> None:
        """The next numbers: a contiguous float32 tensor."""
    @property
    def errors(self) -> list[float]:
        """Sum of squared errors for each fraction width; NaN and infinities count for nothing."""
    @property
    def power(self) -> float:
        """Sum of squares of the numbers."""
    @property
    def count(self) -> int:
        """How many numbers were given."""

def active_isa() -> str:
    """Name of the instruction set that the kernels use."""

def available_isas() -> list[str]:
    """Instruction sets that were built and that this processor runs, slowest first."""

def float_ops() -> dict[str, bool]:
    """Operations on floats that the evaluator runs: whether torch fixes their bits."""

def nodes_for_torch(graph: Graph) -> list[str]:
    """Names of the nodes that only torch can compute."""

def value_formats() -> list[str]:
    """Names of the number formats beside the fixed-point grids."""

def number_rule(name: str, numbers: Sequence[float]) -> dict[str, str | int | float]:
    """How a number format brings float32 numbers to its values, of which each stands for itself: see NumberRule."""

def number_grid(name: str, numbers: Sequence[float]) -> tuple[int, float] | None:
    """(step, largest): its values are multiples of 2**step with such magnitudes; None: they lie on no known grid."""

def quantizers() -> list[str]:
    """Names of the quantizers with a native twin."""

def statistics() -> dict[str, dict[str, bool | int | float | str]]:
    """The native statistics: name to {argument: standard value}."""

def metrics() -> list[
    tuple[str, str, str, str, tuple[bool, bool], list[tuple[str, int | None, int, bool, str]]]
]:
    """(name, unit, direction, definition, (needs labels, needs a reference), options) of every native metric; an option
    is (name, standard value or None, least value, whether the number of classes bounds it, meaning)."""

def score(
    logits: Tensor,
    labels: Tensor | None,
    reference: Tensor | None,
    specs: Sequence[_Metric],
    threads: int,
) -> list[_Value]:
    """Of each metric a number, or (float64 bytes, shape, whether they are counts): logits float32 (rows, classes),
    labels int64 (rows) or None, reference float32 like the logits or None, specs ((name, {option: number}), …)."""

def cost_models() -> list[tuple[str, str, str, bool, bool]]:
    """(name, unit, definition, reads_values, reads_shapes) of every native cost model."""

def effective_weight_bits(
    weights: Tensor,
    width: int,
    frac_width: int,
    is_signed: bool,
    rounding: str = "half_even",
    overflow: str = "saturate",
) -> float:
    """Effective bits of a float32 tensor of weights, together."""

def check_trainable(graph: Graph, specification: TrainingSpecification) -> None:
    """Raise ValueError that names the node which the core cannot train."""

def op_table() -> dict[str, _OpRow]:
    """The operations of the lowered graph: name to operands, parameters and attributes."""

def pareto_front(values: Tensor) -> list[int]:
    """Ascending positions of the rows of a float64 tensor that no other dominates, smaller being better; equal rows
    together, rows with NaN never."""

def run_float_op(graph: Graph, node: str, inputs: Sequence[Tensor], output: Tensor) -> None:
    """Run one node of a lowered graph on what it reads (one float32 tensor an input, batch first) into output."""

def fake_quantize(
    x: Tensor,
    y: Tensor,
    width: int,
    frac_width: int,
    is_signed: bool,
    isa: str,
    rounding: str = "half_even",
    overflow: str = "saturate",
) -> None:
    """Write the fixed-point values of x to y with the kernels of one instruction set or 'reference'."""
