"""Configurations that no evaluator has seen: formats repeat, combinations of them do not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.mase_loop import LayerFormats

WIDTHS = range(4, 9)
# (width, frac_width): ranges of +-4 and +-2 for data, +-2 and +-1 for weights, +-4 and +-2 for biases.
CHOICES = (
    [(width, width - whole) for width in WIDTHS for whole in (3, 2)],
    [(width, width - whole) for width in WIDTHS for whole in (2, 1)],
    [(width, width - whole) for width in WIDTHS for whole in (3, 2)],
)
OPERANDS = ("data_in", "weight", "bias")
Formats = tuple[LayerFormats, ...]


class FormatSource:
    """Draws a combination of formats for ``layers`` layers; never the same one twice."""

    def __init__(self, layers: int, seed: int) -> None:
        self._layers = layers
        self._random = random.Random(seed)
        self._seen: set[Formats] = set()

    def cover(self) -> list[Formats]:
        """Return the combinations that touch each format of each operand of each layer once, shuffled."""
        columns = [[self._shuffled(choices) for choices in CHOICES] for _ in range(self._layers)]
        rows = [
            tuple(tuple(column[i] for column in layer) for layer in columns) for i in range(len(CHOICES[0]))
        ]
        self._seen.update(rows)
        return rows

    def draw(self) -> Formats:
        """Return a combination that was not returned before.

        Raises:
            ValueError: nine tenths of all combinations are drawn already.
        """
        everything = (len(CHOICES[0]) * len(CHOICES[1]) * len(CHOICES[2])) ** self._layers
        if 10 * len(self._seen) > 9 * everything:
            raise ValueError(f"nine tenths of the {everything} combinations are drawn: ask for fewer rounds")
        while True:
            found = tuple(
                tuple(self._random.choice(choices) for choices in CHOICES) for _ in range(self._layers)
            )
            if found not in self._seen:
                self._seen.add(found)
                return found

    def _shuffled(self, choices: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        return self._random.sample(choices, len(choices))


def config_of(formats: Formats, nodes: Sequence[str]) -> dict[str, Any]:
    """Return the config that gives each of ``nodes`` its formats, as ``quantize_transform_pass`` takes it."""
    rules: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
    for node, layer in zip(nodes, formats, strict=True):
        rule: dict[str, Any] = {"name": "integer"}
        for operand, (width, frac_width) in zip(OPERANDS, layer, strict=True):
            rule |= {f"{operand}_width": width, f"{operand}_frac_width": frac_width}
        rules[node] = {"config": rule}
    return rules
