"""The evaluator under every number format: the bits of the quantized graph where sums are exact, else float64's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chop import Evaluator
from chop.cost import Costs
from chop.tools.errors import ConfigError
from tests.evaluator.number_formats import FORMATS, by_type, quantized, ulps, with_wide_sums


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.BatchNorm1d(16),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Linear(16, 12, bias=False),
        nn.ReLU(),
        nn.Linear(12, 5),
    ).eval()


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv1 = nn.Conv1d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv1d(4, 6, 3, stride=2, groups=2)
        self.fc = nn.Linear(24, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.conv2(torch.relu(self.conv1(x)))).flatten(1))


class Convolutions2d(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.fc = nn.Linear(24, 5)
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.pool(self.act(self.conv1(x)))
        return self.fc(self.act(self.conv2(x)).flatten(1))


class Sums(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        return self.c(torch.relu(a * b - 0.3) + a)


MODELS = {
    "mlp": (mlp, (16,)),
    "conv1d": (Convolutions, (3, 9)),
    "conv2d": (Convolutions2d, (2, 8, 8)),
    "sums": (Sums, (8,)),
}
OPS = ("linear", "relu", "conv1d", "conv2d", "add", "sub", "mul")


def data(shape, rows=150):
    torch.manual_seed(4)
    x = torch.randn(rows, *shape)
    x[0] = 0.0
    return x


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("model", MODELS)
def test_every_format_on_every_kind_of_layer(name, model):
    make, shape = MODELS[model]
    net, x = make(), data(shape)
    config = by_type(*OPS, config=FORMATS[name])
    ev = Evaluator(net, x, torch.zeros(len(x), dtype=torch.long))
    logits = ev.forward(config)
    with torch.no_grad():
        expected = with_wide_sums(quantized(net, config))(x)
    assert ulps(logits, expected) <= 2
    assert (logits == expected).float().mean() > 0.99
    assert not ev.torch_nodes or all(seconds == 0 for seconds in ev.torch_nodes.values())
    if all(road.exact for road in ev.roads(config)):
        with torch.no_grad():
            assert torch.equal(logits, quantized(net, config)(x))


@pytest.mark.parametrize("name", ["minifloat_ieee", "minifloat_denorm", "log", "scale_integer_given"])
def test_small_formats_are_exact_and_say_so(name):
    net, x = mlp(), data((16,))
    config = by_type("linear", "relu", config=FORMATS[name])
    ev = Evaluator(net, x, torch.zeros(len(x), dtype=torch.long))
    certificate = ev.certificate(config)
    if name == "minifloat_denorm" or name == "scale_integer_given":
        assert all(layer.exact for layer in certificate.layers)
    for layer, road in zip(
        (r for r in certificate.layers if r.op == "linear"), ev.roads(config), strict=True
    ):
        assert layer.exact == road.exact
        assert bool(layer.reason) != layer.exact
    if all(road.exact for road in ev.roads(config)):
        with torch.no_grad():
            assert torch.equal(ev.forward(config), quantized(net, config)(x))


@pytest.mark.parametrize("name", [name for name in FORMATS if "_few_" in name])
def test_blocks_with_few_exponents_lie_on_a_grid(name):
    net, x = mlp(), data((16,))
    config = by_type("linear", config=FORMATS[name])
    ev = Evaluator(net, x)
    assert all(road.exact for road in ev.roads(config)) and {road.road for road in ev.roads(config)} & {
        "int8",
        "int16",
        "fp32",
    }
    with torch.no_grad():
        assert torch.equal(ev.forward(config), quantized(net, config)(x))


@pytest.mark.parametrize("name", FORMATS)
def test_data_that_two_configs_bring_to_one_format(name):
    """The second one reads what the evaluator kept, and no result depends on it."""
    net, x = Sums(), data((8,), rows=700)
    layers = [{"by": "name", "default": {"config": {"name": None}}} for _ in range(3)]
    for config, nodes in zip(layers, (["a"], ["a", "b"], ["a", "b", "c"]), strict=True):
        config |= {node: {"config": FORMATS[name]} for node in nodes}
    alone = [Evaluator(net, x).forward(config) for config in layers]
    ev = Evaluator(net, x, threads=2)
    for turn in (0, 1, 0, 2, 1, 2):
        assert torch.equal(ev.forward(layers[turn]).view(torch.int32), alone[turn].view(torch.int32)), turn


def test_block_formats_say_why_they_are_not_exact():
    ev = Evaluator(mlp(), data((16,)))
    certificate = ev.certificate(by_type("linear", config=FORMATS["block_fp"]))
    reasons = [layer.reason for layer in certificate.layers if layer.op == "linear"]
    assert len(reasons) == 3 and all("block_fp" in reason and "float64" in reason for reason in reasons)


def test_blocks_over_rows_and_chance_are_refused():
    ev = Evaluator(mlp(), data((16,)))
    over_rows = {**FORMATS["block_fp"], "data_in_block_size": [16], "data_in_skip_first_dim": False}
    with pytest.raises(ConfigError, match="several rows of data"):
        ev.forward(by_type("linear", config=over_rows))
    with pytest.raises(ConfigError, match="several rows of data"):
        ev.forward(by_type("linear", config={"name": "scale_integer", "data_in_width": 8, "weight_width": 8,
                                             "data_in_granularity": "tensor"}))  # fmt: skip
    by_chance = {**FORMATS["binary"], "weight_stochastic": True}
    with pytest.raises(ConfigError, match="by chance"):
        ev.forward(by_type("linear", config=by_chance))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads):
    net, x = mlp(), data((16,), 700)
    for name, config in FORMATS.items():
        one, many = Evaluator(net, x), Evaluator(net, x, threads=threads)
        whole = by_type("linear", "relu", config=config)
        assert torch.equal(one.forward(whole), many.forward(whole)), name


def test_formats_mix_in_one_config():
    net, x = mlp(), data((16,))
    integer = {"name": "integer", **{f"{o}_{k}": v for o in ("data_in", "weight", "bias")
                                     for k, v in (("width", 6), ("frac_width", 3))}}  # fmt: skip
    tables = [integer, FORMATS["minifloat_ieee"], FORMATS["log"], FORMATS["block_fp"], integer]
    names = ["_1", "_2", "_3", "_4", "_5"]
    config = {"by": "name", "default": {"config": {"name": None}}}
    config |= {node: {"config": table} for node, table in zip(names, tables, strict=True)}
    ev = Evaluator(net, x)
    with torch.no_grad():
        assert ulps(ev.forward(config), with_wide_sums(quantized(net, config))(x)) <= 2


def test_costs_count_what_a_block_shares():
    found = Costs(nn.Sequential(nn.Linear(32, 4)), 1, models=("model_size", "average_bitwidth"))
    whole = by_type("linear", config={"name": "mxfp4"})
    assert found.evaluate(whole)["average_bitwidth"] == 4.0
    bits = 4 * 32 * 4.25 + 4 * (4 + 8 / 4)  # blocks of 32 weights, one block of 4 biases
    assert found.evaluate(whole)["model_size"] == bits / 8
