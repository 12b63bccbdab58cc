"""From the fx graph to the C++ one: one way, remade whenever needed, never edited."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from chop import _core
from chop.ir.graph.by_mode import ByMode, TracedMode
from chop.ir.graph.functional import refuse_writes
from chop.ir.graph.lowering_arguments import Arguments
from chop.ir.graph.lowering_call import BATCH, Call, Lowered, plain_tensor
from chop.ir.graph.lowering_inputs import first_layer_features, stored_shape
from chop.ir.graph.lowering_rules import LOWERING
from chop.ir.graph.lowering_slices import PIECES
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.op_rows import OpRow
from chop.ir.graph.ops import describe_target, find_row, source_text
from chop.ir.graph.own_code import current_weights, hooked_code, own_code, refuse_global_hooks
from chop.ir.graph.root_call import free_inputs, is_fixed_input
from chop.nn.quantized.quantized_module import QuantizedModule

__all__ = ["lower", "node_parameters", "plain_tensor"]

InputShapes = Mapping[str, Sequence[int]]

_SIZE_OPS = frozenset({"size", "getattr", "eq", "assert"})
_PLAIN_ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device"})  # x.T is a tensor, these are not
_SIZE_ARITHMETIC: Mapping[Any, Callable[[int, int], int]] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.floordiv: operator.floordiv,
}


def lower(
    mg: MaseGraph,
    features: int | None = None,
    input_shapes: InputShapes | Sequence[int] | None = None,
    values: bool = True,
) -> _core.Graph:
    """Make the immutable C++ graph of a traced model, in eval mode; quantized layers become float ones.

    Args:
        mg: a traced model; it needs no metadata passes. Weights are copied.
        features: columns of the input of a model that takes rows of features.
        input_shapes: shape of the input without its batch, or input name -> shape. Without it and
            ``features`` the shapes come from the common metadata where a pass has stored it, else from the
            first layer with features.
        values: False for the shapes of the weights alone, which also serves models on the meta device.

    Returns:
        The lowered graph; ``str()`` gives its text and ``Graph.parse`` reads that back.

    Raises:
        ValueError: a node is of a kind that the core does not know, or sizes do not meet; the node is named.

    >>> from torch import nn
    >>> from chop import MaseGraph
    >>> graph = lower(MaseGraph(nn.Sequential(nn.Linear(16, 5), nn.ReLU())))
    >>> [node["op"] for node in graph.nodes]
    ['input', 'linear', 'relu']
    >>> _core.Graph.parse(str(graph)) == graph
    True
    """
    if features is not None:
        input_shapes = (features,)
    return Lowering(mg, input_shapes, values).run()


def node_parameters(
    mg: MaseGraph, modules: Mapping[str, nn.Module], node: fx.Node
) -> Iterator[tuple[str, Tensor]]:
    """Yield name and tensor of the parameters that a node computes with."""
    if node.op == "call_module":
        yield from modules[str(node.target)].named_parameters(recurse=False)
    elif node.op == "call_function" and (row := find_row(node, modules)) and row.mase_op in LOWERING:
        for name, value in Arguments(node, LOWERING[row.mase_op].signature).items():
            tensor = _stored_tensor(mg, value)
            if tensor is not None:
                yield name, tensor


class Lowering:
    """One run of :func:`lower`."""

    def __init__(self, mg: MaseGraph, input_shapes: InputShapes | Sequence[int] | None, values: bool) -> None:
        self.mg, self.modules, self.values = mg, mg.modules, values
        self.input_shapes = input_shapes
        self.builder = _core.GraphBuilder()
        self.by_mode: dict[fx.Node, Any] = {}  # arguments that the mode decides, in eval mode
        self.sizes: set[fx.Node] = set()  # nodes that compute sizes, not tensors

    def run(self) -> _core.Graph:
        refuse_writes(self.mg.fx_graph, self.modules, "lower")
        refuse_global_hooks()
        if why := hooked_code(self.mg.model):
            raise ValueError(f"lower: the graph's model {why}, which no node stands for: hang it on a layer")
        called = [self.modules[str(node.target)] for node in self.mg.nodes if node.op == "call_module"]
        with current_weights(called):
            return self._run()

    def _run(self) -> _core.Graph:
        for node in self.mg.nodes:
            if node.op == "output":
                if not isinstance(node.args[0], fx.Node):
                    raise ValueError(f"lower: a model with one output is needed, got {node.args[0]}")
                return self._build(node.args[0])
            if is_fixed_input(node):
                continue
            if node.op == "placeholder":
                self._add_input(node, [BATCH, *self._input_shape(node)])
            elif (
                node.op != "get_attr"
                and not self._is_mode(node)
                and not self._is_size(node)
                and not self._is_pieces(node)
            ):
                self._add(node)
        raise ValueError("lower: the graph has no output node")

    def _build(self, output: fx.Node) -> _core.Graph:
        return self.builder.build(output.name)

    def _add_input(self, node: fx.Node, shape: list[int]) -> None:
        self.builder.add(node.name, "input", [], {}, {}, shape)

    def _add(self, node: fx.Node) -> None:
        made = self._lowered(node)
        self._refuse_get_attr(node, made)
        self.builder.add(node.name, made.op, made.inputs, made.attributes, made.parameters, [])

    def _lowered(self, node: fx.Node) -> Lowered:
        row = find_row(node, self.modules)
        mase_op = row.mase_op if row else describe_target(node, self.modules)
        rule = _rule(node, mase_op)
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        if module is not None and row is not None:
            self._refuse_own_code(node, module, row)
        arguments = Arguments(node, rule.signature, self.by_mode) if module is None else {}
        tensor_of = lambda value: _stored_tensor(self.mg, value)  # noqa: E731
        call = Call(node, mase_op, module, arguments, tensor_of, self._size, self._shape_of, self.values)
        made = rule.make(call)
        if isinstance(arguments, Arguments):
            arguments.refuse_unread(node, mase_op, rule.ignored)
        elif len(node.args) + len(node.kwargs) != 1:
            raise ValueError(f"lower: node {node.name} ({mase_op}){source_text(node)} needs one argument")
        return made

    def _refuse_own_code(self, node: fx.Node, module: nn.Module, row: OpRow) -> None:
        classes = (type(module),) if isinstance(module, QuantizedModule) else row.modules
        if why := own_code(module, classes):
            raise ValueError(
                f"lower: node {node.name} ({row.mase_op}): layer {node.target} {why}, which only torch computes; "
                "costs and native training need the layer without it"
            )

    def _refuse_get_attr(self, node: fx.Node, made: Lowered) -> None:
        for source in node.all_input_nodes:
            if source.op == "get_attr" and source.name in made.inputs:
                raise ValueError(
                    f"lower: node {node.name} ({made.op}) computes with the parameter {source.target}, "
                    "which the core knows only as the weight or bias of a layer"
                )

    def _input_shape(self, node: fx.Node) -> list[int]:
        given = self.input_shapes
        if isinstance(given, Mapping):
            if node.name not in given and str(node.target) not in given:
                raise ValueError(f"lower: input_shapes has no shape for the input {node.name}")
            return list(given.get(node.name, given.get(str(node.target), ())))
        inputs = [each.name for each in free_inputs(self.mg.fx_graph)]
        if len(inputs) != 1 and (given is not None or not stored_shape(node)):
            raise ValueError(
                f"lower: the model has {len(inputs)} inputs ({', '.join(inputs)}); pass input_shapes={{name: shape}}, "
                f"or fix one with MaseGraph(model, cf_args={{{inputs[-1]!r}: value}})"
            )
        if given is not None:
            return list(given)
        return stored_shape(node) or [first_layer_features(self.mg)]

    def _is_size(self, node: fx.Node) -> bool:
        row = find_row(node, self.modules)
        sources = node.all_input_nodes
        if node.target is getattr and node.args[1] not in _PLAIN_ATTRIBUTES:
            return False
        found = (row is not None and row.mase_op in _SIZE_OPS) or (
            bool(sources)
            and all(source in self.sizes for source in sources)
            and (node.target in _SIZE_ARITHMETIC or (row is not None and row.mase_op == "getitem"))
        )
        if found:
            self.sizes.add(node)
        return found

    def _is_mode(self, node: fx.Node) -> bool:
        """Whether a node tells the mode; the lowered graph is the model in eval mode."""
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, TracedMode) and module.traced_training:
            raise ValueError(f"lower: {module.message()}")
        if isinstance(module, ByMode):
            self.by_mode[node] = module.eval_value
        return isinstance(module, (ByMode, TracedMode))

    def _is_pieces(self, node: fx.Node) -> bool:
        """Whether a node gives several tensors; what takes one of them is lowered as a slice."""
        row = find_row(node, self.modules)
        return row is not None and row.mase_op in PIECES

    def _size(self, value: Any) -> int:
        """The number that an argument stands for: itself, or what its nodes read from shapes."""
        found = self._shape_value(value)
        if not isinstance(found, int):
            raise ValueError(f"lower: {value} is no size that the core can know")
        return found

    def _shape_value(self, value: Any) -> Any:
        if not isinstance(value, fx.Node):
            return value
        if value in self.sizes:
            row = find_row(value, self.modules)
            kind = row.mase_op if row else ""
            if kind == "size":
                shape = self._shape_of(value.args[0])
                dim = value.args[1] if len(value.args) > 1 else value.kwargs.get("dim")
                return shape if dim is None else shape[int(dim)]  # type: ignore[arg-type]
            if kind == "getattr" and value.args[1] == "shape":
                return self._shape_of(value.args[0])
            if kind == "getitem":
                return self._shape_value(value.args[0])[value.args[1]]
            operands = [self._shape_value(arg) for arg in value.args]
            if value.target in _SIZE_ARITHMETIC and all(isinstance(o, int) and o != BATCH for o in operands):
                return _SIZE_ARITHMETIC[value.target](*operands)
        raise ValueError(
            f"lower: node {value.name} computes a size that the core cannot know before the batch is given"
        )

    def _shape_of(self, value: Any) -> list[int]:
        return self.builder.shape_of(value.name)


def _rule(node: fx.Node, mase_op: str) -> Any:
    if mase_op not in LOWERING:
        known = ", ".join(sorted(LOWERING))
        raise ValueError(f"lower: node {node.name} ({mase_op}) is not known to the core; known: {known}")
    return LOWERING[mase_op]


def _stored_tensor(mg: MaseGraph, value: Any) -> Tensor | None:
    """Return the parameter or buffer that a get_attr node reads, None for anything else."""
    if not isinstance(value, fx.Node) or value.op != "get_attr":
        return None
    found: Any = mg.model
    for part in str(value.target).split("."):
        found = getattr(found, part)
    return found if isinstance(found, Tensor) else None
