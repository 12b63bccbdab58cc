"""One walk over a graph with tensors that have shapes but no memory: what each node gives and how much work it is."""

from __future__ import annotations

import contextlib
import copy
import logging
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from chop.cost.core_nodes import CoreNodes
from chop.cost.meta import MetaModules, on_meta
from chop.cost.tracing import FUSED, Tally
from chop.cost.work import RULES, UNKNOWN, Applied, Product, Work, tensors_of
from chop.ir.graph.eval_run import eval_mode
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.ops import describe_target, find_row, mase_type_and_op, source_text
from chop.ir.graph.own_code import own_code
from chop.ir.graph.quantized_node import restore_call
from chop.ir.graph.root_call import asserts
from chop.nn.quantized.functional import quantized_function_op
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.tools.errors import ConfigError

NOT_KNOWN = Work(UNKNOWN, (Product(UNKNOWN, UNKNOWN),))
_NEEDS_VALUES = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedOperatorException,
    fake_tensor.UnsupportedFakeTensorException,
    NotImplementedError,
)
_NEEDS_VALUES_TEXT = ("FakeTensor", "tensor subclasses", "data pointer", "data-dependent", "meta tensor")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the walk found of a node.

    Attributes:
        value: its result, with shapes only; None where it is not known.
        work: of the call.
        reason: why something is not known; else empty.
    """

    value: Any
    work: Work
    reason: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether not even the shape is known."""
        return self.value is None and bool(self.reason)


def walk(mg: MaseGraph, values: Mapping[str, Any], real: bool = False) -> dict[str, Seen]:
    """Return what each node gives and does, in eval mode; the model is afterwards as it was.

    Args:
        mg: the graph, quantized or not; quantized nodes are taken as float ones.
        values: input -> tensor of the batch, or any other value; of tensors only shapes and dtypes are read.
        real: True to compute with the tensors themselves, for nodes that need to see numbers.

    Raises:
        ConfigError: a node does not take what it is given; the message names it.
    """
    if real:
        with eval_mode(mg.model):
            return _Run(mg, values, mg.modules, lambda value: value).seen
    try:
        # Meta tensors are quick, fake ones know what is on which device and say why they cannot go on.
        with torch.no_grad():
            return _Run(mg, values, MetaModules(mg.modules), on_meta).seen
    except ConfigError as error:
        on_another_device = _is_about_devices(error.__cause__)
        if not on_another_device or any(tensor.is_meta for tensor in mg.model.parameters()):
            raise
    device = next((str(t.device) for t in mg.model.parameters()), "cpu")
    place = lambda t: torch.empty(t.shape, dtype=t.dtype, device=device) if isinstance(t, Tensor) else t  # noqa: E731
    with eval_mode(mg.model), _quiet(), FakeTensorMode(allow_non_fake_inputs=True):
        return _Run(mg, values, mg.modules, place, strict=False).seen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from logging the traceback of an error that is raised anyway."""
    log = logging.getLogger(fake_tensor.__name__)
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


class _Run:
    def __init__(
        self,
        mg: MaseGraph,
        values: Mapping[str, Any],
        modules: Mapping[str, nn.Module],
        place: Callable[[Any], Any],
        strict: bool = True,
    ) -> None:
        self.mg, self.modules, self.place = mg, modules, place
        nodes, self.names = _float_nodes(mg)
        self.seen: dict[str, Seen] = {}
        self.core = CoreNodes(mg, self.seen)
        for node in nodes:
            if node.op != "output":
                self._add(node, values, strict)

    def _add(self, node: fx.Node, values: Mapping[str, Any], strict: bool) -> None:
        name = self.names[node]
        if node.op == "placeholder":
            self.seen[name] = Seen(self.place(values[name]), Work())
            return
        if asserts(node):
            self.seen[name] = Seen(None, Work())
            return
        lost = [self.names[each] for each in node.all_input_nodes if self.seen[self.names[each]].is_lost]
        if lost:
            self.seen[name] = Seen(None, NOT_KNOWN, f"reads {lost[0]}, whose shape is not known")
            return
        try:
            self.seen[name] = self._computed(node)
        except Exception as error:  # whatever a layer raises on shapes that do not fit
            if strict or not _needs_values(error):
                what = f"cost: node {name}{source_text(node)}: {type(error).__name__}"
                raise ConfigError(f"{what}: {str(error).strip().partition(chr(10))[0]}") from error
            self.seen[name] = Seen(None, NOT_KNOWN, "its shape depends on numbers, not on shapes alone")

    def _computed(self, node: fx.Node) -> Seen:
        value = lambda source: self.seen[self.names[source]].value  # noqa: E731
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), value)
        if node.op == "get_attr":
            return Seen(self.place(operator.attrgetter(str(node.target))(self.mg.model)), Work())
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        rule = self._rule_name(node, module)
        tally = Tally()
        if rule is None:
            with tally.counting():
                result = _call(node, module, args, kwargs)
            reason = f"torch's {tally.unknown[0]} has no count" if tally.unknown else ""
            return Seen(result, tally.total(), reason)
        result = self._result_by_core(node)
        if result is None:
            with tally.unfused() if rule in FUSED else contextlib.nullcontext():
                result = _call(node, module, args, kwargs)
        if not tensors_of(result):
            return Seen(result, Work())  # arithmetic on sizes
        return Seen(result, RULES[rule](Applied(rule, module, args, kwargs, result)))

    def _result_by_core(self, node: fx.Node) -> Any:
        return self.core.result(node) if isinstance(self.modules, MetaModules) else None

    def _rule_name(self, node: fx.Node, module: nn.Module | None) -> str | None:
        row = find_row(node, self.modules)
        if module is not None and not _computes_as_known(module, row):
            return None
        if row is not None:
            name = row.mase_op
        elif module is not None:
            name = mase_type_and_op(node, self.modules).mase_op
        else:
            name = describe_target(node, self.modules)
        return name if name in RULES and _is_of_torch(node) else None


def _float_nodes(mg: MaseGraph) -> tuple[list[fx.Node], dict[fx.Node, str]]:
    """The nodes with quantized calls as the float ones, and the names that they have in the graph."""
    nodes = list(mg.nodes)
    if not any(quantized_function_op(node.target) for node in nodes):
        return nodes, {node: node.name for node in nodes}
    copied = list(copy.deepcopy(mg.fx_graph).nodes)
    for node in copied:
        restore_call(node)
    return copied, {node: before.name for node, before in zip(copied, nodes, strict=True)}


def _computes_as_known(module: nn.Module, row: Any) -> bool:
    """False for a class of somebody's own, and for whatever computes something else than its class says."""
    own_class = isinstance(module, QuantizedModule) or type(module).__module__.startswith("torch.")
    return own_code(module, (type(module),) if own_class else row.modules if row is not None else ()) is None


def _is_of_torch(node: fx.Node) -> bool:
    package = str(getattr(node.target, "__module__", None) or "torch").partition(".")[0]
    return node.op != "call_function" or package in ("torch", "_operator", "operator", "builtins", "math")


def _call(node: fx.Node, module: nn.Module | None, args: Any, kwargs: Any) -> Any:
    if isinstance(module, QuantizedModule):
        return module.float_type.forward(module, *args, **kwargs)
    if module is not None:
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _is_about_devices(error: BaseException | None) -> bool:
    """Whether a node may have failed only because its tensors have no memory, not because their sizes do not fit."""
    plain = isinstance(error, (RuntimeError, ValueError)) and not isinstance(error, NotImplementedError)
    about = ("meta", "device", "fake", "storage", "numpy", "data-dependent", "not implemented")
    return not plain or any(word in str(error).lower() for word in about)


def _needs_values(error: Exception) -> bool:
    return isinstance(error, _NEEDS_VALUES) or any(text in str(error) for text in _NEEDS_VALUES_TEXT)
