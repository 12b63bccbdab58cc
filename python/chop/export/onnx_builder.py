"""Puts an ONNX graph together: names, initializers, opsets, and bytes that are the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chop.tools.atomic_write import atomic_write

if TYPE_CHECKING:
    import onnx

# What every current runtime reads; a writer's default may be newer than a reader.
OPSET, IR_VERSION = 21, 10


class OnnxBuilder:
    """Collects nodes and initializers.

    Args:
        rows: batch size in the graph's types: a number, or a name for any.
        domains: further operator domains -> version.
    """

    def __init__(self, rows: int | str = "rows", domains: dict[str, int] | None = None) -> None:
        import onnx

        self._onnx = onnx
        self.rows, self.domains = rows, domains or {}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._names: set[str] = set()
        self._shared: dict[tuple[Any, ...], str] = {}
        self._count = 0

    def unique(self, name: str) -> str:
        """Return ``name``, or the first free of ``name_1``, ``name_2``, …"""
        found, count = name, 0
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def op(
        self, kind: str, inputs: Sequence[str], name: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Add a node and return the name of its value; without a name it is a number, which keeps files small."""
        output = self.unique(name) if name else self.number()
        made = self._onnx.helper.make_node(kind, list(inputs), [output], domain=domain or None, **attributes)
        self.nodes.append(made)
        return output

    def constant(self, value: np.ndarray, name: str = "") -> str:
        """Add an initializer. One without a name is shared by all who need the same numbers."""
        array = np.ascontiguousarray(value).reshape(value.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if not name and key in self._shared:
            return self._shared[key]
        found = self.unique(name) if name else self.number()
        self.initializers[found] = self._onnx.numpy_helper.from_array(array, found)
        if not name:
            self._shared[key] = found
        return found

    def scalar(self, value: float, dtype: Any = np.float32) -> str:
        """Add a number as a 0-d initializer, one for equal numbers."""
        return self.constant(np.array(value, dtype))

    def number(self) -> str:
        """Return the short name of a value that chop has no name for."""
        self._count += 1
        return self.unique(f"_{self._count}")

    def model(
        self, inputs: Sequence[tuple[str, Sequence[int]]], output: tuple[str, Sequence[int]], name: str
    ) -> onnx.ModelProto:
        """Return the checked model."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        ends = [helper.make_tensor_value_info(n, kind, [self.rows, *shape]) for n, shape in (*inputs, output)]
        graph = helper.make_graph(self.nodes, name, ends[:-1], ends[-1:], list(self.initializers.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, version) for domain, version in self.domains.items()]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="chop")
        self._onnx.checker.check_model(made, full_check=not self.domains)
        return made


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model: the same bytes for the same model."""
    atomic_write(path, model.SerializeToString(deterministic=True))
