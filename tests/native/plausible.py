"""Arguments that the bindings of the core may take, by name: small graphs, tensors that fit them, and lists of ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import chop
from chop import _core
from chop.ir.graph.lowering import lower

ROWS, FEATURES, CLASSES = 70, 4, 3
MODES = (["half_even", "floor", "half_up"], ["saturate", "wrap"])

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(FEATURES, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, CLASSES)).eval()
GRAPH = lower(chop.MaseGraph(MODEL))
SOFTMAX = lower(chop.MaseGraph(nn.Sequential(nn.Linear(FEATURES, 5), nn.Softmax(1))))
NAMES = {row["op"]: row["name"] for row in GRAPH.nodes}  # the last of each kind
LINEAR = [row["name"] for row in GRAPH.nodes if row["op"] == "linear"]
TEXTS = [str(GRAPH), str(GRAPH).replace("4", "40"), "chop.graph 1\n"]


def wide(random: random.Random) -> tuple[int, int, bool, str, str]:
    return random.choice([2, 4, 8]), random.choice([0, 3, 60]), True, *map(random.choice, MODES)


def each(random: random.Random) -> tuple[list[int], list[int], bool, str, str]:
    count = random.choice([3, 4, 5])  # of the features or outputs of a layer, perhaps
    return [random.choice([0, 2, 8]) for _ in range(count)], [3] * count, True, *map(random.choice, MODES)


def other(random: random.Random) -> tuple[str, list[float], list[int], int]:
    name, count = random.choice([("minifloat_ieee", 3), ("log", 2), ("block_fp", 3), ("mxfp4", 0)])
    numbers = [random.choice([8.0, 4.0, 2.0, -3.0, 1e9, float("nan")]) for _ in range(count)]
    return name, numbers, random.choice([[], [1, 4], [-1], [1, 1, 2]]), random.choice([0, 1, 2, 3])


def node_format(random: random.Random) -> tuple[str, str, dict[str, Any]]:
    kinds = random.choice([[wide, wide, wide, each], [wide, other, other]])
    operands = {name: random.choice(kinds)(random) for name in ("data_in", "weight", "bias")}
    return random.choice(LINEAR), "integer", operands


def rules(random: random.Random) -> dict[str, Any]:
    table = {"name": "integer", "data_in_width": random.choice([4, 8]), "weight_frac_width": 3}
    return {"by": "type", "linear": {"config": table}, "relu": {"config": {"name": None}}}


def floats(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape).to(dtype)


def labels(count: int = ROWS) -> torch.Tensor:
    return torch.arange(count) % CLASSES


def widths(random: random.Random) -> _core.NodeWidths:
    bits = (random.choice([2.0, 8.0]), 7.0, 8.0)
    return _core.NodeWidths(random.randrange(3), True, bits, bits, bits, None, random.choice([None, 3.0]))


def formats(random: random.Random) -> _core.Formats:
    return _core.Formats(random.choice([[], [node_format(random)]]))


def call(random: random.Random) -> _core.TorchCall:
    return _core.TorchCall(NAMES["relu"], look, [5], 5, 0)


def look(inputs: Any, output: Any, rows: int) -> None:
    output[:] = inputs[0] if inputs and len(inputs[0]) == len(output) else bytes(len(output))


def some(random: random.Random, make: Callable[[random.Random], Any], most: int = 3) -> list[Any]:
    return [make(random) for _ in range(random.randrange(most + 1))]


def trainable() -> _core.TrainingSpecification:
    return _core.TrainingSpecification(*_sizes(), "plain")


def _sizes() -> tuple[list[int], int, list[int], dict[str, Any]]:
    sizes: list[int] = []
    nodes: dict[str, Any] = {}
    for row in GRAPH.nodes:
        own = {}
        for name in ("weight", "bias"):
            if name in row["parameters"]:
                own[name] = len(sizes)
                sizes.append(torch.Size(row["parameters"][name]).numel())
        fixed = (8, 4, True, "half_even", "saturate")
        linear = row["op"] == "linear"
        formats = dict.fromkeys(("data_in", "weight"), fixed) if linear else {}
        learned = {"data_in": "element", "weight": "channel"} if linear else {}
        nodes[row["name"]] = (own, 0 if row["op"] == "batch_norm1d" else -1, 0.1, formats, learned)
    return sizes, len(sizes), [5], nodes


TRAINABLE = _sizes()
OPTIONS = ("adam", (0.9, 0.999), 1e-8, 0.0, False, 0.0, None, "norm")
METRICS = [("accuracy", {}), ("loss", {}), ("top_k", {"k": 2}), ("confusion_matrix", {})]


def trainer() -> _core.Trainer:
    made = _core.Trainer(GRAPH, trainable(), _core.TrainingOptions(*OPTIONS), "float32", 2)
    made.set_data(floats(ROWS, FEATURES), labels())
    return made


def builder() -> _core.GraphBuilder:
    made = _core.GraphBuilder()
    made.add("x", "input", [], {}, {}, [-1, FEATURES])
    made.add("y", "linear", ["x"], {}, {"weight": floats(2, FEATURES)}, [])
    return made


def told() -> _core.Tpe:
    made = _core.Tpe([(3, True), (2, False)], 2, 0)
    for number in range(12):
        made.tell(number, [number % 3, number % 2], [number * 0.5, -number * 0.25])
    return made


def seen(name: str) -> _core.Statistic:
    made = _core.Statistic(name, {})
    made.update(floats(40), 1)
    return made


EVALUATOR = _core.Evaluator(GRAPH, floats(ROWS, FEATURES), labels(), 2, True)
OPERATIONS = [
    {
        "name": name,
        "inputs": [place - 1] if place else [],
        "output_elements": 10.0,
        "work": 40.0,
        "features": 5.0,
        "weights_used": 20.0,
        "products": [(40.0, 10.0, True, 4.0, 10.0)] if kind == "linear" else [],
        "kind": kind,
    }
    for place, (name, kind) in enumerate([("x", "view"), ("fc", "linear"), ("relu", "other")])
]
PARAMETERS = [(20.0, [(1, "weight")]), (5.0, [(1, "bias")])]
COSTS = _core.Costs(OPERATIONS, [2], PARAMETERS, ["bops", "flops"])


def space(random: random.Random) -> _core.SweepSpace:
    return _core.SweepSpace([[(formats(random), [widths(random)]) for _ in range(2)] for _ in range(2)])


SPACE = space(random.Random(0))  # whose formats of single weights fit the weights

# An object of each class, made anew: what is bound is found by looking, so a class that is missing here is noticed.
OBJECTS: dict[str, Callable[[random.Random], Any]] = {
    "Graph": lambda r: r.choice([GRAPH, _core.Graph.parse(TEXTS[0])]),
    "GraphBuilder": lambda r: builder(),
    "NodeWidths": widths,
    "WidthMemo": lambda r: _core.WidthMemo(),
    "NamedTotals": lambda r: _core.NamedTotals(COSTS, ["bops", "flops"]),
    "Costs": lambda r: COSTS,
    "TorchCall": call,
    "Formats": formats,
    "FormatMemo": lambda r: _core.FormatMemo(),
    "Evaluator": lambda r: EVALUATOR,
    "SweepSpace": space,
    "Sweep": lambda r: _core.Sweep(EVALUATOR, space(r), [("accuracy", True), ("", False)], 2),
    "Tpe": lambda r: told(),
    "TrainingSpecification": lambda r: trainable(),
    "TrainingOptions": lambda r: _core.TrainingOptions(*OPTIONS),
    "Trainer": lambda r: trainer(),
    "Statistic": lambda r: seen(r.choice(["moments"] * 9 + sorted(_core.statistics()))),
    "QuantizationErrors": lambda r: _core.QuantizationErrors(8, True, [2, 3]),
}

# By name of the argument, or of function and argument where names are used twice.
ARGUMENTS: dict[str, Callable[[random.Random], Any]] = {
    "text": lambda r: r.choice(TEXTS),
    "name": lambda r: r.choice(["x", "y"]),
    "output": lambda r: r.choice(["x", "y"]),
    **{f"number_{what}.name": lambda r: other(r)[0] for what in ("rule", "grid")},
    "numbers": lambda r: other(r)[1],
    "op": lambda r: r.choice(["linear", "relu", "input"]),
    "inputs": lambda r: [r.choice(["x", "y"])],
    "attributes": lambda r: r.choice([{}, {"eps": 1e-5}, {"shape": [1, 2]}]),
    "GraphBuilder.add.parameters": lambda r: r.choice(
        [{}, {"weight": floats(2, FEATURES)}, {"weight": [2, 4]}]
    ),
    "shape": lambda r: r.choice([[], [-1, FEATURES]]),
    "node": lambda r: r.choice([0, 1, 2]),
    "TorchCall.__init__.node": lambda r: r.choice(list(NAMES.values())),
    "run_float_op.graph": lambda r: SOFTMAX,
    "run_float_op.node": lambda r: SOFTMAX.output,
    "run_float_op.inputs": lambda r: [floats(3, 5)],
    "run_float_op.output": lambda r: floats(3, 5),
    "effective": lambda r: r.choice([None, 3.5]),
    "configured": lambda r: r.choice([None, 3.5]),
    "NodeWidths.__init__.joint": lambda r: r.choice([None, (24.0, 18.5, None, 20.0)]),
    "config": rules,
    **{f"Evaluator.{name}.config": formats for name in ("forward", "layers", "certificate")},
    "merge.other": lambda r: seen("moments"),
    "figures.config": lambda r: some(r, widths),
    "of.widths": lambda r: some(r, widths),
    "remember.widths": lambda r: [some(r, widths) for _ in range(2)],
    "remember.rules": lambda r: [some(r, node_format) for _ in range(2)],
    "models": lambda r: ["bops", "flops"],
    "costs.models": lambda r: COSTS,
    "operations": lambda r: OPERATIONS[: r.choice([2, 3])],
    "outputs": lambda r: [1],
    "Costs.__init__.parameters": lambda r: PARAMETERS,
    "weights": lambda r: floats(3, 4),
    "Graph.values.node": lambda r: r.choice(LINEAR),
    "names": lambda r: r.choice([["bops", "flops"], ["a"], []]),
    "memo": lambda r: _core.WidthMemo(),
    "function": lambda r: look,
    "input_sizes": lambda r: [5],
    "output_size": lambda r: 5,
    "bytes": lambda r: r.choice([0, 100]),
    "nodes": lambda r: some(r, node_format, 1),
    "TrainingSpecification.__init__.nodes": lambda r: TRAINABLE[3],
    "calls": lambda r: some(r, call, 1),
    "x": lambda r: floats(ROWS, FEATURES),
    **{name: lambda r: r.choice([labels(), None]) for name in ("y", "labels")},
    "Trainer.set_data.y": lambda r: labels(),
    "Trainer.evaluate.y": lambda r: labels(),
    "fake_quantize.y": lambda r: floats(ROWS, FEATURES),
    "threads": lambda r: r.choice([1, 2, 3]),
    "configs": lambda r: some(r, formats),
    "metrics": lambda r: some(r, lambda r: r.choice(METRICS)),
    "specs": lambda r: some(r, lambda r: r.choice(METRICS)),
    "logits": lambda r: floats(ROWS, CLASSES),
    "reference": lambda r: r.choice([floats(ROWS, CLASSES), None]),
    "groups": lambda r: r.choice([1, 2, 5]),
    "SweepSpace.__init__.groups": lambda r: [[(formats(r), some(r, widths))] for _ in range(2)],
    "first": lambda r: r.choice([0, 1]),
    "totals": lambda r: floats(2, 2, dtype=torch.float64),
    "objectives": lambda r: some(r, lambda r: r.choice([("accuracy", True), ("loss", False), ("", False)])),
    "Tpe.__init__.objectives": lambda r: r.choice([1, 2]),
    "values": lambda r: floats(3, 2, dtype=torch.float64),
    "tell.values": lambda r: [r.random() for _ in range(2)],
    "dropped": lambda r: torch.zeros(3, dtype=torch.uint8),
    "parameters": lambda r: [(r.choice([1, 2, 5]), r.random() < 0.5) for _ in range(r.choice([1, 2]))],
    "seed": lambda r: r.randrange(100),
    "startup": lambda r: r.choice([0, 3]),
    "candidates": lambda r: r.choice([1, 24]),
    "number": lambda r: r.randrange(40),
    "point": lambda r: [r.randrange(3), r.randrange(2)],
    "violation": lambda r: r.choice([0.0, 1.5]),
    "running": lambda r: some(r, lambda r: (r.randrange(99), [r.randrange(3), r.randrange(2)])),
    "sizes": lambda r: TRAINABLE[0],
    "trained": lambda r: r.choice([0, TRAINABLE[1]]),
    "TrainingSpecification.__init__.running": lambda r: TRAINABLE[2],
    "straight_through": lambda r: r.choice(["plain", "clipped"]),
    "optimizer": lambda r: r.choice(["adam", "adamw", "sgd"]),
    "betas": lambda r: (0.9, 0.99),
    "clip": lambda r: r.choice([None, 0.5]),
    "clip_by": lambda r: r.choice(["norm", "value"]),
    "dtype": lambda r: r.choice(["float32", "float64"]),
    "batch_size": lambda r: r.choice([7, 35, 70]),
    "learning_rate": lambda r: 1e-3,
    "order": lambda r: r.choice([None, torch.randperm(ROWS)]),
    "accumulate": lambda r: r.choice([1, 2]),
    "first_row": lambda r: r.choice([0, 35]),
    "max_steps": lambda r: r.choice([-1, 1]),
    "rates": lambda r: r.choice([[], [1e-3], [1e-3, 1e-4]]),
    "Trainer.set_targets.targets": lambda r: floats(ROWS, CLASSES).softmax(1),
    "Trainer.learn_widths.rate": lambda r: r.choice([0.0, 0.01]),
    "Trainer.learn_widths.price": lambda r: r.choice([0.0, 1e-4]),
    "skips_zeros": lambda r: r.random() < 0.5,
    "batches": lambda r: [r.randrange(5)],
    "Statistic.__init__.name": lambda r: r.choice(sorted(_core.statistics())),
    "arguments": lambda r: r.choice([{}, {"elementwise": True}, {"abs": True}, {"ddof": 0}]),
    "tensor": lambda r: floats(r.choice([10, 40])).to(r.choice([torch.float32, torch.float64])),
    "QuantizationErrors.update.tensor": lambda r: floats(20),
    "width": lambda r: r.choice([4, 8, 32]),
    "frac_width": lambda r: r.choice([-3, 0, 3, 40]),
    "frac_widths": lambda r: [r.randrange(8) for _ in range(3)],
    "isa": lambda r: r.choice([*_core.available_isas(), "reference"]),
    "rounding": lambda r: r.choice(MODES[0]),
    "overflow": lambda r: r.choice(MODES[1]),
    "eps": lambda r: r.choice([0.0, 1e-8]),
    "momentum": lambda r: r.choice([0.0, 0.9]),
    "weight_decay": lambda r: r.choice([0.0, 0.1]),
    **{
        name: lambda r: r.random() < 0.5
        for name in ("quantized", "is_signed", "fused_affine", "prune", "joint")
    },
    **{name: lambda r: r.random() < 0.5 for name in ("avoid_repeats", "nesterov")},
    **{name: lambda r: (r.choice([1.0, 8.0, 32.0]), 7.0, 8.0) for name in ("data_in", "weight", "bias")},
    **{name: lambda r: r.choice([0, 5]) for name in ("updates", "width_updates")},
}
PARTS = ["parameters", "first", "gradients", "running", "widths"]
for way in ("read", "write"):
    ARGUMENTS[f"Trainer.{way}.name"] = lambda r: r.choice(PARTS)
    ARGUMENTS[f"Trainer.{way}.tensor"] = lambda r: floats(r.choice([sum(TRAINABLE[0]), 10]))
