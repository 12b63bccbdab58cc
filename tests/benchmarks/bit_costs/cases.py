"""The circuits that are counted: random configs as a search draws them, each layer in formats of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np
import torch

import chop
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.models import get_model
from chop.nn.quantizers.operands import OPERANDS

NETS = ("jsc-tiny", "jsc-toy")
SEEDS = range(32)
UNSEEN = range(32, 56)  # configs of the last network that no factor is fitted on


@dataclass(frozen=True)
class Case:
    """One config of one network.

    Attributes:
        net: its name. seed: of the config.
    """

    net: str
    seed: int

    @property
    def key(self) -> str:
        """How the results name it."""
        return f"{self.net} {self.seed}"

    @property
    def evaluator(self) -> chop.Evaluator:
        """The network with its trained weights."""
        return evaluator(self.net)

    def config(self) -> dict[str, Any]:
        """Formats of 2 to 8 bits for every layer, with the point where data and weights of such networks need it."""
        random = Random(f"{self.net} {self.seed}")
        made: dict[str, Any] = {"by": "name", "default": {"config": {"name": None}}}
        for name, op in QuantizeTargets(self.evaluator.graph).ops.items():
            if op not in ("linear", "relu"):
                continue
            table: dict[str, Any] = {"name": "integer"}
            for operand in (o.name for o in OPERANDS[op]):
                width = random.randint(2, 8)
                before = random.choice((1, 2, 3) if operand == "data_in" else (1, 2))
                table |= {f"{operand}_width": width, f"{operand}_frac_width": max(0, width - before)}
            made[name] = {"config": table}
        return made


@cache
def evaluator(net: str) -> chop.Evaluator:
    """A network with trained weights; the rows are not looked at."""
    rows = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    return chop.Evaluator(get_model(net, pretrained=True).eval(), torch.from_numpy(rows))


def cases(seeds: range) -> list[Case]:
    """All networks under the configs of some seeds."""
    return [Case(net, seed) for seed in seeds for net in NETS]
