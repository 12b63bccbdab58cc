"""The way back from the evaluator's core to torch, for the nodes that only torch can compute."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from chop import _core
from chop.ir.graph.core_formats import is_native, refuse_by_rows
from chop.ir.graph.lowering_opaque import lower_with_torch
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.node_call import NodeCall, Snapshot
from chop.ir.graph.opaque import OpaqueNodes
from chop.ir.graph.quantize_config import NodeRule
from chop.nn.quantizers import QUANTIZERS
from chop.tools.fork_lock import ForkLock

logger = logging.getLogger(__name__)

_MOST_KEPT = 512  # calls of configs


class TorchCalls:
    """What torch computes of one evaluator's model: nodes that the core does not know, and foreign quantizers.

    Args:
        mg: the model; it is copied.
        x: the data.
        input_shape: of a row of it.

    Attributes:
        lowered: the graph for the core.
        float_calls: for the nodes that the core cannot compute, under every config.

    Raises:
        ValueError: see :func:`~chop.ir.graph.lowering_opaque.lower_with_torch`.
    """

    def __init__(self, mg: MaseGraph, x: Tensor, input_shape: Sequence[int]) -> None:
        opaque = OpaqueNodes(mg, x)
        self.lowered = lower_with_torch(mg, opaque, input_shape)
        while names := _refused(self.lowered):
            opaque.names |= names
            self.lowered = lower_with_torch(mg, opaque, input_shape)
        self._snapshot = opaque.snapshot
        self._rows = {node["name"]: node for node in self.lowered.nodes}
        unknown = [name for name, node in self._rows.items() if node["op"] == "opaque"]
        # Node -> those that compute it on the way; none for nodes that nobody needs.
        self._hosts: dict[str, list[str]] = {
            name: [] for name in self._snapshot.nodes if name not in self._rows
        }
        for name in unknown:
            for each in self._snapshot.folded(name, self._rows[name]["inputs"])[0]:
                self._hosts.setdefault(each, []).append(name)
        self._lock = ForkLock()
        self._kept: dict[Any, _core.TorchCall] = {}
        self._spent: dict[str, float] = {}  # by calls that are not kept any more
        self._warned: set[str] = set()
        self.float_calls = [self._made(name, {}) for name in unknown]
        if unknown:
            what = ", ".join(self._snapshot.describe(name) for name in unknown)
            one = len(unknown) == 1
            logger.warning(
                "evaluator: %s %s through torch",
                f"node {what}" if one else f"nodes {what}",
                "goes" if one else "go",
            )

    def one_thread(self) -> AbstractContextManager[None]:
        """Return what the core must be called in."""
        return _one_torch_thread() if self.float_calls or self._kept else nullcontext()

    def seconds(self) -> dict[str, float]:
        """Node -> time that torch has spent on it so far, by all threads and configs together."""
        with self._lock:
            found = dict(self._spent)
            for call in [*self.float_calls, *self._kept.values()]:
                found[call.node] = found.get(call.node, 0.0) + call.seconds
        return found

    def of(self, rules: Sequence[NodeRule]) -> tuple[list[NodeRule], list[_core.TorchCall]]:
        """Split the quantized nodes of a config into those for the core and calls for the others."""
        native, by_call = [], dict[str, dict[str, NodeRule]]()
        for rule in rules:
            hosts = self._hosts.get(rule.node)
            shapes = self._input_shapes(rule.node) if hosts is None else []
            refuse_by_rows(rule, _dims_of(rule, shapes))
            if hosts is None and is_native(rule, shapes):
                native.append(rule)
                continue
            if hosts is None:
                hosts = [rule.node]
                self._warn(str(rule.quantizer))
            for host in hosts:
                by_call.setdefault(host, {})[rule.node] = rule
        return native, [self._call(host, found) for host, found in by_call.items()]

    def _input_shapes(self, node: str) -> list[list[int]]:
        return [self._rows[each]["shape"] for each in self._rows[node]["inputs"]]

    def _warn(self, quantizer: str) -> None:
        if quantizer not in self._warned:
            self._warned.add(quantizer)
            logger.warning(
                "evaluator: quantizer %r has no native twin; nodes that use it go through torch", quantizer
            )

    def _call(self, host: str, rules: Mapping[str, NodeRule]) -> _core.TorchCall:
        key = (
            host,
            *((node, QUANTIZERS[str(r.quantizer)], *(r.formats or {}).items()) for node, r in rules.items()),
        )
        with self._lock:
            call = self._kept.pop(key, None) or self._made(host, rules)
            self._kept[key] = call  # the last one again
            while len(self._kept) > _MOST_KEPT:
                oldest = self._kept.pop(next(iter(self._kept)))
                self._spent[oldest.node] = self._spent.get(oldest.node, 0.0) + oldest.seconds
        return call

    def _made(self, name: str, rules: Mapping[str, NodeRule]) -> _core.TorchCall:
        node = self._rows[name]
        shapes = [self._rows[each]["shape"][1:] for each in node["inputs"]]
        call = NodeCall(self._snapshot, name, node["inputs"], rules)
        function = _TorchFunction(self._snapshot, name, call, shapes, node["shape"][1:])
        sizes = [torch.Size(shape).numel() for shape in (*shapes, node["shape"][1:])]
        return _core.TorchCall(name, function, sizes[:-1], sizes[-1], call.bytes)


def _dims_of(rule: NodeRule, shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """Numbers of dimensions of the operands that are data: a product's second factor is called weight."""
    names = ("data_in", "weight") if rule.mase_op in ("matmul", "bmm") else ("data_in",)
    return {name: len(shape) for name, shape in zip(names, shapes, strict=False)}


class _TorchFunction:
    """Computes a node on the memory of the core."""

    def __init__(
        self, snapshot: Snapshot, name: str, call: NodeCall, shapes: list[list[int]], shape: list[int]
    ) -> None:
        self._what = snapshot.describe(name)
        self._call, self._shapes, self._shape = call, shapes, shape

    def __call__(self, inputs: Sequence[memoryview], output: memoryview, rows: int) -> None:
        try:
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                values = [
                    _floats(view, rows, shape) for view, shape in zip(inputs, self._shapes, strict=True)
                ]
                if self._call.foreign:
                    values = [value.clone() for value in values]
                result, out = self._call(values), _floats(output, rows, self._shape)
                if result.shape != out.shape:
                    raise ValueError(f"its value has the shape {list(result.shape)} for {rows} rows")
                out.copy_(result)
        except Exception as error:
            raise RuntimeError(f"evaluator: node {self._what} fails in torch: {error}") from error


def _floats(view: memoryview, rows: int, shape: list[int]) -> Tensor:
    return torch.frombuffer(view, dtype=torch.float32).view(rows, *shape)


def _refused(lowered: _core.Graph) -> frozenset[str]:
    refused = _core.nodes_for_torch(lowered)
    return frozenset(n["name"] for n in lowered.nodes if n["name"] in refused and n["op"] != "opaque")


_lock = ForkLock()
_inside, _threads_before = 0, 1


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Let torch compute with one thread: the evaluator has its own, and sums must not depend on torch's."""
    global _inside, _threads_before
    with _lock:
        if _inside == 0:
            _threads_before = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_threads_before)
