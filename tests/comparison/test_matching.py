"""Which nodes are paired: names first, then the order of operations."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import chop
from chop import MaseGraph
from chop.comparison.matching import match_nodes
from chop.passes import quantize_transform_pass
from tests.evaluator.models import by_type, integer


def lcs_length(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """By the definition, plain recursion."""

    @cache
    def length(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        both = length(i + 1, j + 1) + 1 if a[i] == b[j] else 0
        return max(both, length(i + 1, j), length(i, j + 1))

    return length(0, 0)


kinds = st.lists(st.sampled_from("lrb"), max_size=9)


@given(kinds, kinds)
def test_renamed_nodes_are_a_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    pairs = match_nodes([(f"a{i}", k) for i, k in enumerate(a)], [(f"b{i}", k) for i, k in enumerate(b)])
    assert len(pairs) == lcs_length(tuple(a), tuple(b))
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in pairwise(pairs))


named = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("lrb")), max_size=6, unique_by=lambda n: n[0]
)


@given(named, named)
def test_same_name_and_operation_are_always_paired(
    a: list[tuple[str, str]], b: list[tuple[str, str]]
) -> None:
    pairs = match_nodes(a, b)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert {a[i] for i, _ in pairs} >= set(a) & set(b)
    # Whoever has another name and another operation is nobody's partner.
    assert all(a[i][0] == b[j][0] or a[i][1] == b[j][1] for i, j in pairs)


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ("x:relu", "x:gelu", [(0, 0)]),  # the same place, another activation
        ("p:l q:r s:l", "p:l n:b q:r s:l", [(0, 0), (1, 2), (2, 3)]),
        ("p:l q:r s:l", "a:b u:l v:r w:l", [(0, 1), (1, 2), (2, 3)]),
        ("p:l q:r", "q:r p:l", [(0, 1), (1, 0)]),  # parallel branches in another order
        ("", "p:l", []),
    ],
)
def test_cases(a: str, b: str, pairs: list[tuple[int, int]]) -> None:
    read = [[(p.split(":")[0], p.split(":")[1]) for p in text.split()] for text in (a, b)]
    assert match_nodes(*read) == pairs


def test_a_quantized_layer_matches_its_float_twin_under_another_name() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(F.relu(self.first(x)))

    own = Own()
    graph = MaseGraph(nn.Sequential(own.first, nn.Identity(), nn.ReLU(), own.second))
    quantize_transform_pass(graph, by_type(linear=integer(8, 4), relu=integer(8, 4)))
    found = chop.compare(own, graph, torch.randn(5, 4))
    assert [(row.node_a, row.node_b) for row in found] == [("first", "_0"), ("relu", "_2"), ("second", "_3")]
    assert found.only_in_a == () and found.only_in_b == ("_1",)
    assert found.first is not None and found.first.node_a == "first"
    assert "Only in the second graph: _1" in repr(found)
    assert found["relu"] is found["_2"]
