"""A graph as boxes and arrows, without Graphviz: layers from the inputs down, as few crossings as a few sweeps find."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chop.plotting.style import GREY, axes, shortened
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from chop.ir.graph.mase_graph import MaseGraph
    from chop.ir.graph.summary import NodeRow

MOST = 400  # nodes, above which boxes cannot be read
SWEEPS = 8
WIDTH, STEP, GAP = 2.5, 2.7, 0.34  # inches: a box, from box to box, from layer to layer
FLOAT, QUANTIZED, ENDS = "#FFFFFF", "#D6E8F5", "#EEEEEE"


def graph(mg: MaseGraph, ax: Axes | None = None) -> Axes:
    """Draw a graph: a box for each node with its operation, shapes and formats; quantized ones in blue.

    Args:
        mg: any graph; shapes of results are known after ``add_common_metadata_analysis_pass``.
        ax: axes to draw in.

    Returns:
        The axes; each box is a text with the node's name in its first line.

    Raises:
        ConfigError: more than 400 nodes; matplotlib is missing.

    >>> import chop
    >>> from torch import nn
    >>> ax = graph(chop.MaseGraph(nn.Sequential(nn.Linear(4, 3), nn.ReLU())))
    >>> [text.get_text() for text in ax.texts][1]
    '_0\\nlinear 4 → 3'
    """
    from chop.ir.graph.summary import node_rows

    rows = node_rows(mg)
    if len(rows) > MOST:
        raise ConfigError(
            f"graph: {len(rows)} nodes are too many for a picture, at most {MOST}; mg.draw writes DOT"
        )
    places, routes = layout({row.name: row.inputs for row in rows})
    texts = {row.name: _text(row) for row in rows}
    heights = _layer_heights(places, texts)
    tops = [sum(heights[:level]) + level * GAP for level in range(len(heights) + 1)]
    columns = 1 + max(x for x, _ in places.values())
    drawn = axes(ax, max(3.0, columns * STEP + 0.3), tops[-1] + 0.1)
    drawn.set_axis_off()
    drawn.set_xlim(-0.56 * WIDTH, (columns - 1) * STEP + 0.56 * WIDTH)
    drawn.set_ylim(-tops[-1] + GAP - 0.05, 0.05)
    spots = {name: (x * STEP, -tops[y] - heights[y] / 2, heights[y]) for name, (x, y) in places.items()}
    for route in routes:
        _draw_edge(drawn, [spots[name] for name in route])
    for row in rows:
        _draw_box(drawn, row, texts[row.name], spots[row.name])
    return drawn


def _layer_heights(places: Mapping[str, tuple[float, int]], texts: Mapping[str, str]) -> list[float]:
    """Height of each layer in inches, by the text with the most lines."""
    lines = [1] * (1 + max(level for _, level in places.values()))
    for name, text in texts.items():
        lines[places[name][1]] = max(lines[places[name][1]], text.count("\n") + 1)
    return [0.2 * count + 0.14 for count in lines]


def _text(row: NodeRow) -> str:
    lines = [shortened(row.name, 30), f"{row.operation} {row.result}".strip()]
    if row.operation == row.name:
        lines = [f"{row.name} {row.result}".strip()]
    parts = row.formats.split(", ") if row.formats else []
    return "\n".join(
        [*lines, *([", ".join(parts[:2])] if parts else []), *([", ".join(parts[2:])] if parts[2:] else [])]
    )


def _draw_edge(ax: Axes, points: Sequence[tuple[float, float, float]]) -> None:
    from matplotlib.patches import FancyArrowPatch

    (x0, y0, height0), (x1, y1, height1) = points[0], points[-1]
    path = [(x0, y0 - height0 / 2)]
    for x, y, height in points[1:-1]:  # straight past a layer, slanted between two
        path += [(x, y + height / 2), (x, y - height / 2)]
    path.append((x1, y1 + height1 / 2))
    for k in range(len(path) - 1):
        arrow = "-|>" if k + 2 == len(path) else "-"
        ax.add_patch(
            FancyArrowPatch(
                path[k],
                path[k + 1],
                arrowstyle=arrow,
                mutation_scale=10,
                color=GREY,
                linewidth=1.1,
                shrinkA=0,
                shrinkB=0,
                zorder=1,
            )
        )


def _draw_box(ax: Axes, row: NodeRow, text: str, spot: tuple[float, float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    end = row.operation in ("placeholder", "output")
    face = QUANTIZED if row.formats else ENDS if end else FLOAT
    x, y, height = spot
    corner = (x - WIDTH / 2, y - height / 2)
    ax.add_patch(
        FancyBboxPatch(
            corner, WIDTH, height, boxstyle="round,pad=0,rounding_size=0.08", facecolor=face, edgecolor="#444444",
            linewidth=0.9, zorder=2,
        )
    )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", fontsize=8, linespacing=1.25, zorder=3)


def layout(
    inputs: Mapping[str, Sequence[str]],
) -> tuple[dict[str, tuple[float, int]], list[list[str]]]:
    """Return column and layer of each node, and the nodes and turning points of each arrow.

    A node lies one layer below the lowest of those that it reads (the longest path from an input), an arrow that
    passes layers has a turning point in each. Within a layer, places are sorted by the mean place of the
    neighbours above and below, in turn (Sugiyama, Tagawa and Toda, 1981).

    Args:
        inputs: node -> nodes that it reads, each before it.

    >>> layout({"x": [], "a": ["x"], "sum": ["a", "x"]})[0]["sum"]
    (0.5, 2)
    """
    depth: dict[str, int] = {}
    for name, sources in inputs.items():
        depth[name] = 1 + max((depth[source] for source in sources), default=-1)
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=0))]
    for name, level in depth.items():
        layers[level].append(name)
    routes = [_route(source, name, depth, layers) for name, sources in inputs.items() for source in sources]
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for route in routes:
        for upper, lower in itertools.pairwise(route):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    for sweep in range(SWEEPS):
        order, neighbours = (layers, above) if sweep % 2 == 0 else (layers[::-1], below)
        place = {name: k for layer in layers for k, name in enumerate(layer)}
        for layer in order:
            layer.sort(key=lambda name: _mean([place[n] for n in neighbours.get(name, ())], place[name]))
            place.update((name, k) for k, name in enumerate(layer))
    widest = max(map(len, layers), default=1)
    return {
        name: (k + (widest - len(layer)) / 2, level)
        for level, layer in enumerate(layers)
        for k, name in enumerate(layer)
    }, routes


def _route(source: str, name: str, depth: Mapping[str, int], layers: list[list[str]]) -> list[str]:
    route = [source]
    for level in range(depth[source] + 1, depth[name]):
        route.append(f"{source}→{name}@{level}")
        layers[level].append(route[-1])
    return [*route, name]


def _mean(numbers: Sequence[float], otherwise: Any) -> float:
    return sum(numbers) / len(numbers) if numbers else float(otherwise)
