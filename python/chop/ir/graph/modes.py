"""Train and eval mode of a traced forward: it is traced in both, and what differs is looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from chop.ir.graph.by_mode import ByMode, TracedMode
from chop.ir.graph.ops import source_text

_PLAIN = (type(None), bool, int, float, str)


class _Choice(NamedTuple):
    """An argument that the mode decides."""

    train_value: Any
    eval_value: Any
    is_training: bool  # in the graph at hand


class _BranchesError(Exception):
    """The forwards of the two modes are not the same calls."""


def follow_mode(
    model: nn.Module, traced: fx.GraphModule, trace: Callable[[], fx.Graph], is_leaf: Callable[..., bool]
) -> None:
    """Make a traced model do in train and in eval mode what its forward does there.

    An argument that depends on ``self.training`` becomes a :class:`ByMode`. Where the calls themselves depend on it, a
    :class:`TracedMode` refuses the other mode.

    Args:
        model: the module that was traced; its flags are changed and set back meanwhile.
        traced: what came of it.
        trace: traces ``model`` again.
        is_leaf: whether a submodule is not traced into, given it and its name.
    """
    inner = [m for name, m in model.named_modules() if m is model or not is_leaf(m, name)]
    if all(type(m).__module__.startswith("torch.") for m in inner):
        return  # containers, which do not look at their mode
    known = {module.training for module in inner}  # the graph at hand is that of one mode, unless they differ
    try:
        forms = [
            (traced.graph, traced) if known == {is_training} else (_traced(inner, is_training, trace), model)
            for is_training in (True, False)
        ]
        arguments = _merged_graphs(traced, *forms)
    except _BranchesError as error:
        _add(
            traced, "chop_traced_mode", TracedMode(model.training, str(error)), next(iter(traced.graph.nodes))
        )
    else:
        for node, (args, kwargs) in arguments.items():
            node.args, node.kwargs = _with_modules(traced, node, args), _with_modules(traced, node, kwargs)


def _traced(inner: Sequence[nn.Module], is_training: bool, trace: Callable[[], fx.Graph]) -> fx.Graph:
    with _flags(inner, is_training):
        try:
            return trace()
        except Exception as error:
            raise _BranchesError("") from error


@contextlib.contextmanager
def _flags(modules: Sequence[nn.Module], is_training: bool) -> Iterator[None]:
    before = [module.training for module in modules]
    for module in modules:
        module.training = is_training
    try:
        yield
    finally:
        for module, flag in zip(modules, before, strict=True):
            module.training = flag


def _merged_graphs(
    traced: fx.GraphModule, train: tuple[fx.Graph, nn.Module], evaluated: tuple[fx.Graph, nn.Module]
) -> dict[fx.Node, tuple[Any, Any]]:
    """The arguments of the nodes that have an argument which the mode decides; graphs beside what owns their names."""
    forms = ((traced.graph, traced), train, evaluated)
    rows = [list(graph.nodes) for graph, _ in forms]
    number = {node: place for nodes in rows for place, node in enumerate(nodes)}
    merge = _Merge([owner for _, owner in forms], number)
    found = {}
    for node, in_train, in_eval in zip(*rows, strict=False):
        merge.choices = 0
        try:
            merge.check_target(node, in_train, in_eval)
            arguments = merge(node.args, in_train.args, in_eval.args)
            keywords = merge(node.kwargs, in_train.kwargs, in_eval.kwargs)
        except _BranchesError:
            raise _BranchesError(source_text(in_train) or source_text(in_eval)) from None
        if merge.choices:
            found[node] = arguments, keywords
    if len({len(nodes) for nodes in rows}) > 1:
        raise _BranchesError("")
    return found


class _Merge:
    """Compares the values of a graph with those of both modes, and puts a choice where these differ."""

    def __init__(self, owners: Sequence[nn.Module], number: dict[fx.Node, int]) -> None:
        self.owners, self.number, self.choices = owners, number, 0

    def check_target(self, *nodes: fx.Node) -> None:
        if len({(node.op, node.target) for node in nodes}) == 1:
            return
        if any(node.op != "get_attr" for node in nodes):
            raise _BranchesError
        tensors = [getattr(owner, str(n.target), None) for owner, n in zip(self.owners, nodes, strict=True)]
        if not all(isinstance(t, Tensor) and _alike(t, tensors[0]) for t in tensors):
            raise _BranchesError

    def __call__(self, value: Any, train: Any, evaluated: Any) -> Any:
        values = (value, train, evaluated)
        if all(isinstance(each, fx.Node) for each in values):
            if len({self.number[each] for each in values}) > 1:
                raise _BranchesError
            return value
        if all(isinstance(each, dict) and each.keys() == value.keys() for each in values):
            return {key: self(value[key], train[key], evaluated[key]) for key in value}
        if all(isinstance(each, (tuple, list)) and len(each) == len(value) for each in values):
            return (list if isinstance(value, list) else tuple)(map(self, *values))
        if all(isinstance(each, slice) for each in values):
            return slice(*(self(*(getattr(v, end) for v in values)) for end in ("start", "stop", "step")))
        if _same(train, evaluated) and _same(value, train):
            return value
        if not all(type(each) in _PLAIN for each in values):
            raise _BranchesError
        self.choices += 1
        return _Choice(train, evaluated, _same(value, train))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (
        _alike(a, b) if isinstance(a, Tensor) else bool(a == b) or (a != a and b != b)
    )


def _alike(a: Any, b: Any) -> bool:
    return isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def _with_modules(traced: fx.GraphModule, node: fx.Node, value: Any) -> Any:
    """The same with a node for each choice."""
    if isinstance(value, _Choice):
        numbers = (n for n in range(len(traced.graph.nodes)) if not hasattr(traced, f"chop_by_mode_{n}"))
        module = ByMode(value.train_value, value.eval_value).train(value.is_training)
        return _add(traced, f"chop_by_mode_{next(numbers)}", module, node)
    if isinstance(value, dict):
        return {key: _with_modules(traced, node, item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_with_modules(traced, node, item) for item in value)
    if isinstance(value, slice):
        return slice(*(_with_modules(traced, node, end) for end in (value.start, value.stop, value.step)))
    return value


def _add(traced: fx.GraphModule, name: str, module: nn.Module, before: fx.Node) -> fx.Node:
    traced.add_submodule(name, module)
    module.training = module.traced_training if isinstance(module, TracedMode) else module.training
    with traced.graph.inserting_before(before):
        return traced.graph.call_module(name)
