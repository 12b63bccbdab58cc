"""Graphs with arguments of every kind: saved, loaded, executed the same; or refused while they are saved."""

from __future__ import annotations

import collections
import enum
import math
import operator

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import fx, nn
from torch.nn import functional as F

from chop.ir.graph import MaseGraph
from chop.ir.graph.callables import _functions, _methods
from chop.passes import load_mase_graph_interface_pass, save_mase_graph_interface_pass
from chop.tools.errors import ConfigError


def saved_and_loaded(graph, folder):
    save_mase_graph_interface_pass(graph, {"save_dir": folder})
    return load_mase_graph_interface_pass(None, {"load_dir": folder})[0]


class Calls(nn.Module):
    """Calls one function with itself, a layer's output and the input."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
        self.f = function
        self.register_buffer("index", torch.tensor([3, 1, 2]))
        self.register_buffer("mask", torch.tensor([True, False] * 4))

    def forward(self, x):
        return self.f(self, self.a(x), x)


CALLS = {
    "cat": lambda s, h, x: torch.cat([h, x], 1),
    "cat by keyword": lambda s, h, x: torch.cat(tensors=(h, x, h), dim=-1),
    "stack": lambda s, h, x: torch.stack([h, x, s.b(h)], dim=1).mean([0, 2], keepdim=True),
    "split": lambda s, h, x: h.split([3, 5], 1)[1],
    "split, unpacked": lambda s, h, x: torch.split(h, [2, 2, 4], dim=1)[-1] * 2,
    "tensor_split": lambda s, h, x: torch.tensor_split(h, (1, 3), dim=1)[2],
    "permute, a list": lambda s, h, x: h.view(-1, 2, 4).permute([0, 2, 1]).flatten(1),
    "permute, numbers": lambda s, h, x: h.view([-1, 2, 4]).permute(2, 1, 0),
    "reshape by a tuple": lambda s, h, x: h.reshape((x.shape[0], -1, 2)),
    "pad": lambda s, h, x: F.pad(h[:, 2:], [1, 1, 0, 2], mode="constant", value=-1.5),
    "sum over a list": lambda s, h, x: h.view(-1, 2, 4).sum(dim=[1, 2]),
    "einsum": lambda s, h, x: torch.einsum("bi,bj->bij", h, x),
    "None and Ellipsis": lambda s, h, x: h[..., None, 1:7:2],
    "slices of negative numbers": lambda s, h, x: h[:, -5:-1],
    "a list as index": lambda s, h, x: h[:, [0, 2, -1]],
    "a tensor as index": lambda s, h, x: h[:, s.index],
    "a mask as index": lambda s, h, x: h[:, s.mask],
    "a computed mask": lambda s, h, x: torch.where((h > 0) & ~(x > 1) | (x < -2), h, x),
    "values": lambda s, h, x: h.max(dim=1, keepdim=True).values,
    "indices": lambda s, h, x: h.gather(1, h.topk(3, dim=1).indices),
    "sort": lambda s, h, x: torch.sort(h, dim=1, descending=True)[0],
    "kthvalue": lambda s, h, x: h.kthvalue(2, 1).values,
    "median and mode": lambda s, h, x: h.median(1).values + x.mode(1).values,
    "data": lambda s, h, x: h.data,
    "T": lambda s, h, x: h.T @ x,
    "mT and shape": lambda s, h, x: x.mT.reshape(x.shape[1], x.shape[0]),
    "dtype and device": lambda s, h, x: x.double().to(h.dtype).to(h.device),
    "to a dtype": lambda s, h, x: h.to(torch.float64).to(dtype=torch.float16, copy=True),
    "memory format": lambda s, h, x: h.view(-1, 1, 2, 4).contiguous(memory_format=torch.channels_last),
    "layout": lambda s, h, x: h * torch.zeros_like(x, layout=torch.strided, dtype=torch.float32).add(1),
    "device": lambda s, h, x: torch.ones_like(h, device=torch.device("cpu")) + h,
    "new_zeros": lambda s, h, x: h.new_zeros((x.shape[0], 8)) + h.new_full([1, 8], 2.5),
    "infinities": lambda s, h, x: h.clamp(-math.inf, 0.5).masked_fill(x > 0, float("inf")),
    "nan": lambda s, h, x: torch.nan_to_num(h * float("nan"), nan=0.25),
    "a complex number": lambda s, h, x: torch.view_as_real(h * (1 - 2.5j)),
    "-0.0": lambda s, h, x: torch.copysign(h, x * -0.0),
    "True is not 1": lambda s, h, x: h.sum(1, True) + h.argmax(1, True),
    "torch.Size": lambda s, h, x: h.expand(torch.Size([3, -1, -1])),
    "a string": lambda s, h, x: F.gelu(h, approximate="tanh"),
    "rounding mode": lambda s, h, x: torch.div(h, 0.3, rounding_mode="floor"),
    "math of a size": lambda s, h, x: h / math.sqrt(x.size(1)) + math.floor(h.shape[1] / 3),
    "operators": lambda s, h, x: -h // 0.5 % 3 - (2 ** x.abs().clamp(max=2)),
    "a constant tensor": lambda s, h, x: h + torch.arange(8.0),
    "functions of a parameter": lambda s, h, x: F.linear(h, s.a.weight.T, s.b.bias),
    "index_put": lambda s, h, x: h.index_put((torch.tensor([0]),), torch.tensor(7.0)),
    "meshgrid": lambda s, h, x: torch.meshgrid(h[0], x[0], indexing="ij")[0],
    "interpolate": lambda s, h, x: F.interpolate(h[:, None], size=[5], mode="linear", align_corners=False),
    "a tuple as output": lambda s, h, x: (h, [x, {"key": h + x}], None),
    "a layer twice": lambda s, h, x: s.a(s.b(s.a(h))),
    "roll and flip": lambda s, h, x: h.roll([1, 2], [0, 1]).flip((0, 1)),
    "normalize": lambda s, h, x: F.normalize(h, p=1.0, dim=(0, 1)) + torch.norm(x, p="fro"),
    "unflatten": lambda s, h, x: torch.unflatten(h, 1, (2, -1)),
    "range of a slice": lambda s, h, x: h[:, slice(None, x.shape[1] - 2)],
}


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return (
        [value] if not isinstance(value, (list, tuple, dict)) else [t for part in parts for t in flat(part)]
    )


def same(a, b):
    if not isinstance(a, torch.Tensor):
        return a == b
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


@pytest.mark.parametrize("name", CALLS)
def test_what_is_saved_computes_the_same(name, tmp_path):
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    graph = MaseGraph(Calls(CALLS[name]).eval())
    want = graph.model(x)
    got = saved_and_loaded(graph, tmp_path).model(x)
    assert type(got) is type(want)
    assert all(same(a, b) for a, b in zip(flat(want), flat(got), strict=True))


CONSTANTS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(['"\\', "\0", "\ud800", '\\"sha256\\": \\"', "$", "__metadata__", "node"])
    | st.sampled_from([torch.float32, torch.int8, torch.bfloat16, torch.complex64])
    | st.sampled_from([torch.channels_last, torch.contiguous_format, torch.strided, torch.sparse_coo])
    | st.sampled_from([torch.device("cpu"), torch.device("cuda:1"), torch.device("meta")])
    | st.sampled_from([..., torch.Size([1, 2]), torch.Size([]), range(1, 9, 2)])
)
X = object()  # stands for the input's node
LEAVES = CONSTANTS | st.just(X)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.just("$"), inner, max_size=3)
        | st.tuples(inner, inner, inner).map(lambda ends: slice(*ends))
    ),
    max_leaves=8,
)
TARGETS = st.one_of(
    st.sampled_from(sorted(_functions())).map(lambda name: ("call_function", _functions()[name])),
    st.sampled_from(sorted(_methods())).map(lambda name: ("call_method", name)),
    st.sampled_from([operator.getitem, F.pad, torch.cat]).map(lambda f: ("call_function", f)),
)
NAMES = st.sampled_from(["dim", "input", "a", "mode", "self_", "kwargs", "args"])


def told(value):
    """A value as text, with the kinds that text does not tell."""
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return ("list" if isinstance(value, list) else "tuple", [told(item) for item in value])
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, slice):
        return ("slice", told(value.start), told(value.stop), told(value.step))
    return f"{type(value).__name__} {value!r}"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(TARGETS, st.lists(TREES, max_size=2), st.dictionaries(NAMES, TREES, max_size=1)), max_size=3
    )
)
def test_any_argument_of_any_known_call_comes_back(tmp_path_factory, calls):
    graph = fx.Graph()
    x = graph.placeholder("x")

    def filled(tree):
        if isinstance(tree, (list, tuple)) and not isinstance(tree, torch.Size):
            return type(tree)(filled(item) for item in tree)
        if isinstance(tree, dict):
            return {key: filled(item) for key, item in tree.items()}
        if isinstance(tree, slice):
            return slice(filled(tree.start), filled(tree.stop), filled(tree.step))
        return x if tree is X else tree

    for (op, target), args, kwargs in calls:
        graph.create_node(op, target, (x, *map(filled, args)), filled(kwargs))
    graph.output(x)
    try:
        made = MaseGraph.from_graph_module(fx.GraphModule(nn.Module(), graph))
    except IndexError:  # an operator without its operands
        assume(False)
    again = saved_and_loaded(made, tmp_path_factory.mktemp("saved"))
    for node, its in zip(made.nodes, again.nodes, strict=True):
        assert (node.op, node.target, node.name) == (its.op, its.target, its.name)
        assert told(node.args) == told(its.args) and told(node.kwargs) == told(its.kwargs)


class Colour(enum.Enum):
    RED = 1


Pair = collections.namedtuple("Pair", "first second")


def own(x):
    return x + 1


def with_node(op, target, *args):
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.create_node(op, target, (x, *args), {}, "odd"))
    return MaseGraph.from_graph_module(fx.GraphModule(nn.Module(), graph))


@pytest.mark.parametrize(
    ("op", "target", "args"),
    [
        ("call_function", own, ()),
        ("call_function", print, ()),
        ("call_function", torch.special.i1e, ()),
        ("call_function", torch.load, ()),
        ("call_function", torch.from_file, ()),
        ("call_method", "apply_", (None,)),
        ("call_method", "register_hook", ()),
        ("call_method", "__reduce_ex__", (2,)),
        ("call_method", "untyped_storage", ()),
        ("call_method", "no_such_method", ()),
        ("call_function", getattr, ("__class__",)),
        ("call_function", getattr, ("grad_fn",)),
        ("call_function", getattr, ("_data",)),
        ("call_function", torch.add, (Colour.RED,)),
        ("call_function", torch.add, ([1, {"a": (Pair(1, 2),)}],)),
    ],
)
def test_what_no_file_can_hold_is_refused_while_saving(op, target, args, tmp_path):
    with pytest.raises(ConfigError, match="odd") as caught:
        save_mase_graph_interface_pass(with_node(op, target, *args), tmp_path)
    assert not list(tmp_path.iterdir()) and "\n" not in str(caught.value)


class Holds(nn.Module):
    def __init__(self, tensor):
        super().__init__()
        self.register_buffer("held", tensor)

    def forward(self, x):
        return x * self.held


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, dtype=torch.complex128),
        torch.ones(2).to_sparse(),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        torch.ones(2, device="meta"),
    ],
)
def test_tensors_that_no_file_can_hold_are_named(tensor, tmp_path):
    with pytest.raises(ConfigError, match="tensor held cannot be saved"):
        save_mase_graph_interface_pass(MaseGraph(Holds(tensor)), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([1 + 2j, float("nan") + 0j], dtype=torch.complex64),
        torch.tensor([1 + 2j]).conj(),
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor([float("nan"), -0.0, float("inf")]),
        torch.tensor(3, dtype=torch.uint16),
        torch.zeros(0, 3),
        torch.ones(2).to(torch.float8_e4m3fn),
        torch.ones(2, requires_grad=True),
    ],
)
def test_tensors_of_every_kind_come_back(tensor, tmp_path):
    held = saved_and_loaded(MaseGraph(Holds(tensor)), tmp_path).model.held
    assert held.dtype == tensor.dtype and held.requires_grad == tensor.requires_grad
    assert repr(held.tolist()) == repr(tensor.tolist())
