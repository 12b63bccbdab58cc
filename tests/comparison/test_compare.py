"""compare against hooks and NumPy; special values; models stay as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import chop
from chop import MaseGraph
from chop.passes import quantize_transform_pass
from tests.evaluator.models import by_type, chain, data, integer


def recorded(graph: MaseGraph, x: torch.Tensor) -> dict[str, np.ndarray]:
    """Result of each module by node name, copied by hooks before a later layer works in place."""
    names = {str(node.target): node.name for node in graph.nodes if node.op == "call_module"}
    found: dict[str, np.ndarray] = {}
    handles = [
        module.register_forward_hook(
            lambda _m, _i, out, key=names[name]: found.__setitem__(key, out.detach().numpy().copy())
        )
        for name, module in graph.modules.items()
        if name in names
    ]
    with torch.no_grad():
        graph.model(x.clone())
    for handle in handles:
        handle.remove()
    return found


def ordered(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of the floats, neighbours one apart, both zeros 0."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def whole_model(seed: int) -> nn.Sequential:
    """Weights in quarters: float sums are exact, so that no batch size changes a bit."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(True), nn.Linear(5, 4), nn.ReLU(True), nn.Linear(4, 3)
    ).eval()
    for parameter in model.parameters():
        parameter.data = torch.randint(-9, 10, parameter.shape, generator=generator) / 4
    return model


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.sampled_from([(8, 4), (4, 1), (3, 0), (16, 8), (6, 6)]),
    st.sampled_from(["linear", "relu"]),
    st.integers(1, 50),
)
def test_equals_what_hooks_and_numpy_say(
    seed: int, rows: int, widths: tuple[int, int], op: str, batch_size: int
) -> None:
    model = whole_model(seed)
    x = torch.randint(-40, 41, (rows, 6), generator=torch.Generator().manual_seed(seed)) / 8
    a, b = MaseGraph(model), MaseGraph(model)
    quantize_transform_pass(b, by_type(**{op: integer(*widths)}))
    found = chop.compare(a, b, x, batch_size=batch_size)
    results = recorded(a, x), recorded(b, x)
    assert [row.node_a for row in found] == list(results[0])
    for row in found:
        left, right = results[0][row.node_a], results[1][row.node_b]
        distance = np.abs(left.astype(np.float64) - right)
        assert row.shape_a == left.shape and row.elements == left.size
        assert row.differing == (left != right).sum()
        assert row.max_abs == distance.max()
        if row.differing:
            assert row.largest is not None and row.first is not None
            assert distance[row.largest.index] == row.max_abs
            assert (row.largest.a, row.largest.b) == (left[row.largest.index], right[row.largest.index])
            assert row.first.index == tuple(int(i) for i in np.argwhere(left != right)[0])
            assert row.max_ulps == np.abs(ordered(left) - ordered(right)).max()
            error = (distance**2).sum()
            assert row.sqnr_db == pytest.approx(10 * np.log10((left.astype(np.float64) ** 2).sum() / error))
        else:
            assert row.sqnr_db == np.inf and row.largest is None and row.max_ulps is None
    first = next((n for n in results[0] if (results[0][n] != results[1][n]).any()), None)
    assert (found.first.node_a if found.first else None) == first
    assert found.equal is (first is None)


def test_in_units_of_the_output_grid() -> None:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 0.3)
    nn.init.constant_(layer.bias, 0.0)
    a, b = MaseGraph(nn.Sequential(layer)), MaseGraph(nn.Sequential(layer))
    quantize_transform_pass(b, by_type(linear=integer(8, 1, 8, 2, 8, 3)))
    row = chop.compare(a, b, torch.tensor([[1.0]]))["_0"]
    assert row.grid_step == 0.125  # 1/2 * 1/4, which the bias grid is as fine as
    assert row.max_abs == pytest.approx(0.05) and row.max_steps == pytest.approx(0.4)
    assert "0.4 steps of 0.125" in str(row)
    assert chop.compare(b, a, torch.tensor([[1.0]]))["_0"].grid_step == 0.125
    assert chop.compare(a, a, torch.tensor([[1.0]]))["_0"].grid_step is None


class Fixed(nn.Module):
    """Gives its buffer for each row, whatever the input is."""

    def __init__(self, values: list[Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("values", torch.tensor(values, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, :1] == 0, self.values, self.values)


def between(a: list[float], b: list[float], dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """The last row of the comparison of two fixed results."""
    return chop.compare(Fixed(a, dtype), Fixed(b, dtype), torch.zeros(2, 1), **options).rows[-1]


def test_nan_equals_nan_and_nothing_else() -> None:
    nan, inf = float("nan"), float("inf")
    assert between([nan, inf, -inf], [nan, inf, -inf]).differing == 0
    row = between([nan, 1.0, inf], [1.0, 1.0, -inf])
    assert row.differing == 4 and row.max_abs == inf and row.max_ulps == inf and row.sqnr_db == -inf
    assert row.first is not None and row.first.index == (0, 0)
    assert between([inf], [1.0], rtol=1.0, atol=1e30).differing == 2  # no tolerance reaches infinity


def test_zeros_of_both_signs() -> None:
    assert between([-0.0, 0.0], [0.0, -0.0]).differing == 0
    row = between([-0.0, 0.0], [0.0, -0.0], bitwise=True)
    assert (row.differing, row.max_abs, row.max_ulps) == (4, 0.0, None)
    assert row.largest == row.first and str(row.first) == "[0, 0]: -0.0 and 0.0"
    nan = float("nan")
    assert between([nan], [-nan], bitwise=True).differing == 0
    assert between([1.0], [1.0], bitwise=True).differing == 0


@pytest.mark.parametrize(
    ("dtype", "epsilon"), [(torch.float16, 2**-10), (torch.float32, 2**-23), (torch.float64, 2**-52)]
)
def test_ulps(dtype: torch.dtype, epsilon: float) -> None:
    assert between([1.0, 2.0], [1.0 + 3 * epsilon, 2.0], dtype).max_ulps == 3
    tiny = torch.finfo(dtype).smallest_normal * epsilon
    assert between([tiny], [-2 * tiny], dtype).max_ulps == 3


def test_ulps_of_the_whole_range_of_doubles() -> None:
    largest = torch.finfo(torch.float64).max
    assert between([largest], [-largest], torch.float64).max_ulps == 2**63 - 1


def test_tolerances() -> None:
    a, b = [1.0, 100.0], [1.5, 101.0]
    assert between(a, b, atol=0.5).differing == 2
    assert between(a, b, rtol=0.01).differing == 2
    row = between(a, b, atol=0.5, rtol=0.005)
    assert row.differing == 0 and row.max_abs == 1.0  # still told


def test_whole_numbers_are_exact() -> None:
    row = between([2**60, 5], [2**60 + 1, 5], torch.int64)
    assert row.differing == 2 and row.max_ulps is None and row.dtype_a == "int64"


def test_dtypes_and_shapes_that_differ() -> None:
    wide = chop.compare(Fixed([0.5]), Fixed([0.5], torch.float64), torch.zeros(1, 1))
    assert wide.equal and (wide.rows[-1].dtype_a, wide.rows[-1].dtype_b) == ("float32", "float64")
    assert not chop.compare(Fixed([0.5]), Fixed([0.5], torch.float64), torch.zeros(1, 1), bitwise=True).equal
    row = chop.compare(nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 4)), torch.ones(7, 2)).first
    assert row is not None and row.shape_a == (7, 3) and row.shape_b == (7, 4) and row.share == 1.0
    assert row.max_abs == float("inf") and row.largest is None and "[7, 3] / [7, 4]" in str(row)


class Parts(nn.Module):
    """Several results, two inputs, a constant and a complex number."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3) + shift)
        self.shift = shift

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> Any:
        parts = torch.chunk(x + z, 2, dim=1)
        return torch.view_as_complex(parts[1] * self.scale[0]), parts[0] + self.shift


def test_several_inputs_and_results() -> None:
    x = torch.arange(20.0).reshape(5, 4)
    found = chop.compare(Parts(0.0), Parts(0.5), (x, torch.ones(5, 4)), batch_size=2)
    rows = {row.name: row for row in found}
    assert rows["chunk[0]"].shape_a == (5, 2) and rows["chunk[1]"].differing == 0
    assert rows["scale"].shape_a == (3,) and rows["scale"].elements == 3  # seen once
    assert found.first is not None and found.first.name == "scale"
    complex_row = next(row for row in found if row.dtype_a == "complex64")
    assert complex_row.largest is not None and complex_row.largest.index == (4,)


def test_accepts_modules_graph_modules_and_graphs() -> None:
    model = chain((6, 4))
    x, _ = data(20, 6, 4)
    graph = MaseGraph(model)
    assert all(chop.compare(model, other, x).equal for other in (model, graph, graph.model))


def test_texts() -> None:
    a, b = MaseGraph(chain((6, 4))), MaseGraph(chain((6, 4)))
    quantize_transform_pass(b, by_type(linear=integer(4, 2)))
    x, _ = data(20, 6, 4)
    found = chop.compare(a, b, x)
    assert repr(found).startswith(
        "First difference of 5 matched nodes on 20 rows:\n_2: linear, Linear / LinearInteger"
    )
    assert "| _4" in repr(found) and len(found) == 5
    assert "<td>_2</td>" in found._repr_html_() and "|a - b|" in found._repr_html_()
    assert repr(chop.compare(a, a, x)).startswith("No difference: 5 matched nodes on 20 rows")
    with pytest.raises(KeyError, match="no node '_9'"):
        found["_9"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("no", nn.ReLU(), torch.ones(1, 1)), {}, "mg_a must be a MaseGraph or a module, got str"),
        ((nn.ReLU(), nn.ReLU(), [1.0]), {}, r"x must be a tensor \[rows, ...\] or a tuple"),
        ((nn.ReLU(), nn.ReLU(), torch.tensor(1.0)), {}, "x must have rows"),
        ((nn.ReLU(), nn.ReLU(), torch.ones(0, 2)), {}, "x has no rows"),
        ((nn.ReLU(), nn.ReLU(), torch.ones(1, 2)), {"batch_size": 0}, "batch_size must be a whole number"),
        (
            (nn.ReLU(), nn.ReLU(), torch.ones(1, 2)),
            {"atol": -1.0},
            "atol must be a number of 0 or more, got -1.0",
        ),
        ((nn.ReLU(), nn.ReLU(), torch.ones(1, 2)), {"bitwise": True, "rtol": 0.1}, "atol and rtol must be 0"),
        (
            (nn.ReLU(), nn.ReLU(), (torch.ones(1), torch.ones(1))),
            {},
            "the inputs input need values, but x has 2",
        ),
        (
            (Parts(0.0), Parts(0.0), torch.ones(1, 4)),
            {},
            "first graph: the inputs x, z need values, but x has 1",
        ),
        (
            (Parts(0.0), Parts(0.0), (torch.ones(1, 4), torch.ones(2, 4))),
            {},
            r"same number of rows, got \[1, 2\]",
        ),
        (
            (nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(3, 2)), torch.ones(1, 2)),
            {},
            "compare: the second graph: node _0: RuntimeError: mat1 and mat2",
        ),
    ],
)
def test_errors(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chop.compare(*arguments, **options)
