"""Convolutions, and the fused road of all layers with weights, as PyTorch modules."""

from __future__ import annotations

import copy
import pickle
from functools import partial

import pytest
import torch
from torch import nn

from chop.nn.quantized.modules import Conv1dInteger, Conv2dInteger, LinearInteger, quantized_module_map
from chop.nn.quantizers import integer_quantizer
from tests.nn.test_quantized_modules import CONFIG, sign_quantizer  # noqa: F401  a fixture

LAYERS = {
    "linear": (lambda: LinearInteger(12, 5, config=CONFIG), (7, 12)),
    "conv1d": (lambda: Conv1dInteger(4, 6, 3, 2, 1, groups=2, config=CONFIG), (3, 4, 16)),
    "conv1d-circular": (
        lambda: Conv1dInteger(2, 3, 3, padding=1, padding_mode="circular", config=CONFIG),
        (3, 2, 9),
    ),
    "conv1d-same": (lambda: Conv1dInteger(2, 3, 4, padding="same", config=CONFIG), (3, 2, 9)),
    "conv2d": (lambda: Conv2dInteger(3, 4, (3, 2), padding=1, config=CONFIG), (2, 3, 6, 5)),
}


@pytest.fixture(params=LAYERS)
def layer_and_input(request):
    torch.manual_seed(0)
    make, shape = LAYERS[request.param]
    return make(), torch.randn(shape)


def separate_quantizers(layer):
    """The same layer on the road of three quantizers and torch's own layer."""
    twin = copy.deepcopy(layer)
    twin.x_quantizer = partial(twin.x_quantizer)
    return twin


def test_the_fused_road_is_taken_and_equals_the_other_one(layer_and_input):
    layer, x = layer_and_input
    twin = separate_quantizers(layer)
    assert twin._fused_road(x) is None and layer._fused_road(x) is not None
    torch.testing.assert_close(layer(x), twin(x), rtol=1e-6, atol=1e-6)
    gradients = []
    for each in (layer, twin):
        leaf = x.clone().requires_grad_()
        y = each(leaf)
        y.backward(torch.ones_like(y) * torch.arange(y.shape[-1]))
        gradients.append([leaf.grad, *(p.grad for p in each.parameters())])
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)


def test_compile_fullgraph_with_and_without_gradients(layer_and_input):
    layer, x = layer_and_input
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), layer(x), rtol=1e-6, atol=1e-6)
    y = compiled(x)
    torch.testing.assert_close(y, layer(x), rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(out.sum(), layer.parameters()) for out in (y, layer(x))]
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_copies_stay_on_the_fused_road(layer_and_input, copied):
    layer, x = layer_and_input
    twin = copied(layer)
    assert type(twin) is type(layer) and torch.equal(twin(x), layer(x))
    assert twin._fused_road(x) == layer._fused_road(x) is not None


def test_functorch_autocast_and_other_devices(layer_and_input):
    layer, x = layer_and_input
    parameters = dict(layer.named_parameters())

    def loss(parameters, sample):
        return torch.func.functional_call(layer, parameters, (sample.unsqueeze(0),)).sum()

    per_sample = torch.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    layer(x).sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(per_sample[name].sum(0), parameter.grad, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.to("meta")(x.to("meta")).device.type == "meta"


def test_a_replaced_quantizer_or_weight_method_counts(layer_and_input):
    layer, x = layer_and_input
    layer.w_quantizer = partial(integer_quantizer, width=2, frac_width=1)
    expected = separate_quantizers(layer)(x)
    assert torch.equal(layer(x), expected) and layer.get_quantized_weight().unique().numel() <= 4

    class Masked(LinearInteger):
        def get_quantized_weight(self):
            return super().get_quantized_weight() * 0

    masked = Masked(3, 2, bias=False, config=CONFIG)
    assert not masked(torch.randn(4, 3)).any()


@pytest.mark.parametrize(
    "made",
    [
        nn.Conv1d(4, 6, 3, 2, 1, 2, 2),
        nn.Conv1d(2, 2, 3, padding="same", bias=False),
        nn.Conv1d(2, 4, 3, padding=2, padding_mode="reflect").double().eval(),
        nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0), padding_mode="replicate"),
    ],
)
def test_from_float_and_back(made):
    op = "conv1d" if isinstance(made, nn.Conv1d) else "conv2d"
    state = torch.random.get_rng_state()
    quantized = quantized_module_map[f"{op}_integer"].from_float(made, CONFIG)
    assert torch.equal(torch.random.get_rng_state(), state), "no random numbers are spent"
    assert quantized.training == made.training and quantized.weight.dtype == made.weight.dtype
    if made.bias is not None:
        assert torch.equal(quantized.bias, made.bias), "the bias is carried over"
    back = quantized.to_float()
    assert type(back) is type(made) and repr(back) == repr(made)
    x = torch.randn(2, made.in_channels, 9, *(7,) * (op == "conv2d"), dtype=made.weight.dtype)
    assert torch.equal(back(x), made(x)) and quantized(x).shape == made(x).shape
    bypassed = quantized_module_map[f"{op}_fixed"].from_float(made, {**CONFIG, "bypass": True})
    assert torch.equal(bypassed(x), made(x)) and bypassed.w_quantizer is None


def test_training_steps_lower_the_loss():
    torch.manual_seed(0)
    network = nn.Sequential(
        Conv1dInteger(1, 4, 3, padding=1, config=CONFIG), nn.Flatten(), LinearInteger(64, 2, config=CONFIG)
    )
    x = torch.randn(64, 1, 16)
    labels = (x.mean((1, 2)) > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        torch.testing.assert_close(network(x), network.train()(x))


def test_int_weight_of_a_convolution():
    layer = Conv1dInteger(2, 3, 3, config=CONFIG)
    assert layer.int_weight.shape == layer.weight.shape and layer.scale == 1 / 8
    assert torch.equal(layer.int_weight * layer.scale, layer.get_quantized_weight())


def test_derived_layers_of_a_new_quantizer(sign_quantizer):  # noqa: F811
    config = {"name": "signonly", "data_in_level": 1, "weight_level": 1}
    layer = quantized_module_map["conv1d_signonly"](2, 3, 3, padding=1, config=config)
    assert type(layer).__name__ == "Conv1dSignOnly" and layer._fused_road(torch.zeros(1, 2, 5)) is None
    x = torch.randn(4, 2, 8)
    expected = nn.functional.conv1d(x.sign(), layer.weight.sign(), layer.bias.sign(), padding=1)
    assert torch.equal(layer(x), expected)
    assert type(pickle.loads(pickle.dumps(layer))) is type(layer)  # noqa: S301
