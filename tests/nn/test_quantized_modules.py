"""Quantized layers as PyTorch modules: compile, copies, modes, and layers derived from a new quantizer."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop.nn.quantized.functional import quantized_func_map, relu_integer
from chop.nn.quantized.modules import LinearInteger, ReLUInteger, quantized_module_map
from chop.nn.quantizers import QUANTIZERS, QuantizerSpec
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

CONFIG = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 6,
    "weight_frac_width": 3,
    "bias_width": 10,
    "bias_frac_width": 5,
}
NARROW = {**CONFIG, "data_in_width": 4, "data_in_frac_width": 2, "weight_width": 3, "weight_frac_width": None}


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [
        LinearInteger(16, 8, config=CONFIG),
        ReLUInteger(config=CONFIG),
        LinearInteger(8, 5, config=NARROW),
    ]
    return nn.Sequential(*layers)


class FunctionalReLU(nn.Module):
    def forward(self, x):
        return relu_integer(x, config=CONFIG)


def test_compile_fullgraph_with_backward_and_two_batch_sizes():
    network = nn.Sequential(*small_network(), FunctionalReLU())
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    for batch in (4, 9):
        x = torch.randn(batch, 16)
        expected = network(x)
        gradients = torch.autograd.grad(expected.sum(), network.parameters())
        y = compiled(x)
        assert torch.equal(y, expected)
        for mine, its in zip(torch.autograd.grad(y.sum(), network.parameters()), gradients, strict=True):
            torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_copies(copied):
    network = small_network()
    twin = copied(network)
    x = torch.randn(3, 16)
    assert torch.equal(twin(x), network(x))
    with torch.no_grad():
        twin[0].weight.zero_()
    assert not torch.equal(twin(x), network(x))


def test_state_dict_is_that_of_the_float_layers():
    network = small_network()
    twin = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5))
    twin.load_state_dict(network.state_dict())
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True).keys() == twin.state_dict().keys()


def test_training_moves_the_float_weights():
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    before = network[0].weight.detach().clone()
    F.cross_entropy(network(torch.randn(32, 16)), torch.randint(5, (32,))).backward()
    assert type(network[0].w_quantizer(network[0].weight).grad_fn).__name__ == "IntegerQuantizeBackward"
    optimizer.step()
    assert not torch.equal(network[0].weight, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_from_float_and_back(dtype):
    layer = nn.Linear(6, 4, dtype=dtype).eval()
    layer.bias.requires_grad_(False)
    state = torch.random.get_rng_state()
    quantized = LinearInteger.from_float(layer, CONFIG)
    assert torch.equal(torch.random.get_rng_state(), state), "no random numbers are spent"
    assert not quantized.training and not quantized.bias.requires_grad and quantized.weight.requires_grad
    assert quantized.weight.dtype == dtype and quantized.weight is not layer.weight
    assert quantized(torch.randn(2, 6, dtype=dtype)).dtype == dtype
    back = quantized.to_float()
    assert type(back) is nn.Linear and not back.training
    assert torch.equal(back.weight, layer.weight) and torch.equal(back.bias, layer.bias)


def test_int_weight_range_and_scale():
    layer = LinearInteger(16, 5, config=CONFIG)
    with torch.no_grad():
        layer.weight.mul_(100)
    codes = layer.int_weight
    assert codes.dtype == torch.int32 and codes.min() >= -32 and codes.max() <= 31
    assert layer.scale == 1 / 8
    assert torch.equal(codes * layer.scale, layer.get_quantized_weight())
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        layer.int_weight  # noqa: B018


def test_bias_falls_back_to_the_weights_format():
    config = {key: value for key, value in CONFIG.items() if not key.startswith("bias")}
    layer = LinearInteger(4, 3, config=config)
    assert layer.formats["bias"] == layer.formats["weight"]


@pytest.mark.parametrize("rounding", ["half_even", "floor", "half_up"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_weights_and_codes_in_every_mode(rounding, overflow):
    config = {**CONFIG, "weight_rounding": rounding, "weight_overflow": overflow, "bias_rounding": "half_up"}
    layer = LinearInteger(16, 5, config=config)
    with torch.no_grad():
        layer.weight.mul_(100)
    codes = layer.int_weight
    whole = {"half_even": torch.round, "floor": torch.floor, "half_up": lambda v: torch.floor(v + 0.5)}
    expected = whole[rounding](layer.weight.double() * 8)
    expected = expected.clamp(-32, 31) if overflow == "saturate" else (expected + 32) % 64 - 32
    assert torch.equal(codes, expected.int())
    assert torch.equal(codes * layer.scale, layer.get_quantized_weight())
    assert (layer.formats["bias"].rounding, layer.formats["bias"].overflow) == ("half_up", overflow)
    with torch.no_grad():
        layer.weight[0, 0] = float("inf")
    if overflow == "wrap":
        with pytest.raises(ValueError, match="infinity that wraps"):
            layer.int_weight  # noqa: B018
    else:
        assert layer.int_weight[0, 0] == 31


def test_bypass_is_the_plain_layer():
    layer = LinearInteger(4, 3, config={**CONFIG, "bypass": True})
    x = torch.randn(2, 4)
    assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    assert layer.x_quantizer is layer.w_quantizer is layer.b_quantizer is None
    assert layer.get_quantized_weight() is layer.weight
    with pytest.raises(ValueError, match="bypassed"):
        layer.int_weight  # noqa: B018


def test_relu_quantizes_without_sign():
    relu = ReLUInteger(config=CONFIG)
    assert relu(torch.tensor([-1.0, 15.0, 100.0])).tolist() == [0.0, 15.0, 15.9375]
    assert relu.w_quantizer is None and relu.b_quantizer is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_width": 40}, r"linear_integer.weight_width must be 1..32, got 40"),
        ({"weight_widht": 4}, r"did you mean 'weight_width'"),
        ({"data_in_frac_width": 99}, r"linear_integer.data_in_frac_width must be -64..64, got 99"),
        (
            {"weight_rounding": "flor"},
            r"linear_integer.weight_rounding must be one of .* \(did you mean 'floor'",
        ),
        ({"bypass": "yes"}, r"linear_integer.bypass must be true or false, got 'yes'"),
        (
            {"bias_width": [8]},
            r"linear_integer.bias_width and .* the shape \[1\]; allowed: one number or \[3\]",
        ),
    ],
)
def test_bad_configs(change, message):
    with pytest.raises(ConfigError, match=message):
        LinearInteger(4, 3, config={**CONFIG, **change})


def test_missing_config_or_field():
    with pytest.raises(ConfigError, match="config must be a table"):
        LinearInteger(4, 3)
    with pytest.raises(ConfigError, match="weight_width is missing"):
        LinearInteger(4, 3, config={"name": "integer", "data_in_width": 8, "data_in_frac_width": 4})
    with pytest.raises(ConfigError, match="config must be a table"):
        relu_integer(torch.zeros(1))


def test_equal_looking_values_of_other_types_are_refused_after_a_good_one():
    ReLUInteger(config=CONFIG)  # fills the cache with 8
    with pytest.raises(ConfigError, match=r"got 8\.0"):
        ReLUInteger(config={**CONFIG, "data_in_width": 8.0})


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="did you mean 'linear_integer'"):
        quantized_module_map["linear_intger"]
    with pytest.raises(UnknownNameError, match="relu_floaty"):
        quantized_func_map["relu_floaty"]


class SignSpec(QuantizerSpec):
    """Keeps the sign alone: the smallest quantizer that a user could add."""

    name = "signonly"
    class_suffix = "SignOnly"
    fields = ("level",)
    function = staticmethod(torch.sign)

    def check_field(self, field, value, where):
        if not value > 0:
            raise ConfigError(f"{where} must be positive, got {value!r}")

    def parse_operand(self, operand, is_signed, values, where):
        return values["level"]

    def quantizer(self, format):
        return torch.sign

    def codes(self, x, format):
        return torch.sign(x).int()


@pytest.fixture
def sign_quantizer():
    QUANTIZERS["signonly"] = SignSpec()
    yield
    del QUANTIZERS["signonly"]


def test_a_new_quantizer_is_one_registration(sign_quantizer):
    config = {"name": "signonly", "data_in_level": 1, "weight_level": 1}
    layer = quantized_module_map["linear_signonly"](3, 2, config=config)
    assert type(layer).__name__ == "LinearSignOnly"
    x = torch.randn(4, 3)
    assert torch.equal(layer(x), F.linear(x.sign(), layer.weight.sign(), layer.bias.sign()))
    assert type(pickle.loads(pickle.dumps(layer))) is type(layer)  # noqa: S301
    assert torch.equal(quantized_func_map["relu_signonly"](x, config=config), x.sign().relu())
