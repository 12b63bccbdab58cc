"""Quantization configs for the models of these tests."""

from __future__ import annotations

from random import Random
from typing import Any

from chop import MaseGraph
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.nn.quantizers import OPERANDS

Config = dict[str, Any]


def format_of(width: int, frac: int, weight: tuple[int, int] | None = None) -> Config:
    """One integer format for all operands, or another for weights and biases."""
    sizes = {"data_in": (width, frac), "weight": weight or (width, frac), "bias": weight or (width, frac)}
    made: Config = {"name": "integer"}
    for operand, (bits, places) in sizes.items():
        made |= {f"{operand}_width": bits, f"{operand}_frac_width": places}
    return made


def by_type(width: int, frac: int, weight: tuple[int, int] | None = None) -> Config:
    """Everything that can be quantized, in one format."""
    return {"by": "type", "default": {"config": format_of(width, frac, weight)}}


def one_type(op: str, width: int, frac: int) -> Config:
    """One operation quantized, the rest float."""
    return {
        "by": "type",
        "default": {"config": {"name": None}},
        op: {"config": format_of(width, frac)},
    }


def by_name(graph: MaseGraph, random: Random) -> Config:
    """Some nodes, each in a format of its own; calls of one module share theirs."""
    made: Config = {"by": "name", "default": {"config": {"name": None}}}
    targets, modules = QuantizeTargets(graph), graph.modules
    of_module: dict[Any, Config | None] = {}
    for name in targets.ops:
        key = id(modules[targets.modules[name]]) if name in targets.modules else name
        if key not in of_module:
            bits = random.choice((2, 4, 6, 8, 8, 12))
            fresh = format_of(bits, random.randint(0, bits - 1), (random.choice((3, 6, 8)), 3))
            of_module[key] = fresh if random.random() < 0.6 else None
        if (chosen := of_module[key]) is not None:
            made[name] = {"config": chosen}
    return made


def some_configs(graph: MaseGraph, seed: int) -> dict[str, Config]:
    """Name -> config: 8 bits everywhere, and another one that the seed chooses."""
    random = Random(seed)
    wide = random.choice((by_type(16, 8), by_type(32, 16), by_type(12, 6, (8, 6))))
    others = {
        "4 bits": by_type(4, 2),
        "wide": wide,
        "one type": one_type(random.choice(sorted(OPERANDS)), 8, 4),
        "by name": by_name(graph, random),
    }
    name = random.choice(("4 bits", "wide", "one type", "by name", "by name", "by name"))
    return {"8 bits": by_type(8, 4), name: others[name]}
