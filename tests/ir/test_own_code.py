"""Layers that compute something else than their class says: through torch, or refused, never as the class."""

import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from chop import Evaluator, MaseGraph
from chop.cost import Costs
from chop.passes import (
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
)
from chop.tools.errors import ConfigError
from chop.training import NativeTrainer

X = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)) * 2
Y = torch.arange(40) % 5
WIDE = {f"{o}_{k}": v for o in ("data_in", "weight", "bias") for k, v in (("width", 32), ("frac_width", 22))}
LINEAR = {
    "by": "type",
    "default": {"config": {"name": None}},
    "linear": {"config": {"name": "integer", **WIDE}},
}


def chain(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))


class Twice(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 2


class CalledTwice(nn.Linear):
    def __call__(self, x):
        return super().__call__(x) * 2


def agree(model, tmp_path=None, **options):
    """The evaluator, the graph, its quantized form and what is saved of it compute what the model computes."""
    evaluated = Evaluator(MaseGraph(model, **options), X).forward()
    quantized, _ = quantize_transform_pass(MaseGraph(model, **options), LINEAR)
    found = [evaluated, MaseGraph(model, **options).model.eval()(X), quantized.model.eval()(X)]
    if tmp_path is not None:
        save_mase_graph_interface_pass(quantized, tmp_path)
        found.append(load_mase_graph_interface_pass(MaseGraph(model, **options), tmp_path)[0].model(X))
    want = model.eval()(X)
    for each in found:
        torch.testing.assert_close(each, want, rtol=0, atol=1e-3)


HOOKS = {
    "forward": lambda m: m[0].register_forward_hook(lambda layer, args, out: out * 0.5),
    "forward with keywords": lambda m: m[0].register_forward_hook(
        lambda layer, args, kwargs, out: out * 0.5, with_kwargs=True
    ),
    "pre": lambda m: m[2].register_forward_pre_hook(lambda layer, args: (args[0].clamp(max=0.5),)),
    "pre with keywords": lambda m: m[2].register_forward_pre_hook(
        lambda layer, args, kwargs: ((args[0].clamp(max=0.5),), kwargs), with_kwargs=True
    ),
    "on a ReLU": lambda m: m[1].register_forward_hook(lambda layer, args, out: out.clamp(max=0.3)),
    "in place": lambda m: m[0].register_forward_hook(lambda layer, args, out: (out.mul_(0.5), None)[1]),
    "method": lambda m: setattr(
        m[0], "forward", types.MethodType(lambda self, x: F.linear(x, self.weight) * 2, m[0])
    ),
    "method of a ReLU": lambda m: setattr(m[1], "forward", torch.abs),
}


@pytest.mark.parametrize("change", HOOKS.values(), ids=HOOKS)
def test_what_hangs_on_a_layer_is_computed_and_no_native_reader_passes_over_it(change, tmp_path):
    model = chain().eval()
    change(model)
    agree(model, tmp_path)
    with pytest.raises(ValueError, match=r"layer [012] has a forward"):
        NativeTrainer(model, X, Y)


@pytest.mark.parametrize("keywords", [False, True])
def test_hooks_of_the_model_and_of_containers_are_traced(keywords):
    double = (lambda m, args, kwargs: ((args[0] * 2,), kwargs)) if keywords else (lambda m, args: args[0] * 2)
    for outer in (False, True):
        model = nn.Sequential(chain(), nn.Linear(5, 5)).eval()
        part = model if outer else model[0]
        part.register_forward_hook(lambda m, args, out: out + 1)
        part.register_forward_pre_hook(double, with_kwargs=keywords)
        agree(model)
        replaced = chain().eval()
        replaced.forward = lambda x, m=replaced: nn.Sequential.forward(m, x) * 2
        agree(replaced)


def test_hooks_that_a_graph_would_lose_are_refused():
    model = chain()
    handle = model.register_forward_hook(lambda m, args, out: None)
    with pytest.raises(ConfigError, match=r"the model .Sequential. has a forward hook .* returns nothing"):
        MaseGraph(model)
    handle.remove()
    handle = model.register_full_backward_hook(lambda m, grad_in, grad_out: None)
    with pytest.raises(ConfigError, match="backward hook, which a traced graph would lose"):
        MaseGraph(nn.Sequential(model, nn.ReLU()))
    handle.remove()
    graph = MaseGraph(model)
    graph.model.register_forward_hook(lambda m, args, out: out * 2)
    with pytest.raises(ValueError, match="the graph's model has a forward hook"):
        Evaluator(graph, X)
    handle = nn.modules.module.register_module_forward_hook(lambda m, args, out: None)
    try:
        with pytest.raises(ConfigError, match="around every module"):
            MaseGraph(chain())
    finally:
        handle.remove()


def test_hooks_on_gradients_stay_with_torch():
    model = chain()
    model[0].register_full_backward_hook(lambda m, grad_in, grad_out: None)
    assert "layer 0 has a backward hook" in NativeTrainer.why_not(model)
    agree(model)
    model = chain()
    model[2].weight.register_hook(lambda grad: grad * 3)
    assert "layer 2 has a hook on the gradient of weight" in NativeTrainer.why_not(model)
    graph = MaseGraph(model)
    with pytest.raises(ConfigError, match="layer 2 has a hook on the gradient of weight"):
        quantize_transform_pass(graph, LINEAR)
    assert graph.modules["0"] is model[0], "a refused config changes nothing"


@pytest.mark.parametrize("layer", [Twice, CalledTwice])
@pytest.mark.parametrize("leaf", [False, True])
def test_derived_layers(layer, leaf):
    model = nn.Sequential(layer(8, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    agree(model, leaf_modules=(layer,) if leaf else ())
    if leaf and layer is Twice:
        with pytest.raises(ValueError, match="layer 0 is a Twice, which computes something of its own"):
            NativeTrainer(MaseGraph(model, leaf_modules=(layer,)), X, Y)


def spectral(module):
    nn.utils.spectral_norm(module[0])


def pruned(module):
    prune.l1_unstructured(module[0], "weight", 0.5)
    prune.random_unstructured(module[2], "bias", 0.5)


COMPUTED = {
    "weight norm": lambda m: nn.utils.weight_norm(m[0]),
    "spectral norm": spectral,
    "pruned": pruned,
    "new weight norm": lambda m: parametrizations.weight_norm(m[0]),
    "new spectral norm": lambda m: parametrizations.spectral_norm(m[0]),
    "orthogonal": lambda m: parametrizations.orthogonal(m[0]),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("compute", COMPUTED.values(), ids=COMPUTED)
def test_computed_weights_are_those_of_the_next_call_in_eval_mode(compute, train, tmp_path):
    model, other = chain(0), chain(1)
    for each in (model, other):
        compute(each)
    model.load_state_dict(other.state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    model.train(train)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluated = Evaluator(MaseGraph(model), X).forward()
    quantized, _ = quantize_transform_pass(MaseGraph(model), LINEAR)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].training == train
    got = quantized.model.eval()(X)
    assert "computed before each call" in NativeTrainer.why_not(model)
    assert Costs(model, models=("macs",)).evaluate() == {"macs": 104.0}
    want = model.eval()(X)
    torch.testing.assert_close(evaluated, want, rtol=0, atol=1e-4)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-3)
    agree(model, tmp_path)


def test_a_pruned_layer_stays_pruned_while_its_quantized_form_is_trained():
    model = chain()
    prune.l1_unstructured(model[0], "weight", 0.5)
    graph, _ = quantize_transform_pass(MaseGraph(model), LINEAR)
    optimizer = torch.optim.SGD(graph.model.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(graph.model(X), Y).backward()
        optimizer.step()
    assert not torch.equal(graph.modules["0"].weight_orig, model[0].weight_orig)
    graph.model(X)
    assert torch.equal(graph.modules["0"].weight == 0, model[0].weight_mask == 0)


def test_costs_count_what_hangs_on_a_layer():
    plain = Costs(chain(), models=("flops_arithmetic", "macs")).evaluate()
    hooked = chain()
    hooked[0].register_forward_hook(lambda layer, args, out: out * 0.5)
    patched = chain()
    patched[0].forward = lambda x, m=patched[0]: F.linear(x, m.weight) * 2
    for model in (hooked, patched):
        found = Costs(model, models=("flops_arithmetic", "macs")).evaluate()
        assert found["macs"] == plain["macs"] and found["flops_arithmetic"] == plain["flops_arithmetic"] + 8
