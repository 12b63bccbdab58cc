"""Accuracy and size of the networks under formats with their best parameters, and the exact front of all mixtures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import chop
from chop.cost import Costs
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.search import pareto_front, sweep

NETWORKS = {"jsc-mlp": "jsc-synth", "digits-cnn": "digits"}
REST = {"by": "name", "default": {"config": {"name": None}}}
OBJECTIVES = {"accuracy": "maximize", "model_size": "minimize"}
MOST = 40_000  # mixtures
BLOCKS = ("block_fp", "block_minifloat", "block_log")

# name, widths, entries that are decided
FORMATS: tuple[tuple[str, tuple[int | None, ...], dict[str, Any]], ...] = (
    ("integer", (8, 6, 5, 4, 3), {}),
    ("minifloat_ieee", (8, 6, 5, 4, 3), {}),
    ("log", (5, 4, 3), {}),
    ("block_fp", (8, 6, 5, 4, 3), {"block_size": [1, 4]}),
    ("block_fp", (8, 6, 5, 4, 3), {"block_size": [1, 16]}),
    ("block_minifloat", (6, 4), {"block_size": [1, 16]}),
    ("scale_integer", (8, 6, 5, 4, 3), {}),
    ("mxint8", (None,), {}),
    ("mxfp8_e4m3", (None,), {}),
    ("mxfp6_e2m3", (None,), {}),
    ("mxfp4", (None,), {}),
    ("ternary", (2,), {}),
    ("binary", (1,), {}),
)


@dataclass(frozen=True)
class Choice:
    """A format with its parameters for each layer.

    Attributes:
        label: format, width and block.
        bits: of a number, without what a block shares.
        tables: layer -> its table of a config.
    """

    label: str
    bits: int
    tables: dict[str, dict[str, Any]]

    def config(self) -> dict[str, Any]:
        """All layers in this format."""
        return {**REST, **{layer: {"config": table} for layer, table in self.tables.items()}}


class Network:
    """A trained network, its validation rows, and what formats make of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        x, y = MaseDataModule(NETWORKS[name], batch_size=512).arrays("val")
        self.ev = chop.Evaluator(get_model(name, pretrained=True).eval(), x, y, threads=1)
        self.rows = len(y)
        modules = self.ev.graph.modules
        self.layers = [
            node.name
            for node in self.ev.graph.nodes
            if isinstance(modules.get(str(node.target)), nn.Linear | nn.Conv2d)
        ]
        self.costs = Costs(self.ev.graph, 1, models=["model_size"])

    def float_row(self) -> dict[str, Any]:
        """Accuracy and kilobytes of the network as it was trained."""
        accuracy = self.ev.evaluate().accuracy
        return {"label": "float", "bits": 32, "accuracy": accuracy, "model_size": self.size(REST)}

    def size(self, config: dict[str, Any]) -> float:
        """Kilobytes of weights and biases, with what blocks share."""
        return float(self.costs.evaluate(config)["model_size"])

    def choices(self) -> Iterator[Choice]:
        """Each format and width with the parameters of least error for each operand."""
        for name, widths, entries in FORMATS:
            for width in widths:
                found = chop.best_formats(
                    self.ev, width, name=name, **({"entries": entries} if entries else {})
                )
                tables = {
                    node: dict(rule["config"]) for node, rule in found.config().items() if node in self.layers
                }
                bits = next(iter(found.rows)).format.width
                block = f", {entries['block_size'][-1]}" if name in BLOCKS else ""
                yield Choice(f"{name} {bits}{block}", bits, tables)

    def row(self, choice: Choice) -> dict[str, Any]:
        """Accuracy and kilobytes with one format for all layers."""
        config = choice.config()
        accuracy = self.ev.evaluate(config).accuracy
        return {
            "label": choice.label,
            "bits": choice.bits,
            "accuracy": accuracy,
            "model_size": self.size(config),
        }

    def front(self, choices: list[Choice]) -> tuple[int, list[dict[str, Any]]]:
        """How many mixtures there are, and the exact front of accuracy and kilobytes over all of them."""
        configs, labels = [], []
        for mixed in itertools.product(choices, repeat=len(self.layers)):
            rules = {n: {"config": c.tables[n]} for n, c in zip(self.layers, mixed, strict=True)}
            configs.append({**REST, **rules})
            labels.append([choice.label for choice in mixed])
        found = sweep(self.ev, configs, OBJECTIVES)
        by_config = {repr(config): label for config, label in zip(configs, labels, strict=True)}
        return len(configs), [
            {
                "accuracy": entry["accuracy"],
                "model_size": entry["model_size"],
                "layers": by_config[repr(entry["config"])],
            }
            for entry in found.front
        ]


def wanted(network: Network, choices: list[Choice], rows: list[dict[str, Any]]) -> list[Choice]:
    """The choices to mix: those alone on the front first, then the most accurate ones, as many as are few enough."""
    import numpy as np

    values = np.array([[row["accuracy"], row["model_size"]] for row in rows])
    front = set(pareto_front(values, list(OBJECTIVES.values())))
    order = sorted(range(len(rows)), key=lambda i: (i not in front, -rows[i]["accuracy"]))
    count = 1
    while (count + 1) ** len(network.layers) <= MOST:
        count += 1
    return [choices[i] for i in order[:count]]


def measure(name: str) -> dict[str, Any]:
    """Everything about one network."""
    torch.set_num_threads(1)
    network = Network(name)
    choices = list(network.choices())
    rows = [network.row(choice) for choice in choices]
    mixed = wanted(network, choices, rows)
    count, front = network.front(mixed)
    return {
        "rows": network.rows,
        "data": NETWORKS[name],
        "layers": network.layers,
        "float": network.float_row(),
        "alone": rows,
        "mixed": [choice.label for choice in mixed],
        "configurations": count,
        "front": front,
    }
