"""A file as checked nodes and constants: whatever is wrong with it is told here, before anything is built of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

DOMAIN = "qonnx.custom_op.general"
QUANTS = ("Quant", "IntQuant", "BipolarQuant")
OLDEST_OPSET = 13  # before it some operations took as attributes what they now read
_PLAIN = ("", "ai.onnx")
_KINDS = ("float32", "float64", "int32", "int64")
_MOST_NUMBERS = 1 << 26


class UnreadableError(ValueError):
    """What cannot be read, in one clause; who knows the path puts it in front."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)


@dataclass(frozen=True)
class Node:
    """One operation of the file.

    Attributes:
        label: its name, or that of its value.
        op: e.g. ``Conv``.
        inputs, output: names of values; an input left out is empty.
        attributes: numbers, texts, lists.
    """

    label: str
    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def refuse(self, reason: str) -> UnreadableError:
        """Return the error that names this node."""
        return UnreadableError(f"node {self.label} ({self.op})", reason)

    def whole(self, name: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.refuse(f"{name} must be a whole number, got {value!r}")
        return value

    def wholes(self, name: str, default: Sequence[int]) -> list[int]:
        """Return an attribute that is a list of whole numbers, as many as the default has."""
        value = list(self.attributes.get(name, default) or default)
        if len(value) != len(default) or not all(isinstance(v, int) for v in value):
            raise self.refuse(f"{name} must be {len(default)} whole numbers, got {value!r}")
        return value


@dataclass(frozen=True)
class QonnxGraph:
    """What a file holds.

    Attributes:
        nodes: in the order in which they can be computed; only those that the output needs.
        constants: name -> numbers: float32, float64, int32 or int64.
        input: its name. shape: of it, without the batch. batch: 0 where any will do.
        output: name of the value that the graph returns.
        output_shape: as declared, without the batch; None where it is not.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    input: str
    shape: tuple[int, ...]
    batch: int
    output: str
    output_shape: tuple[int, ...] | None

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """Value -> the node that makes it."""
        return {node.output: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[Node, ...]]:
        """Value -> the nodes that read it."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def sole_reader(self, value: str) -> Node | None:
        """Return the node that alone reads a value; None where there are more, none, or it is the output."""
        readers = self.readers.get(value, ())
        return readers[0] if len(readers) == 1 and value != self.output else None


def read_file(path: Path) -> QonnxGraph:
    """Read and check a file.

    Raises:
        UnreadableError: it is no such file, or one that cannot be read.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise UnreadableError("", error.strerror or "cannot be opened") from None
    except DecodeError:
        raise UnreadableError("", "is no ONNX file, or a damaged one") from None
    _check_text(model)
    _check_header(model)
    graph = model.graph
    constants = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise UnreadableError(f"initializer {tensor.name}", "is there twice")
        constants[tensor.name] = _numbers(tensor, f"initializer {tensor.name}")
    given = [value for value in graph.input if value.name not in constants]
    for what, ends in (("input", given), ("output", graph.output)):
        if len(ends) != 1:
            raise UnreadableError("", f"a graph with one {what} is needed, this one has {len(ends)}")
    shape = _shape(given[0])
    if shape is None or len(shape) < 2 or not all(shape[1:]):
        raise UnreadableError(f"input {given[0].name}", "needs a shape: a batch and sizes of 1 or more")
    declared = _shape(graph.output[0])
    output = graph.output[0].name
    nodes = _nodes(graph, constants, given[0].name, output)
    try:  # attributes and numbers of inputs, by the operations' own schemas
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UnreadableError("", f"is no valid ONNX: {_first_line(error)}") from None
    return QonnxGraph(
        nodes, constants, given[0].name, shape[1:], shape[0], output, declared[1:] if declared else None
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :200
    ]


def _check_text(model: onnx.ModelProto) -> None:
    """Names that are no UTF-8 come out of protobuf as bytes, or not at all."""
    graph = model.graph
    try:
        names: list[Any] = [o.domain for o in model.opset_import]
        names += [part.name for part in (*graph.initializer, *graph.input, *graph.output)]
        for node in graph.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [attribute.name for attribute in node.attribute]
    except UnicodeDecodeError:
        names = [b""]
    if not all(isinstance(name, str) for name in names):
        raise UnreadableError("", "is a damaged file: a name in it is no text")


def _check_header(model: onnx.ModelProto) -> None:
    import onnx

    newest, opsets = onnx.defs.onnx_opset_version(), {o.domain: o.version for o in model.opset_import}
    version = next((opsets[domain] for domain in _PLAIN if domain in opsets), None)
    if not model.graph.node:
        raise UnreadableError("", "is no ONNX file, or one without nodes")
    if version is None or not OLDEST_OPSET <= version <= newest:
        raise UnreadableError("", f"has opset {version}; {OLDEST_OPSET} to {newest} are read")
    if model.functions or model.graph.sparse_initializer:
        raise UnreadableError("", "has functions or sparse numbers of its own, which are not read")
    if not any(node.domain == DOMAIN for node in model.graph.node):
        raise UnreadableError("", f"holds no node of {DOMAIN}: it is plain ONNX, not QONNX")


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """Return sizes, 0 where one is not a number; None without a shape."""
    import onnx

    kind = value.type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise UnreadableError(f"value {value.name}", "must be of type float")
    if not kind.HasField("shape"):
        return None
    sizes = tuple(max(0, int(d.dim_value)) if d.HasField("dim_value") else 0 for d in kind.shape.dim)
    if np.prod([float(size or 1) for size in sizes]) > _MOST_NUMBERS:
        raise UnreadableError(f"value {value.name}", f"is too large: {list(sizes)}")
    return sizes


def _numbers(tensor: onnx.TensorProto, where: str) -> np.ndarray:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise UnreadableError(where, "lies in another file; save the model with its numbers inside")
    kind = next((k for k in _KINDS if tensor.data_type == _onnx_type(k)), None)
    if kind is None:
        raise UnreadableError(where, f"has a type that is not read; {', '.join(_KINDS)} are")
    if any(size < 0 for size in tensor.dims):
        raise UnreadableError(where, f"has the shape {list(tensor.dims)}")
    try:
        found = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError):
        raise UnreadableError(where, f"does not hold the numbers of its shape {list(tensor.dims)}") from None
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise UnreadableError(where, "holds NaN or infinity")
    return found


def _onnx_type(kind: str) -> int:
    import onnx

    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


def _nodes(
    graph: onnx.GraphProto, constants: dict[str, np.ndarray], given: str, output: str
) -> tuple[Node, ...]:
    """Check names and order, take in constants, and leave out what the output does not need."""
    made, nodes = {given, *constants}, []
    for proto in graph.node:
        label = proto.name or next(iter(proto.output), "") or proto.op_type
        where = f"node {label} ({proto.op_type})"
        if proto.domain not in (*_PLAIN, DOMAIN) or (proto.op_type in QUANTS) != (proto.domain == DOMAIN):
            raise UnreadableError(where, f"is of the domain {proto.domain!r}, in which it is not read")
        if len(proto.output) != 1 or not proto.output[0]:
            raise UnreadableError(where, "must have one output")
        if proto.output[0] in made:
            raise UnreadableError(where, f"makes {proto.output[0]!r}, which is there already")
        for name in proto.input:
            if name and name not in made:
                reason = (
                    f"reads {name!r}, which nothing before it makes: an initializer is missing, or a cycle"
                )
                raise UnreadableError(where, reason)
        made.add(proto.output[0])
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _constant(proto, where)
        else:
            attributes = _attributes(proto, where)
            nodes.append(Node(label, proto.op_type, tuple(proto.input), proto.output[0], attributes))
    if output not in made:
        raise UnreadableError("", f"its output {output!r} is made by no node")
    needed, kept = {output}, []
    for node in reversed(nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _constant(proto: onnx.NodeProto, where: str) -> np.ndarray:
    import onnx

    if len(proto.attribute) == 1:
        attribute = proto.attribute[0]
        if attribute.name == "value" and attribute.type == onnx.AttributeProto.TENSOR:
            return _numbers(attribute.t, where)
        kinds = {"value_float": "f", "value_floats": "floats", "value_int": "i", "value_ints": "ints"}
        if attribute.name in kinds:
            value = getattr(attribute, kinds[attribute.name])
            kind = np.float32 if "float" in attribute.name else np.int64
            return np.array(value if isinstance(value, (int, float)) else list(value), kind)
    raise UnreadableError(where, "is no constant of numbers")


def _attributes(proto: onnx.NodeProto, where: str) -> dict[str, Any]:
    import onnx

    kinds = onnx.AttributeProto
    readers = {
        kinds.FLOAT: lambda a: float(a.f),
        kinds.INT: lambda a: int(a.i),
        kinds.STRING: lambda a: a.s.decode("utf-8", "replace"),
        kinds.FLOATS: lambda a: [float(v) for v in a.floats],
        kinds.INTS: lambda a: [int(v) for v in a.ints],
    }
    found = {}
    for attribute in proto.attribute:
        if attribute.type not in readers:
            raise UnreadableError(where, f"has an attribute {attribute.name!r} of a kind that is not read")
        found[attribute.name] = readers[attribute.type](attribute)
    return found
