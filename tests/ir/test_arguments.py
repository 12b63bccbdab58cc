"""Which arguments of a forward are inputs of its graph, and what a forward may leave behind while it is traced."""

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from chop import Evaluator, MaseGraph
from chop.cost import Costs
from chop.tools.errors import ConfigError
from chop.training import NativeTrainer

X = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(20) % 5
TWOS = torch.full((8,), 2.0)


def net(forward):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.o = nn.Linear(8, 8), nn.Linear(8, 5)
            self.calls, self.factor, self.last = 0, 1.0, None
            self.register_buffer("steps", torch.zeros(()))

    Net.forward = forward
    torch.manual_seed(0)
    return Net().eval()


def keywords(self, x, **options):
    h = F.relu(self.a(x))
    return self.o(h * 2 if options.get("twice") else h)


def looped(self, x, *factors):
    h = F.relu(self.a(x))
    for factor in factors:
        h = h * factor
    return self.o(h)


DEFAULTS = {
    "number": lambda self, x, scale=2.5: self.o(F.relu(self.a(x)) * scale),
    "None": lambda self, x, mask=None: self.o(self.a(x) if mask is None else self.a(x) * mask),
    "flag": lambda self, x, plain=True: self.o(self.a(x)) if plain else self.a(x),
    "text": lambda self, x, mode="b": self.o(self.a(x)) if mode == "b" else self.a(x),
    "keyword only": lambda self, x, *, k=3: self.o(F.relu(self.a(x)) + k),
    "count": lambda self, x, n=2: self.o(sum(self.a(x) for _ in range(n))),
    "function": lambda self, x, act=torch.tanh: self.o(act(self.a(x))),
    "tensor": lambda self, x, w=TWOS: self.o(self.a(x) * w),
    "list": lambda self, x, w=[1, 2]: self.o(self.a(x) * w[1]),
    "all": lambda self, x=None, mask=None: self.o(self.a(x) if mask is None else mask),
    "*args": looped,
    "**kwargs": keywords,
}


@pytest.mark.parametrize("forward", DEFAULTS.values(), ids=DEFAULTS)
def test_a_graph_computes_the_call_that_leaves_defaults_out(forward):
    model = net(forward)
    want = model(X)
    graph = MaseGraph(model)
    for got in (graph.model(X), MaseGraph(graph.model).model(X), Evaluator(graph, X).forward()):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    "forward, fixed",
    [
        (DEFAULTS["number"], {"scale": 3.0}),
        (DEFAULTS["None"], {"mask": torch.arange(8.0)}),
        (DEFAULTS["None"], {"mask": None}),
        (lambda self, x, flag: self.o(self.a(x)) if flag else x, {"flag": True}),
        (lambda self, x, *, k: self.o(self.a(x)) * k, {"k": 3}),
        (keywords, {"twice": True}),
    ],
)
def test_arguments_that_cf_args_fix(forward, fixed):
    model = net(forward)
    want = model(X, **fixed)
    graph = MaseGraph(model, cf_args=fixed)
    torch.testing.assert_close(graph.model(X), want)
    torch.testing.assert_close(Evaluator(graph, X).forward(), want)


def test_several_values_for_star_arguments():
    model = net(looped)
    graph = MaseGraph(model, cf_args={"factors": (2.0, 3.0)})
    torch.testing.assert_close(graph.model(X), model(X, 2.0, 3.0))


def test_costs_and_training_see_one_input():
    for name in ("number", "None", "*args", "**kwargs"):
        model = net(DEFAULTS[name])
        assert Costs(model, models=("macs",)).evaluate() == {"macs": 104.0}
        assert NativeTrainer.why_not(model) is None


def test_another_value_than_the_fixed_one_is_refused():
    model = net(DEFAULTS["None"])
    graph = MaseGraph(model)
    assert torch.equal(graph.model(X, None), graph.model(X, mask=None))
    with pytest.raises(
        AssertionError, match=r"argument mask is None in this graph; MaseGraph.model, cf_args="
    ):
        graph.model(X, torch.ones(8))
    with pytest.raises(AssertionError, match=r"argument scale is 2.5"):
        MaseGraph(net(DEFAULTS["number"])).model(X, 3.0)


def test_an_optional_argument_can_be_an_input():
    model = net(DEFAULTS["None"])
    graph = MaseGraph(model, cf_args={"mask": fx.PH})
    torch.testing.assert_close(graph.model(X, X), model(X, X))
    for reader in (lambda: Evaluator(graph, X), lambda: NativeTrainer(graph, X, Y)):
        with pytest.raises(ValueError, match=r"2 inputs .x, mask.*MaseGraph.model, cf_args=.'mask': value"):
            reader()


def test_what_a_forward_notes_down_is_taken_back():
    def noting(self, x):
        self.calls += 1
        self.last = self.a(x)
        return self.o(F.relu(self.last))

    model = net(noting)
    graph = MaseGraph(model)
    assert (model.calls, model.last) == (0, None)
    torch.testing.assert_close(graph.model(X), model(X))


def growing(self, x):
    self.factor += 1
    return self.o(self.a(x) * self.factor)


def recurrent(self, x):
    h = self.a(x) if self.last is None else self.a(x) + self.last
    self.last = h
    return self.o(h)


def counting(self, x):
    self.steps.add_(1)
    return self.o(self.a(x) * self.steps)


def binding(self, x):
    self.steps = self.steps + 1
    return self.o(self.a(x) * self.steps)


def caching_what_it_reads(self, x):
    factor = self.factor
    if self.last is None:
        self.last, self.factor = torch.ones(8), 3.0
    return self.o(self.a(x) * self.last * factor)


@pytest.mark.parametrize(
    "forward, message",
    [
        (binding, "changes Net._buffers, and a later call"),
        (caching_what_it_reads, "changes Net.factor, Net.last, and a later call"),
        (growing, "changes Net.factor, and a later call"),
        (recurrent, "changes Net.last, and a later call"),
        (counting, "writes into steps"),
    ],
)
def test_state_that_the_next_call_reads_is_refused(forward, message):
    model = net(forward)
    with pytest.raises(ConfigError, match=message):
        MaseGraph(model)
    assert (model.factor, model.last, float(model.steps)) == (1.0, None, 0.0)


def test_wrappers_of_a_model_are_looked_through():
    def inside():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5)).eval()

    want = inside()(X)
    wrappers = [
        nn.DataParallel,
        lambda m: torch.compile(m, backend="eager"),
        torch.optim.swa_utils.AveragedModel,
        fx.symbolic_trace,
        lambda m: nn.Sequential(torch.jit.script(m)),
    ]
    for wrap in wrappers:
        torch.testing.assert_close(Evaluator(wrap(inside()).eval(), X).forward(), want)
    wrapped = nn.DataParallel(inside())
    wrapped.register_forward_hook(lambda m, args, out: out * 2)
    with pytest.raises(ConfigError, match=r"wrapper DataParallel has a forward hook.*\.module"):
        MaseGraph(wrapped)
    with pytest.raises(ConfigError, match="scripted model"):
        MaseGraph(torch.jit.script(inside()))
    with pytest.raises(ConfigError, match=r"module 0 .LazyLinear. has no weights yet"):
        MaseGraph(nn.Sequential(nn.LazyLinear(3)))
    with pytest.raises(ValueError, match="meta device"):
        Evaluator(inside().to("meta"), X)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(8), nn.LayerNorm(8), nn.Linear(8, 5)])
def test_a_bare_layer_is_a_model(layer):
    layer.eval()
    torch.testing.assert_close(Evaluator(layer, X).forward(), layer(X))


def test_training_goes_back_to_a_layer_with_two_names():
    layer = nn.Linear(8, 8)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(8, 5))
    trainer = NativeTrainer(MaseGraph(model), X, Y)
    trainer.epoch(10, 0.1)
    trainer.write_back(model)
    assert torch.equal(model[2].weight, trainer.state_dict()["0.weight"])


def test_a_constant_that_the_first_call_makes_is_kept():
    def caching(self, x):
        if self.last is None:
            self.last = torch.linspace(0, 1, 8) * self.factor
        return self.o(self.a(x) * self.last)

    model, other = net(caching), net(caching)
    graph = MaseGraph(model)
    assert model.last is None
    assert torch.equal(graph.model(X), other(X)) and torch.equal(graph.model(X), other(X))
    assert torch.equal(graph.model.train()(X), other.train()(X))
