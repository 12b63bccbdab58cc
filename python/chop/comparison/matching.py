"""Which node of one graph stands for which node of another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import fx, nn

from chop.ir.graph.ops import describe_target, find_row

Named = tuple[str, str]  # name and kind of a node
Pair = tuple[int, int]


def node_kind(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    """Return the operation of a node; a quantized layer has that of its float twin.

    >>> from chop import MaseGraph
    >>> graph = MaseGraph(nn.Sequential(nn.Linear(2, 2)))
    >>> [node_kind(node, graph.modules) for node in graph.nodes]
    ['placeholder', 'linear', 'output']
    """
    if not node.op.startswith("call_"):
        return node.op
    row = find_row(node, modules)
    return row.mase_op if row is not None else describe_target(node, modules)


def match_nodes(a: Sequence[Named], b: Sequence[Named]) -> list[Pair]:
    """Pair the nodes of two graphs, given as (name, kind) in order.

    First those with the same name and kind; then, between those, what a longest common subsequence of
    kinds pairs; last, those of the same name that do something else now, where the order allows it.

    Returns:
        Pairs of positions, in the order of ``a``; no position twice.

    >>> match_nodes([("x", "relu"), ("fc", "linear")], [("norm", "norm"), ("y", "relu"), ("fc", "linear")])
    [(0, 1), (1, 2)]
    """
    places = {named: j for j, named in enumerate(b)}
    pairs = [(i, places[named]) for i, named in enumerate(a) if named in places]
    chain = _rising(pairs)
    taken = {j for _, j in pairs}
    kept = {i for i, _ in pairs}
    for (low_i, low_j), (high_i, high_j) in pairwise([(-1, -1), *chain, (len(a), len(b))]):
        mine = [i for i in range(low_i + 1, high_i) if i not in kept]
        theirs = [j for j in range(low_j + 1, high_j) if j not in taken]
        pairs += _common([(i, a[i][1]) for i in mine], [(j, b[j][1]) for j in theirs])
    chain = _rising(sorted(pairs))
    return sorted(pairs + _renewed(a, b, pairs, chain))


def _rising(pairs: Sequence[Pair]) -> list[Pair]:
    """The longest run of pairs that rises in both positions; ``pairs`` are sorted by the first."""
    ends: list[int] = []  # smallest last position of a run of each length
    at: list[int] = []
    before: list[int | None] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(at[length - 1] if length else None)
        if length == len(ends):
            ends.append(j)
            at.append(index)
        else:
            ends[length], at[length] = j, index
    found: list[Pair] = []
    step = at[-1] if at else None
    while step is not None:
        found.append(pairs[step])
        step = before[step]
    return found[::-1]


def _common(a: list[tuple[int, str]], b: list[tuple[int, str]]) -> list[Pair]:
    """Pairs of a longest common subsequence of kinds, the earliest where several are as long."""
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            same = a[i][1] == b[j][1]
            longest[i][j] = longest[i + 1][j + 1] + 1 if same else max(longest[i + 1][j], longest[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i][1] == b[j][1]:
            found.append((a[i][0], b[j][0]))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _renewed(a: Sequence[Named], b: Sequence[Named], pairs: list[Pair], chain: list[Pair]) -> list[Pair]:
    mine, theirs = {i for i, _ in pairs}, {j for _, j in pairs}
    places = {name: j for j, (name, _) in enumerate(b) if j not in theirs}
    found: list[Pair] = []
    for i, (name, _) in enumerate(a):
        if i in mine or name not in places:
            continue
        j = places[name]
        if all((i < other) == (j < there) for other, there in (*chain, *found)):
            found.append((i, j))
    return found
