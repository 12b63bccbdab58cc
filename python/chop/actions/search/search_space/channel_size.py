"""Numbers of channels: choices for how each layer is redefined, and, if asked, how it is quantized.

Source: the search of the labs on architecture search, ``graph/quantize/channel_size_modifier``. There a seed
has no set-up table and one graph is redefined again and again; here each trial starts from the original.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from chop.actions.search.search_space.channel_seed import SEED, NodeChoices, read_seed
from chop.actions.search.search_space.registry import SEARCH_SPACES
from chop.actions.search.validation import StrictTable
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from chop.ir.graph.mase_graph import MaseGraph

logger = get_logger(__name__)

# So many combinations are tried for their widths before the first trial; of larger spaces a sample.
LOOKED_AT = 128


class ChannelSizeSetup(StrictTable):
    """The labs' files have no set-up table.

    Attributes:
        by: how a node finds its choices.
        weights: of the layers that a trial makes anew: fresh ones, or what they share with the model's own.
    """

    by: Literal["name", "type", "regex_name"] = "name"
    weights: Literal["fresh", "inherit"] = "fresh"


@SEARCH_SPACES.register("graph/quantize/channel_size_modifier")
class GraphSearchSpaceChannelSize:
    """Choices of the redefine pass for each layer; see :func:`redefine_transform_pass` for their meaning.

    Args:
        graph: the original model's graph; it is not changed.
        setup: how nodes find their choices, and where weights come from.
        seed: key -> ``{"config": {"name": [kinds], "channel_multiplier": [numbers], "parent_block_name":
            [nodes]}, "quantize": {entry: [choices]}}``. "quantize" (optional) has the entries of the space
            ``graph/quantize/mixed_precision_ptq``. A node without a key takes ``default``, if there is one.

    Attributes:
        choices_flattened: ``"<node>/config/<entry>"`` or ``"<node>/quantize/<entry>"`` -> choices.
        choice_lengths_flattened: the same keys -> how many.
        unused_keys: keys of the seed that no node takes its choices from.

    Raises:
        ConfigError: a key or choice that cannot be used, or widths that meet in no combination.

    >>> from torch import nn
    >>> from chop import MaseGraph
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 5)))
    >>> seed = {"_0": {"config": {"name": ["output_only"], "channel_multiplier": [1, 2, 4]}}}
    >>> seed |= {"_1": {"config": {"name": ["input_only"], "parent_block_name": ["_0"]}}}
    >>> space = GraphSearchSpaceChannelSize(graph, ChannelSizeSetup(), seed)
    >>> space.flattened_indexes_to_config({"_0/config/channel_multiplier": 1})["_0"]
    {'config': {'name': 'output_only', 'channel_multiplier': 2}}
    """

    Setup: ClassVar[Any] = ChannelSizeSetup
    changes_model: ClassVar[bool] = True

    def __init__(self, graph: MaseGraph, setup: ChannelSizeSetup, seed: Mapping[str, Any]) -> None:
        self.setup = setup
        self._nodes, self.unused_keys = read_seed(graph, setup.by, seed)
        self._flat = [
            (f"{node}/{table}/{entry}", node, table, entry, values)
            for node, choices in self._nodes.items()
            for table, entries in choices.tables()
            for entry, values in entries.items()
        ]
        self.choices_flattened = {name: list(values) for name, *_, values in self._flat}
        self.choice_lengths_flattened = {name: len(values) for name, *_, values in self._flat}
        self.quantizes = any(choices.quantize for choices in self._nodes.values())
        self._check_combinations(graph)

    @property
    def size(self) -> int:
        """Number of index combinations."""
        return math.prod(self.choice_lengths_flattened.values())

    def flattened_indexes_to_config(self, indexes: Mapping[str, int]) -> dict[str, Any]:
        """Return the config of one point: like the seed, with one choice in place of each list.

        What has no effect beside the sampled name (a multiplier where the name is None, …) is left out.

        Raises:
            KeyError: an entry with several choices is missing.
            IndexError: an index beyond the choices.
        """
        config: dict[str, Any] = {}
        for name, node, table, entry, values in self._flat:
            index = indexes[name] if len(values) > 1 else indexes.get(name, 0)
            config.setdefault(node, {"config": {}}).setdefault(table, {})[entry] = values[index]
        for node, tables in config.items():
            tables["config"] = _effective(tables["config"])
            if "quantize" in tables and tables["quantize"].get("name") is None:
                del tables["quantize"]
            twin = self._nodes[node].twins
            config = {**config, **{other: {k: dict(v) for k, v in tables.items()} for other in twin}}
        config["default"] = {"config": {"name": None}}
        config["by"] = "name"
        return config

    def passes_of(self, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return a sampled config as ``[passes]`` of ``ch transform`` takes it: redefine, then quantize."""
        nodes = {key: value for key, value in config.items() if key != "by"}
        redefine = {key: {"config": dict(tables["config"])} for key, tables in nodes.items()}
        passes: dict[str, Any] = {
            "redefine": {"weights": self.setup.weights, "seed": seed, "config": {"by": "name", **redefine}}
        }
        if self.quantizes:
            rules = {key: {"config": dict(t["quantize"])} for key, t in nodes.items() if "quantize" in t}
            passes["quantize"] = {"by": "name", "default": {"config": {"name": None}}, **rules}
        return passes

    def key_of(self, indexes: Mapping[str, int]) -> Hashable:
        """Return a key that is equal for points that mean the same trial."""
        return json.dumps(self.flattened_indexes_to_config(indexes), sort_keys=True)

    def _check_combinations(self, graph: MaseGraph) -> None:
        """Look at the widths of all combinations, or of many: refuse where none fits, warn where some do not."""
        from chop.ir.graph.quantize_config import resolve_quantize_config
        from chop.passes.graph.transforms.redefine import plan_redefinition

        tried, refused, reason = 0, 0, ""
        for indexes in self._some_indexes():
            passes = self.passes_of(self.flattened_indexes_to_config(indexes), 0)
            if "quantize" in passes:
                resolve_quantize_config(graph, passes["quantize"])
            tried += 1
            try:
                plan = plan_redefinition(graph, passes["redefine"])
                for node, (before, after) in plan.outputs.items():
                    raise ConfigError(
                        f"redefine: node {node} is the model's output: it would have {after} channels "
                        f"instead of {before}, and the labels stay"
                    )
            except ConfigError as error:
                refused, reason = refused + 1, reason or str(error)
        if refused == tried:
            raise ConfigError(f"{SEED}: no combination of the choices fits together: {reason}")
        if refused:
            logger.warning(
                "search.search_space: %d of %d combinations looked at do not fit together and will fail as "
                "trials; such as: %s", refused, tried, reason
            )  # fmt: skip

    def _some_indexes(self) -> Iterator[dict[str, int]]:
        lengths = self.choice_lengths_flattened
        if self.size <= LOOKED_AT:
            for point in itertools.product(*(range(n) for n in lengths.values())):
                yield dict(zip(lengths, point, strict=True))
            return
        draw = random.Random(0)
        yield dict.fromkeys(lengths, 0)
        for _ in range(LOOKED_AT - 1):
            yield {name: draw.randrange(n) for name, n in lengths.items()}


def _effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """A rule without the entries that its name makes idle."""
    kind = config.get("name")
    if kind is None:
        return {"name": None}
    idle = {"output_only": "parent_block_name", "input_only": "channel_multiplier"}.get(kind)
    return {k: v for k, v in config.items() if k != idle and not (k == "parent_block_name" and v is None)}


__all__ = ["ChannelSizeSetup", "GraphSearchSpaceChannelSize", "NodeChoices"]
