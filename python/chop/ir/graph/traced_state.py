"""What a forward leaves behind in its model while it is traced: undone, and refused where the graph depends on it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from chop.ir.graph.counters import Watch, far_ahead, later_calls_differ, lengthen, numbers_apart, watched
from chop.ir.graph.own_code import COMPUTING_HOOKS
from chop.tools.errors import ConfigError

_CONTAINERS = (list, dict, set)
_CONSTANT = "_tensor_constant"  # where torch.fx keeps tensors that a forward makes, until the graph has them


class ModelState:
    """The attributes of a model, of its parts and of their plain objects, and what their lists and dicts hold.

    >>> model = nn.ReLU()
    >>> state = ModelState(model)
    >>> model.calls = 1
    >>> state.changed(), state.restore(), hasattr(model, "calls")
    (['ReLU.calls'], None, False)
    """

    def __init__(self, model: nn.Module) -> None:
        self._attributes = [(each, dict(vars(each))) for each in _with_objects(model)]
        held = [
            value
            for _, attributes in self._attributes
            for value in attributes.values()
            if type(value) in _CONTAINERS
        ]
        self._buffers = [
            (name, buffer, buffer._version, buffer.clone())
            for name, buffer in model.named_buffers()
            if not buffer.is_inference()
        ]
        self._held: list[tuple[Any, Any]] = [(value, value.copy()) for value in held]

    def changed(self) -> list[str]:
        """Return ``Class.attribute`` of what differs now."""
        found = []
        held = {id(value): kept for value, kept in self._held}
        for module, attributes in self._attributes:
            now = vars(module)
            for name in {**attributes, **now}:
                value, before = now.get(name, self), attributes.get(name, self)
                if name.startswith(_CONSTANT):
                    continue
                if value is not before or not _alike(value, held.get(id(value), value)):
                    found.append(f"{type(module).__name__}.{name}")
        return found

    def counters(self) -> tuple[list[tuple[Any, Any, float]], list[tuple[Any, Any]]]:
        """Return where numbers have changed, as (holder, place, number), and what has grown, as (holder, item)."""
        found = [
            (vars(module), *apart)
            for module, attributes in self._attributes
            for apart in numbers_apart(vars(module), attributes)
        ]
        grown = []
        for value, kept in self._held:
            if not isinstance(value, set):
                found += [(value, *apart) for apart in numbers_apart(value, kept)]
            if len(value) > len(kept):
                items = list(value.values()) if isinstance(value, dict) else list(value)
                grown.append((value, items[-1]))
        return found, grown

    def written(self) -> list[str]:
        """Return the buffers whose values have changed: torch.fx runs a forward's calls on them while it traces."""
        return [name for name, buffer, version, _ in self._buffers if buffer._version != version]

    @contextmanager
    def kept(self) -> Iterator[ModelState]:
        """Put everything back at the end."""
        try:
            yield self
        finally:
            if (
                self.changed()
                or self.written()
                or any(name.startswith(_CONSTANT) for m, _ in self._attributes for name in vars(m))
            ):
                self.restore()

    def restore(self) -> None:
        """Put everything back."""
        for module, attributes in self._attributes:
            vars(module).clear()
            vars(module).update(attributes)
        with torch.no_grad():
            for _, buffer, version, values in self._buffers:
                if buffer._version != version:
                    buffer.copy_(values)
        for value, kept in self._held:
            if not _alike(value, kept):
                value.clear()
                value.extend(kept) if isinstance(value, list) else value.update(kept)


def _with_objects(model: nn.Module) -> Iterator[Any]:
    """The modules and the objects of the user's own classes that they hold (``self.state.calls += 1``)."""
    seen = set[int]()
    for module in model.modules():
        yield module
        for value in list(vars(module).values()):
            package = type(value).__module__.partition(".")[0]
            is_plain = (
                hasattr(value, "__dict__") and not callable(value) and not isinstance(value, torch.Tensor)
            )
            if is_plain and package not in ("builtins", "torch", "logging") and id(value) not in seen:
                seen.add(id(value))
                yield value


def _alike(a: Any, b: Any) -> bool:
    """Whether two lists, dicts or sets hold the same objects; their values may refuse to be compared."""
    if a is b:
        return True
    kept = [[*map(id, each), *(map(id, each.values()) if isinstance(each, dict) else ())] for each in (a, b)]
    return kept[0] == kept[1]


def refuse_state(
    made: fx.GraphModule,
    tracer: fx.Tracer,
    model: nn.Module,
    fixed: dict[str, Any] | None,
    state: ModelState,
) -> None:
    """Raise ConfigError if a forward computes with what an earlier call has changed: a second trace tells.

    Args:
        made: the graph of the first trace.
        tracer: for the second.
        model: as the first trace has left it.
        fixed: as for the first.
        state: that of before.
    """
    if buffers := state.written():
        raise ConfigError(
            f"torch.fx cannot trace {type(model).__name__}: a call writes into {', '.join(buffers)}, which a graph "
            "would not; move that into a module of its own and name it in MaseGraph(model, leaf_modules=(…,))"
        )
    changed = state.changed()
    if not changed:
        return
    _drop_constants(model)

    def same_again() -> bool:
        try:
            return _same_graphs(made, fx.GraphModule(model, tracer.trace(model, fixed)))
        except Exception:  # whatever the user's forward raises in a later call
            return False

    if not same_again() or _later_calls_differ(model, state, same_again):
        raise ConfigError(
            f"torch.fx cannot trace {type(model).__name__}: a call changes {', '.join(changed)}, and a later call "
            "computes by it, which a graph does not; keep this state out of the forward"
        )


def _drop_constants(model: nn.Module) -> None:
    for name in [name for name in vars(model) if name.startswith(_CONSTANT)]:
        delattr(model, name)


def _later_calls_differ(model: nn.Module, state: ModelState, same_again: Callable[[], bool]) -> bool:
    counters, grown = state.counters()
    if not counters and not grown:
        return False

    def trace(watch: Watch) -> bool:
        state.restore()
        _drop_constants(model)
        for holder, place, number in counters:
            holder[place] = watched(far_ahead(number), watch)
        for holder, item in grown:
            lengthen(holder, item)
        same = same_again()
        watch.active = False
        return same

    return later_calls_differ(trace)


def _same_graphs(a: fx.GraphModule, b: fx.GraphModule) -> bool:
    """Whether two graphs compute the same with equal tensors, which may have other names."""
    if _calls_of(a.graph) != _calls_of(b.graph):
        return False
    return all(x is y or _equal(x, y) for x, y in zip(_tensors_read(a), _tensors_read(b), strict=True))


def _calls_of(graph: fx.Graph) -> list[tuple[Any, ...]]:
    places = {node: f"%{number}" for number, node in enumerate(graph.nodes)}
    place = lambda node: places.get(node, "of an earlier call")  # noqa: E731
    named = lambda node: "" if node.op == "get_attr" else node.target  # noqa: E731
    return [(node.op, named(node), *fx.node.map_arg((node.args, node.kwargs), place)) for node in graph.nodes]


def _tensors_read(made: fx.GraphModule) -> list[Any]:
    """What the graph reads of its module: made by the forward, or a buffer that it may have bound anew."""
    return [operator.attrgetter(str(node.target))(made) for node in made.graph.nodes if node.op == "get_attr"]


def _equal(a: Any, b: Any) -> bool:
    return isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and torch.equal(a, b)


@contextmanager
def hooks_that_tell(module: nn.Module, name: str) -> Iterator[None]:
    """Within it, hooks of a traced container must return a value: one that only looks would never run again.

    Raises:
        ConfigError: a hook returned None.
    """
    tables: list[Any] = [module._forward_hooks, module._forward_pre_hooks]
    before = [dict(table) for table in tables]
    for table in tables:
        for key, hook in table.items():
            if not isinstance(hook, COMPUTING_HOOKS):
                table[key] = _telling(hook, module, name)
    try:
        yield
    finally:
        for table, hooks in zip(tables, before, strict=True):
            table.update(hooks)


def _telling(hook: Any, module: nn.Module, name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = hook(*args, **kwargs)
        if result is None:
            what = (
                f"module {name} ({type(module).__name__})" if name else f"the model ({type(module).__name__})"
            )
            raise ConfigError(
                f"{what} has a forward hook or pre-hook that returns nothing: it would run while the graph is made and "
                "never again; remove it (handle.remove()), or hang it on a layer"
            )
        return result

    return call
