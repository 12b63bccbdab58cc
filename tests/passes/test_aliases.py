"""Old deep import paths give the real modules."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

import chop.passes  # noqa: F401  installs the finder
from chop._aliases import ALIASES, install
from chop.nn.quantizers import integer
from tests import programs

QUANTIZE = "chop.passes.graph.transforms.quantize"


@pytest.mark.parametrize(("old", "real"), [item for item in ALIASES.items() if "plt_wrapper" not in item[0]])
def test_identity(old, real):
    assert importlib.import_module(old) is importlib.import_module(real)
    assert importlib.import_module(real).__spec__.name == real


def test_names_that_the_labs_import():
    from chop.passes.graph.transforms.quantize.quantized_funcs import add_integer, matmul_integer
    from chop.passes.graph.transforms.quantize.quantized_funcs.mult import mult_integer
    from chop.passes.graph.transforms.quantize.quantized_modules import LinearInteger, ReLUInteger
    from chop.passes.graph.transforms.quantize.quantized_modules.conv1d import Conv1dInteger
    from chop.passes.graph.transforms.quantize.quantized_modules.linear import LinearInteger as Again
    from chop.passes.graph.transforms.quantize.quantizers import integer_quantizer, quantizer_map
    from chop.passes.graph.transforms.quantize.quantizers.integer import IntegerQuantize, integer_fraction
    from chop.passes.graph.transforms.quantize.summary import graph_iterator_compare_nodes

    assert LinearInteger is Again and IntegerQuantize is integer.IntegerQuantize
    assert quantizer_map["integer"] is integer_quantizer
    assert Conv1dInteger.mase_op == "conv1d" and callable(matmul_integer)
    assert [f.__name__ for f in (add_integer, mult_integer)] == ["add_integer", "mult_integer"]
    assert (
        callable(integer_fraction)
        and callable(graph_iterator_compare_nodes)
        and ReLUInteger.mase_op == "relu"
    )


def test_old_pickles_load():
    old = b"c" + f"{QUANTIZE}.quantizers.integer".encode() + b"\nIntegerQuantize\n."
    assert pickle.loads(old) is integer.IntegerQuantize  # noqa: S301


def test_reload_and_unknown_names():
    module = importlib.import_module(f"{QUANTIZE}.quantized_funcs.relu")
    function = module.relu_integer
    try:
        assert importlib.reload(module) is module
    finally:
        module.relu_integer = function  # other tests compare the function by identity
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{QUANTIZE}.quantizers.nothing")
    before = list(sys.meta_path)
    install()
    assert sys.meta_path == before


def test_light_import_and_aliases_in_a_fresh_process():
    code = (
        f"import sys, {QUANTIZE}.quantizers.integer as m, chop.nn.quantizers.integer as r; assert m is r\n"
        "heavy = {'pandas', 'optuna', 'lightning', 'matplotlib', 'h5py', 'tabulate', 'torch._dynamo'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    programs.output(code)
