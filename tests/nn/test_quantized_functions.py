"""Quantized functions: gradients, numbers as operands, fx, compile, and functions of a new quantizer."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import fx, nn

from chop.nn.quantized.functional import (
    FUNCTIONS,
    add_integer,
    bmm_integer,
    matmul_integer,
    mul_integer,
    mult_integer,
    quantized_func_map,
    quantized_function_op,
    sub_integer,
)
from chop.nn.quantizers import integer_quantizer
from chop.tools.errors import ConfigError
from tests.nn.test_quantized_modules import CONFIG, sign_quantizer  # noqa: F401  a fixture


def data_in(x):
    return integer_quantizer(x, 8, 4)


def test_names():
    assert mul_integer is mult_integer is quantized_func_map["mul_integer"] is quantized_func_map["mul_fixed"]
    assert set(FUNCTIONS) == {"add", "bmm", "matmul", "mul", "relu", "sub"}
    for mase_op in FUNCTIONS:
        function = quantized_func_map[f"{mase_op}_integer"]
        assert quantized_function_op(function) == mase_op
        assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301
    assert quantized_function_op(torch.add) is quantized_function_op("add") is None


@pytest.mark.parametrize("function", [add_integer, sub_integer, mult_integer])
def test_straight_through_gradients(function):
    x, y = torch.randn(3, 4, requires_grad=True), (torch.randn(4) * 100).requires_grad_()
    function(x, y, CONFIG).sum().backward()
    expected = {
        add_integer: (torch.ones(3, 4), torch.full((4,), 3.0)),
        sub_integer: (torch.ones(3, 4), torch.full((4,), -3.0)),
        mult_integer: (data_in(y).expand(3, 4), data_in(x).sum(0)),
    }[function]
    torch.testing.assert_close(x.grad, expected[0])
    torch.testing.assert_close(y.grad, expected[1])


def test_alpha():
    x, y = torch.randn(2, 3)
    assert torch.equal(add_integer(x, y, CONFIG, alpha=2), torch.add(data_in(x), data_in(y), alpha=2))
    assert torch.equal(sub_integer(x, y, CONFIG, alpha=0.5), torch.sub(data_in(x), data_in(y), alpha=0.5))


def test_numbers_as_operands():
    x = torch.randn(5)
    assert torch.equal(add_integer(x, 1.0, CONFIG), data_in(x) + 1)
    assert torch.equal(add_integer(x, 0.3, CONFIG), data_in(x) + 0.3125)
    assert torch.equal(sub_integer(1000.0, x, CONFIG), 7.9375 - data_in(x))
    assert torch.equal(mul_integer(x, 1000, CONFIG), data_in(x) * 1000), "whole numbers stay"
    assert add_integer(x, 0.3, CONFIG).dtype == torch.float32
    assert add_integer(3, 4, CONFIG) == 7 and mul_integer(0.3, 2, CONFIG) == 0.6, "arithmetic on sizes"


def test_bypass_is_the_plain_function():
    x, y = torch.randn(2, 3, 3)
    bypass = {**CONFIG, "bypass": True}
    assert torch.equal(add_integer(x, y, bypass), x + y)
    assert torch.equal(matmul_integer(x, y, bypass), x @ y)


def test_second_factor_has_the_weights_format():
    x, y = torch.randn(2, 3, 4), torch.randn(2, 4, 3)
    weight = integer_quantizer(y, 6, 3)
    assert torch.equal(bmm_integer(x, y, CONFIG), torch.bmm(data_in(x), weight))
    assert torch.equal(matmul_integer(x, y, CONFIG), data_in(x) @ weight)
    only_data = {key: value for key, value in CONFIG.items() if not key.startswith("weight")}
    with pytest.raises(ConfigError, match=r"matmul_integer\.weight_width is missing"):
        matmul_integer(x, y, only_data)


def test_errors_name_the_function():
    with pytest.raises(ConfigError, match=r"add_integer\.config must be a table"):
        add_integer(torch.zeros(1), 1.0)
    with pytest.raises(ConfigError, match=r"mult_integer.data_in_width must be 1\.\.32, got 40"):
        mult_integer(torch.zeros(1), 1.0, {**CONFIG, "data_in_width": 40})


class Arithmetic(nn.Module):
    def forward(self, x):
        y = add_integer(x, 1.3, CONFIG)
        y = sub_integer(0.7, mul_integer(y, x, CONFIG), CONFIG)
        return matmul_integer(y, y.t(), CONFIG)


def test_fx_sees_leaves_and_compile_works():
    x = torch.randn(3, 4, requires_grad=True)
    traced = fx.symbolic_trace(Arithmetic())
    ops = [quantized_function_op(node.target) for node in traced.graph.nodes if node.op == "call_function"]
    assert ops == ["add", "mul", "sub", "matmul"]
    expected = Arithmetic()(x)
    assert torch.equal(traced(x), expected)
    compiled = torch.compile(Arithmetic(), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected)
    gradients = [torch.autograd.grad(y.sum(), x)[0] for y in (compiled(x), expected)]
    torch.testing.assert_close(*gradients)


def test_functions_of_a_new_quantizer(sign_quantizer):  # noqa: F811
    config = {"name": "signonly", "data_in_level": 1, "weight_level": 1}
    x, y = torch.randn(3, 3), torch.randn(3, 3)
    function = quantized_func_map["add_signonly"]
    assert function.__name__ == "add_signonly" and quantized_function_op(function) == "add"
    assert torch.equal(function(x, y, config), x.sign() + y.sign())
    assert torch.equal(function(x, 0.3, config), x.sign() + 1)
    assert torch.equal(quantized_func_map["matmul_signonly"](x, y, config), x.sign() @ y.sign())
    assert quantized_func_map["mul_signonly"].__name__ == "mult_signonly"
    assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301
