"""The configurations of a sweep, numbered, and which of them mean the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from chop import _core
from chop.ir.graph.quantize_config import NodeRule, resolve_quantize_config
from chop.nn.quantizers import QUANTIZERS
from chop.nn.quantizers.element_format import plain_numbers
from chop.registry import did_you_mean
from chop.search.quantization_space import QuantizationSpace
from chop.tools.config_load import convert_str_na_to_none
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from chop.cost import Costs
    from chop.evaluator import Config, Evaluator

WHERE = "search.search_space"
SPACE_NAME = "graph/quantize/mixed_precision_ptq"
MOST_OF_A_NODE = 1_000_000
Space = Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | QuantizationSpace


def as_space(ev: Evaluator, space: Space) -> QuantizationSpace | list[Config | None]:
    """Return the space of a ``[search.search_space]`` table, or the list of configs that was given.

    Raises:
        ConfigError: a bad table, another kind of space, no config.
    """
    if isinstance(space, QuantizationSpace):
        return space
    if not isinstance(space, Mapping):
        if not space:
            raise ConfigError("sweep: the list of configs is empty")
        return [plain_numbers(config) for config in space]  # files that describe the space hold no arrays
    table = convert_str_na_to_none(dict(space))
    for key in table:
        if key not in ("name", "setup", "seed"):
            hint = did_you_mean(key, ["name", "setup", "seed"])
            raise ConfigError(f"{WHERE}.{key} is not known{hint}; known: name, setup, seed")
    if table.get("name", SPACE_NAME) != SPACE_NAME:
        raise ConfigError(f"{WHERE}.name must be {SPACE_NAME!r} for a sweep, got {table['name']!r}")
    setup, seed = table.get("setup"), table.get("seed")
    if not isinstance(setup, Mapping) or list(setup) != ["by"]:
        raise ConfigError(f"{WHERE}.setup must be a table with 'by', got {setup!r}")
    if not isinstance(seed, Mapping) or not seed:
        raise ConfigError(f"{WHERE}.seed must be a table of choices, got {seed!r}")
    return QuantizationSpace(ev.graph, str(setup["by"]), seed)


class Configurations:
    """All configurations of a space, by number; the distinct ones by position, in the order of their numbers.

    The space is a product of groups, one for each quantizable node in graph order, the last one turning fastest; a
    list of configs is one group. Two choices of a group that give its nodes the same formats and widths (of a node that
    is left in float, all of them) are one to the core.

    Args:
        ev: the evaluator.
        costs: cost models, for the widths; None where no cost is asked for.
        space: see :func:`as_space`.

    Attributes:
        count: configurations in all.
        groups: nodes and number of distinct choices of each group.
        core: the distinct ones for the core; ``core.size`` is how many.

    Raises:
        ConfigError: a config that is none for this model, or a node with more than a million choices.
    """

    def __init__(
        self, ev: Evaluator, costs: Costs | None, space: QuantizationSpace | list[Config | None]
    ) -> None:
        self.space = space
        self._sizes: list[int] = []
        self._firsts: list[np.ndarray] = []
        self.groups: list[tuple[list[str], int]] = []
        groups = []
        for nodes, size, configs in _groups(space, ev._torch._hosts):
            first: dict[Any, int] = {}
            group = []
            for number, config in enumerate(configs):
                rules = [] if config is None else resolve_quantize_config(ev._targets, config)
                if first.setdefault(_meaning(rules), number) == number:
                    widths = [] if config is None or costs is None else costs._widths.of(config)
                    group.append((ev._formats(config), widths))
            self._sizes.append(size)
            self._firsts.append(np.array(list(first.values()), dtype=np.int64))
            groups.append(group)
            self.groups.append((nodes, len(group)))
        self.count = math.prod(self._sizes)
        if self.count >= 2**63:
            raise ConfigError(
                f"sweep: the space has {self.count} configurations; at most 2^63 can be numbered"
            )
        self.core = _core.SweepSpace(groups)

    def numbers(self, positions: np.ndarray) -> np.ndarray:
        """Return the number of the first configuration at each position among the distinct ones, int64."""
        found = np.zeros_like(positions)
        weight, left = self.core.size, positions
        for size, firsts in zip(self._sizes, self._firsts, strict=True):
            weight //= len(firsts)
            digit, left = np.divmod(left, weight)
            found = found * size + firsts[digit]
        return found

    def config(self, number: int) -> Config | None:
        """Return the config with that number, as the evaluator and ``quantize_transform_pass`` take it."""
        if not 0 <= number < self.count:
            raise IndexError(f"configuration {number} of {self.count}")
        if not isinstance(self.space, QuantizationSpace):
            return self.space[number]
        return self.space.flattened_indexes_to_config(self.indexes(number))

    def indexes(self, number: int) -> dict[str, int]:
        """Return the index of the choice of each parameter; empty for a list of configs."""
        if not isinstance(self.space, QuantizationSpace):
            return {}
        return {name: int(column[0]) for name, column in self._indexes(np.array([number])).items()}

    def parameters(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the choices of configurations by the parameters that have several; empty for a list of configs."""
        if not isinstance(self.space, QuantizationSpace):
            return {}
        choices = self.space.choices_flattened
        return {
            name: _values(choices[name])[column]
            for name, column in self._indexes(numbers).items()
            if len(choices[name]) > 1
        }

    def _indexes(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        assert isinstance(self.space, QuantizationSpace)
        found, left = {}, numbers
        for name, length in reversed(self.space.choice_lengths_flattened.items()):
            left, found[name] = np.divmod(left, length)
        return {name: found[name] for name in self.space.choice_lengths_flattened}


def size_of(space: QuantizationSpace | list[Config | None]) -> int:
    """Return the number of configurations without looking at them."""
    return space.size if isinstance(space, QuantizationSpace) else len(space)


def _groups(
    space: QuantizationSpace | list[Config | None], hosts: Mapping[str, Sequence[str]]
) -> Iterator[tuple[list[str], int, Iterator[Config | None]]]:
    """The nodes of each group, how many choices it has, and the configs that they stand for."""
    if not isinstance(space, QuantizationSpace):
        yield [], len(space), iter(space)
        return
    for nodes in _together(space, hosts):
        entries = [(node, entry, choices) for node in nodes for entry, choices in space.nodes[node].items()]
        size = math.prod(len(choices) for _, _, choices in entries)
        if size > MOST_OF_A_NODE:
            raise ConfigError(
                f"sweep: {', '.join(nodes)}: {size} choices; at most {MOST_OF_A_NODE} are supported"
            )
        yield nodes, size, _configs(space, nodes, entries)


def _configs(
    space: QuantizationSpace, nodes: Sequence[str], entries: Sequence[tuple[str, str, list[Any]]]
) -> Iterator[Config]:
    for values in product(*(choices for _, _, choices in entries)):
        tables: dict[str, dict[str, Any]] = {node: {} for node in nodes}
        for (node, entry, _), value in zip(entries, values, strict=True):
            tables[node][entry] = value
        yield {key: rule for node in nodes for key, rule in space.node_config(node, tables[node]).items()}


def _together(space: QuantizationSpace, hosts: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Neighbouring nodes, apart unless one call of torch computes several of them, or they and one between them."""
    names = list(space.nodes)
    last: dict[str, int] = {}  # host -> the last node that it computes
    for i, name in enumerate(names):
        last.update((host, i) for call in space.calls_of(name) for host in hosts.get(call, ()))
    groups: list[list[str]] = []
    reach = -1
    for i, name in enumerate(names):
        if i > reach:
            groups.append([])
        groups[-1].append(name)
        reach = max(
            [i, reach, *(last[host] for call in space.calls_of(name) for host in hosts.get(call, ()))]
        )
    return groups


def _meaning(rules: Sequence[NodeRule]) -> tuple[Any, ...]:
    """What distinguishes two configs, for the evaluator and for cost models."""
    found: list[Any] = []
    for rule in rules:
        if rule.config is None or rule.quantizer is None:
            continue
        formats = rule.formats
        if formats is None:
            formats = QUANTIZERS[rule.quantizer].parse(rule.mase_op, rule.config, rule.node)
        found.append((rule.node, rule.quantizer, rule.formats is None, *sorted(formats.items())))
    return tuple(found)


def _values(choices: Sequence[Any]) -> np.ndarray:
    """Numbers as such; text where there is anything else, "NA" for None."""
    kinds = {type(choice) for choice in choices}
    if len(kinds) == 1 and kinds <= {bool, int, float}:
        return np.array(choices)
    return np.array(["NA" if choice is None else str(choice) for choice in choices])
