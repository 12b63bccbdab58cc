"""What compare runs is afterwards as it was, and never sees more rows at once than asked for."""

from __future__ import annotations

import torch
from torch import nn

import chop
from chop import MaseGraph
from tests.evaluator.models import chain


class Draws(nn.Module):
    """Counts its calls in a buffer, replaces another one, and draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        self.seen = x.sum().reshape(1)
        return x + torch.rand(1)


def test_models_are_afterwards_as_they_were() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2).eval())
    graph = MaseGraph(nn.Sequential(Draws(), *model), leaf_modules=(Draws,))
    graph.model.train()
    graph.model.get_submodule("3").eval()
    flags = [module.training for module in graph.model.modules()]
    state = {name: tensor.clone() for name, tensor in graph.model.state_dict().items()}
    x = torch.randn(9, 3)
    random, kept = torch.random.get_rng_state(), x.clone()
    chop.compare(graph, graph, x, batch_size=4)
    assert flags == [module.training for module in graph.model.modules()]
    assert all(torch.equal(tensor, state[name]) for name, tensor in graph.model.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state()) and torch.equal(x, kept)


def test_a_pending_backward_still_runs() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)).eval()
    loss = model(torch.randn(4, 3)).sum()
    chop.compare(model, model, torch.randn(4, 3))
    loss.backward()


def test_an_input_that_a_first_layer_overwrites() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))
    x = torch.tensor([[-1.0, 1.0]])
    assert chop.compare(model, model, x).equal and x[0, 0] == -1.0


def test_memory_stays_bounded() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    seen = []
    model[1].register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    assert (
        chop.compare(model, chain((4, 4), first_norm=False), torch.randn(1001, 4), batch_size=100).data_rows
        == 1001
    )
    assert max(seen) == 100 and sum(seen) == 1001
