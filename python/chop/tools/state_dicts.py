"""Finding a model's state in what other programs save: under keys, under prefixes, in other dtypes.

What is read is never guessed: exactly one place of the content must hold all names of the model in its shapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

__all__ = ["state_for", "states_in"]

logger = get_logger(__name__)
_DEPTH = 4  # of keys within keys
_COUNTER = (
    "num_batches_tracked"  # of batch norms; older programs do not write it, and no output depends on it
)


@dataclass
class Place:
    """Where a state lies in the content of a file.

    Attributes:
        keys: keys that lead to it.
        entries: what is there, by name.
        prefix: what its names have before the model's.
        rest: names beside the state.
    """

    keys: tuple[str, ...]
    entries: Mapping[str, Any]
    prefix: str = ""
    rest: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"the entry {'.'.join(self.keys)!r}"] if self.keys else []
        parts += [f"the names that begin with {self.prefix!r}"] if self.prefix else []
        return " and there ".join(parts) or "the whole"

    @property
    def is_larger(self) -> bool:
        """Whether there are further names under the prefix: the state is one of a larger model."""
        return any(name.startswith(self.prefix) for name in self.rest)

    @property
    def python(self) -> str:
        """How Python gets it out of ``content``."""
        found = "content" + "".join(f"[{key!r}]" for key in self.keys)
        if not self.prefix:
            return found
        return f"{{k.removeprefix({self.prefix!r}): v for k, v in {found}.items() if k.startswith({self.prefix!r})}}"

    def __getitem__(self, name: str) -> Any:
        return self.entries[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.entries


def states_in(content: Any) -> list[Place]:
    """Return all mappings of names to tensors in a content, the outermost first."""
    return list(_mappings(content, ()))


def _mappings(content: Any, keys: tuple[str, ...]) -> Iterator[Place]:
    if not isinstance(content, Mapping):
        return
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    if any(isinstance(value, Tensor) for value in named.values()) or (not content and not keys):
        yield Place(keys, named)
    if len(keys) < _DEPTH:
        for key, value in named.items():
            yield from _mappings(value, (*keys, key))


def state_for(content: Any, model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Return the state dict of ``model`` that a content holds, in the model's dtypes.

    Args:
        content: what a file holds.
        model: says names, shapes and dtypes.
        path: for messages.

    Raises:
        ConfigError: no place, or more than one, holds all names in their shapes; a dtype that does not fit.
    """
    own = model.state_dict()
    found = states_in(content)
    fits = [fit for place in found for fit in _fits(place, own, model)]
    if len(fits) > 1:
        raise ConfigError(
            f"checkpoint {path} holds {len(fits)} states that fit {type(model).__name__}: "
            f"{'; '.join(map(str, fits[:4]))}; keep one of them: content = torch.load({path.name!r}); "
            f"torch.save({fits[0].python}, 'weights.pt')"
        )
    if not fits or fits[0].is_larger:
        raise ConfigError(_why_not(content, found, own, model, path))
    fit = fits[0]
    return _taken(fit, own, _ties(model), path)


def _fits(place: Place, own: Mapping[str, Any], model: nn.Module) -> Iterator[Place]:
    """Each prefix under which a place holds all names of the model in their shapes, whatever else it holds."""
    ties = _ties(model)
    needed = [name for name in own if not _may_be_missing(name, own, ties)]
    anchor = next(iter(needed), None)
    prefixes = [""]
    if anchor is not None:
        ends = (name for name in place.entries if name == anchor or name.endswith(f".{anchor}"))
        prefixes = [name.removesuffix(anchor) for name in ends]
    for prefix in prefixes:
        if any(prefix + name not in place.entries for name in needed):
            continue
        rest = [n for n in place.entries if not n.startswith(prefix) or n.removeprefix(prefix) not in own]
        fit = Place(place.keys, place.entries, prefix, rest)
        if _wrong_shape(fit, own) is None:
            yield fit


def _ties(model: nn.Module) -> dict[str, str]:
    """Name -> first name of the same tensor, for tied ones."""
    first: dict[int, str] = {}
    names = ((name, first.setdefault(id(t), name)) for name, t in model.state_dict(keep_vars=True).items())
    return {name: same for name, same in names if name != same}


def _may_be_missing(name: str, own: Mapping[str, Any], ties: Mapping[str, str]) -> bool:
    value = own[name]
    counter = (
        name.rpartition(".")[2] == _COUNTER and isinstance(value, Tensor) and not value.is_floating_point()
    )
    return counter or name in ties


def _wrong_shape(fit: Place, own: Mapping[str, Any]) -> str | None:
    for name, tensor in own.items():
        if name in fit and isinstance(tensor, Tensor):
            given = fit[name]
            if not isinstance(given, Tensor):
                return f"{name} is of type {type(given).__name__}, the model needs a tensor"
            if given.shape != tensor.shape:
                return f"{name} has shape {list(given.shape)}, the model needs {list(tensor.shape)}"
    return None


def _why_not(content: Any, found: list[Place], own: Mapping[str, Any], model: nn.Module, path: Path) -> str:
    if not found:
        keys = (
            f"; its keys are {', '.join(map(repr, list(content)[:6]))}"
            if isinstance(content, Mapping)
            else ""
        )
        return f"checkpoint {path} is not a state dict: names with tensors are expected{keys}"
    place = max((_nearest(place, own) for place in found), key=lambda p: sum(name in p for name in own))
    missing = sorted(name for name in own if name not in place)
    unexpected = sorted(
        name.removeprefix(place.prefix)
        for name in place.entries
        if name.startswith(place.prefix) and name.removeprefix(place.prefix) not in own
    )
    parts = [
        f"{word} {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
        for word, names in (("it lacks", missing), ("it has unknown", unexpected))
        if names
    ]
    reason = "; ".join(parts) or _wrong_shape(place, own)
    where = f" (looked at {place})" if place.keys or place.prefix else ""
    return f"checkpoint {path} does not fit {type(model).__name__}: {reason}{where}"


def _nearest(place: Place, own: Mapping[str, Any]) -> Place:
    """The place with the prefix under which most names of the model are found."""
    counts: Counter[str] = Counter()
    for name in place.entries:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in own:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    prefix = counts.most_common(1)[0][0] if counts else ""
    return Place(place.keys, place.entries, prefix)


def _taken(fit: Place, own: Mapping[str, Any], ties: Mapping[str, str], path: Path) -> dict[str, Any]:
    notes = []
    if (fit.keys, fit.prefix) not in (((), ""), (("state_dict",), "model."), (("state_dict",), "")):
        notes.append(f"read {fit}")
    if fit.rest:
        notes.append(f"{len(fit.rest)} entries beside them are left out ({', '.join(fit.rest[:3])})")
    state: dict[str, Any] = {}
    cast: dict[str, None] = {}
    for name, tensor in own.items():
        source = name if name in fit else ties.get(name, name)
        if source not in fit:
            state[name] = tensor
            continue
        given = fit[source]
        state[name] = given
        if isinstance(tensor, Tensor):
            state[name] = _as(given, tensor.dtype, name, path)
            if given.dtype != tensor.dtype:
                cast[f"{str(given.dtype)[6:]} to {str(tensor.dtype)[6:]}"] = None
    for name, same in ties.items():
        if not _equal(state[name], state[same]):
            raise ConfigError(
                f"checkpoint {path}: {same} and {name} differ, but the model has one tensor for both"
            )
    if missing := [name for name in own if name not in fit and name not in ties]:
        notes.append(f"{', '.join(missing[:3])} is not in it and stays as it is")
    if cast:
        notes.append(f"cast from {', '.join(cast)}")
    if notes:
        logger.info("checkpoint %s: %s", path, "; ".join(notes))
    return state


def _equal(a: Any, b: Any) -> bool:
    return not isinstance(a, Tensor) or torch.equal(a.nan_to_num(), b.nan_to_num())


def _as(given: Tensor, dtype: torch.dtype, name: str, path: Path) -> Tensor:
    """The tensor in a dtype of the same kind whose range holds its values."""
    where = f"checkpoint {path}: {name} holds {str(given.dtype).removeprefix('torch.')}"
    needs = f"the model needs {str(dtype).removeprefix('torch.')}"
    if given.layout != torch.strided or given.is_quantized or given.is_meta or given.is_nested:
        raise ConfigError(f"{where} in a form other than dense numbers ({given.layout}), {needs}")
    if given.dtype == dtype:
        return given
    if _kind(given.dtype) != _kind(dtype):
        raise ConfigError(f"{where}, {needs}: only widths of one kind of number are cast")
    made = given.to(dtype)
    kept = (
        torch.equal(made.isinf(), given.isinf())
        if made.is_floating_point()
        else torch.equal(made.to(given.dtype), given)
    )
    if not kept:
        raise ConfigError(
            f"{where} with values that are out of the range of {str(dtype).removeprefix('torch.')}"
        )
    return made


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point or dtype.is_complex:
        return "float" if dtype.is_floating_point else "complex"
    return "bool" if dtype == torch.bool else "int"
