"""One parameter in several layers: one parameter in every form of the graph, and counted once."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop import Evaluator, MaseGraph
from chop.cost import Costs
from chop.passes import (
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
)
from chop.tools.errors import ConfigError
from chop.training import NativeTrainer

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(64) % 5


def eight(bits=8):
    return {
        "name": "integer",
        **{
            f"{o}_{k}": v
            for o in ("data_in", "weight", "bias")
            for k, v in (("width", bits), ("frac_width", 5))
        },
    }


FLOAT = {"by": "type", "default": {"config": {"name": None}}}
BOTH = {**FLOAT, "linear": {"config": eight()}}


def named(**widths):
    rules = {name: {"config": eight(width)} for name, width in widths.items()}
    return {"by": "name", "default": {"config": {"name": None}}, **rules}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.o = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.o(F.relu(self.b(F.relu(self.a(x)))))


class Read(Tied):
    """The second layer is a function that reads the first one's weight under another name."""

    def __init__(self):
        super().__init__()
        self.w = self.a.weight

    def forward(self, x):
        return self.o(F.relu(F.linear(F.relu(self.a(x)), self.w)))


def steps(model, count=3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "make, config",
    [
        *((Tied, config) for config in (BOTH, named(a=8), named(b=8), named(a=8, b=4))),
        (Read, BOTH),
        (Read, named(a=8)),
    ],
)
def test_a_tie_survives_quantization_training_and_the_way_back(make, config):
    model = make()
    before = copy.deepcopy(model.state_dict())
    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    number = sum(p.numel() for p in MaseGraph(model).model.parameters())
    assert sum(p.numel() for p in graph.model.parameters()) == number
    torch.testing.assert_close(graph.model(X), Evaluator(model, X).forward(config), rtol=0, atol=1e-5)
    again, _ = quantize_transform_pass(copy.deepcopy(graph), named(a=6))
    for each in (graph, again):
        names = [name for name, p in each.model.named_parameters(remove_duplicate=False) if p.shape == (8, 8)]
        assert len(names) == 2
        steps(each.model)
        first, second = (each.model.get_parameter(name) for name in names)
        assert first is second and first is not model.a.weight
    tied = [p for name, p in graph.model.named_parameters() if p.shape == (8, 8)]
    assert len(tied) == 1 and not torch.equal(tied[0], before["a.weight"])
    assert torch.equal(model.a.weight, before["a.weight"]), "the model that was given has not changed"


def test_back_in_float_the_layers_are_the_models_own():
    model = Tied()
    graph = MaseGraph(model)
    for config in (BOTH, named(a=8), named(b=4), FLOAT):
        quantize_transform_pass(graph, config)
    assert graph.modules["a"] is model.a and graph.modules["b"] is model.b
    quantize_transform_pass(graph, named(a=8))
    steps(graph.model)
    quantize_transform_pass(graph, FLOAT)
    assert graph.modules["a"].weight is graph.modules["b"].weight
    assert not torch.equal(graph.modules["b"].weight, model.b.weight)


def test_an_embedding_shared_with_its_decoder():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.decoder = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
            self.decoder.weight = self.embedding.weight

        def forward(self, x):
            return self.decoder(self.embedding(x))

    model = Words()
    graph, _ = quantize_transform_pass(MaseGraph(model), BOTH)
    assert graph.modules["embedding"].weight is graph.modules["decoder"].weight
    assert graph.modules["embedding"] is not model.embedding
    size = Costs(model, models=("parameters", "model_size"), input_shapes=(3,)).evaluate(BOTH)
    assert size == {"parameters": 28.0, "model_size": 112.0}
    quantize_transform_pass(graph, FLOAT)
    assert graph.modules["embedding"] is model.embedding


def test_the_native_trainer_trains_one_weight():
    model = Tied()
    graph, _ = quantize_transform_pass(MaseGraph(model), BOTH)
    reference = copy.deepcopy(graph.model)
    trainer = NativeTrainer(
        nn.Sequential(graph.model.a, nn.ReLU(), graph.model.b, nn.ReLU(), graph.model.o), X, Y
    )
    assert trainer.evaluate(X, Y).loss == pytest.approx(F.cross_entropy(reference(X), Y).item(), abs=1e-5)
    trainer = NativeTrainer(graph, X, Y, optimizer="sgd")
    for _ in range(3):
        trainer.epoch(64, 0.5)
    steps(reference)
    for name, value in trainer.state_dict().items():
        torch.testing.assert_close(value, reference.state_dict()[name], rtol=0, atol=1e-4)
    trainer.write_back(model)
    back, _ = quantize_transform_pass(MaseGraph(model), BOTH)
    assert F.cross_entropy(back.model(X), Y).item() == pytest.approx(trainer.evaluate(X, Y).loss, abs=1e-5)


def test_a_saved_graph_keeps_its_ties(tmp_path):
    graph, _ = quantize_transform_pass(MaseGraph(Tied()), named(a=8))
    save_mase_graph_interface_pass(graph, tmp_path)
    again, _ = load_mase_graph_interface_pass(None, tmp_path)
    assert again.modules["a"].weight is again.modules["b"].weight
    assert torch.equal(again.model(X), graph.model(X))


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_costs_of_a_tie_do_not_depend_on_which_layer_comes_first(names):
    models = ("model_size", "average_bitwidth", "memory_density", "parameters")
    found = Costs(Tied(), models=models)
    one = found.evaluate(named(**{names[0]: 8}))
    assert one == {  # 64 shared weights in float, a bias of 8 bytes and one of 32, the last layer in float
        "model_size": 64 * 4 + 8 + 32 + 45 * 4,
        "average_bitwidth": 8.0,
        "memory_density": 4.0,
        "parameters": 64 + 16 + 45,
    }
    assert found.evaluate(named(**{names[0]: 8, names[1]: 4})) == {
        "model_size": 64 + 8 + 4 + 45 * 4,
        "average_bitwidth": 8.0,
        "memory_density": 4.0,
        "parameters": 125.0,
    }


def views():
    model = Tied()
    model.b.weight = nn.Parameter(model.a.weight.detach().T)
    return model


def buffers():
    model = Tied()
    model.b = nn.Linear(8, 8)
    model.o.register_buffer("view", model.a.weight.detach()[0])
    return model


@pytest.mark.parametrize("make", [views, buffers])
def test_tensors_in_one_memory_that_are_not_one_parameter_are_refused(make):
    model = make()
    torch.testing.assert_close(Evaluator(model, X).forward(), model(X))
    with pytest.raises(ConfigError, match=r"a.weight lies in the memory of .*same Parameter"):
        quantize_transform_pass(MaseGraph(model), BOTH)
    assert "lies in the memory of" in NativeTrainer.why_not(model)
