"""Pictures of layers, tensors, trainings and samplers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import chop
from chop.nn.quantizers import IntegerFormat
from chop.plotting import (
    confusion_matrix,
    error_waterfall,
    graph,
    grid,
    histogram,
    learning_curves,
    regret,
    save,
    sensitivity_map,
)
from chop.plotting.drawn_graph import layout
from chop.tools.errors import ConfigError
from tests import programs


class Residual(nn.Module):
    """A path around a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x))) + x


@pytest.fixture
def evaluator() -> chop.Evaluator:
    """A residual block on 80 random rows."""
    torch.manual_seed(0)
    return chop.Evaluator(Residual(), torch.randn(80, 6), torch.randint(0, 6, (80,)))


def coarse(*nodes: str) -> dict:
    """A config by name with 5-bit formats for some nodes."""
    fields = {
        f"{operand}_{part}": n
        for operand in ("data_in", "weight", "bias")
        for part, n in (("width", 5), ("frac_width", 3))
    }
    return {
        "by": "name",
        "default": {"config": {"name": None}},
        **{node: {"config": {"name": "integer", **fields}} for node in nodes},
    }


def test_sensitivity_map_shows_every_row(evaluator: chop.Evaluator) -> None:
    found = chop.sensitivity(evaluator, formats=[(4, 2), (8, 4)])
    for value in ("delta_loss", "delta_accuracy"):
        ax = sensitivity_map(found, value)
        shown = ax.images[0].get_array()
        sides = [label.get_text() for label in ax.get_yticklabels()]
        formats = [label.get_text() for label in ax.get_xticklabels()]
        assert formats == ["4.2", "8.4"]  # signed or not, the operand tells
        for row in found.rows:
            cell = shown[
                sides.index(f"{row.node}.{row.operand}"),
                formats.index(f"{row.format.width}.{row.format.frac_width}"),
            ]
            assert cell == pytest.approx(getattr(row, value))


def test_sensitivity_map_refuses_what_was_not_measured(evaluator: chop.Evaluator) -> None:
    with pytest.raises(ConfigError, match="value must be one of delta_loss"):
        sensitivity_map(chop.sensitivity(evaluator, formats=[(8, 4)]), "harm")


def test_waterfall_adds_up_to_each_level(evaluator: chop.Evaluator) -> None:
    quantized, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(Residual()), coarse("first"))
    plain = chop.MaseGraph(quantized.model)
    float_graph = chop.MaseGraph(Residual())
    float_graph.model.load_state_dict(plain.model.state_dict(), strict=False)
    found = chop.compare(float_graph, quantized, torch.randn(50, 6))
    ax = error_waterfall(found)
    levels = [-row.sqnr_db for row in found.rows if np.isfinite(row.sqnr_db)]
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches]
    assert tops == pytest.approx(levels) and len(levels) >= 3
    assert [bar.get_y() for bar in ax.patches[1:]] == pytest.approx(levels[:-1])


def test_waterfall_without_an_error_is_refused() -> None:
    mg = chop.MaseGraph(Residual())
    with pytest.raises(ConfigError, match="no node has an error"):
        error_waterfall(chop.compare(mg, mg, torch.randn(5, 6)))


@pytest.mark.parametrize("format", [(6, 3), IntegerFormat(6, 3, False)])
def test_histogram_marks_what_saturates(format) -> None:
    values = torch.linspace(-10, 10, 4001)
    ax = histogram(values, fixed_point=format, bins=100)
    signed = not isinstance(format, IntegerFormat)
    low, high = (-4.0, 3.875) if signed else (0.0, 7.875)
    bars = [patch for patch in ax.patches if patch.get_height() > 1 and patch.get_width() < 1]
    assert sum(bar.get_height() for bar in bars) == 4001
    blue = [bar for bar in bars if bar.get_facecolor()[2] > 0.5]
    assert min(bar.get_x() for bar in blue) == pytest.approx(low, abs=0.2)
    assert max(bar.get_x() + bar.get_width() for bar in blue) == pytest.approx(high, abs=0.2)
    share = float(((values < low) | (values > high)).float().mean())
    assert f"{100 * share:.3g} % saturate" in ax.get_title()
    ticks = next(line for line in ax.lines if line.get_marker() == "|")
    assert len(ticks.get_xdata()) == 64 and np.ptp(ticks.get_xdata()) == pytest.approx(high - low)


def test_histogram_of_a_statistic() -> None:
    from chop.passes.graph.analysis.statistical_profiler import create_new_stat

    stat = create_new_stat("histogram", bins=8)
    stat.update_a_sample(torch.randn(100, generator=torch.Generator().manual_seed(0)))
    exported = stat.export()
    ax = histogram(exported)
    assert [bar.get_height() for bar in ax.patches] == exported["histogram"]["counts"]
    assert ax.patches[0].get_x() == pytest.approx(exported["histogram"]["low"])
    with pytest.raises(ConfigError, match="hold no histogram"):
        histogram({"range_min_max": {}})


def test_confusion_matrix_shares() -> None:
    ax = confusion_matrix(torch.tensor([[8, 2], [0, 0]]), ["q", "g"])
    assert ax.images[0].get_array().tolist() == [[0.8, 0.2], [0.0, 0.0]]
    assert [text.get_text() for text in ax.texts][:2] == ["80 %\n8", "20 %\n2"]
    with pytest.raises(ConfigError, match="3 names for 2 classes"):
        confusion_matrix([[1, 2], [3, 4]], ["a", "b", "c"])


def test_learning_curves_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,step,train_loss,val_loss,val_acc\n0,10,1.5,,\n0,10,,1.6,0.4\n1,20,1.1,,\n1,20,,1.2,0.6\n"
    )
    ax = learning_curves(path)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.5, 1.1], [1.6, 1.2]]
    other = next(each for each in ax.figure.axes if each is not ax)
    assert other.lines[0].get_ydata().tolist() == [0.4, 0.6]
    with pytest.raises(ConfigError, match="needs epoch and some of train_loss"):
        learning_curves({"epoch": [0], "speed": [1]})


def test_grid_means_and_deviations() -> None:
    rows = [
        {"learning_rate": r, "batch_size": b, "repeat": k, "val_acc": r * b + k, "seconds": 1.0 + k}
        for r in (0.1, 0.2) for b in (10, 20, 30) for k in (0, 2)
    ]  # fmt: skip
    ax = grid(rows)
    assert np.allclose(ax.images[0].get_array(), [[2, 3, 4], [3, 5, 7]])
    assert ax.texts[0].get_text() == "2\n± 1.4"
    line = grid([row for row in rows if row["batch_size"] == 10])
    assert line.get_xlabel() == "learning rate"
    with pytest.raises(ConfigError, match="no option has several values"):
        grid(rows[:2])


def test_grid_of_the_table_that_a_training_writes(tmp_path: Path) -> None:
    """Runs that failed, each for a reason of its own, neither become an option nor spoil the others."""
    from chop.training.grid_table import FIGURES, GridTable

    table = GridTable(tmp_path, ["learning_rate", "batch_size"], {})
    points = [
        {"learning_rate": r, "batch_size": b, "repeat": k}
        for r in (0.1, 1.0)
        for b in (8, 16)
        for k in (0, 1)
    ]
    order = [table.key(point, point["repeat"]) for point in points]
    for seed, point in enumerate(points):
        figures = {"failure": f"broken {seed}"} if seed in (1, 6) else dict.fromkeys(FIGURES, 0.1 * seed)
        table.add({**point, "seed": seed, "epochs": 3, "engine": "native", **figures}, order)
    for source in (tmp_path / "grid.csv", table.rows()):
        ax = grid(source)
        assert np.allclose(ax.images[0].get_array(), [[0.0, 0.25], [0.45, 0.7]])
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("batch size", "learning rate")


def test_learning_curves_of_the_table_that_a_training_writes(tmp_path: Path) -> None:
    from chop.training.history import History, row_of
    from chop.training.scores import Score

    nobody = torch.zeros(2, 2, dtype=torch.int64)
    history = History()
    for epoch in range(3):
        learned = Score(1.0 / (epoch + 1), 0.2 * epoch, 0.1, 9, nobody)
        checked = Score(2.0 / (epoch + 1), 0.3 * epoch, 0.1, 9, nobody)
        history.add(row_of(epoch, 10 * epoch, 0.1, learned, (9.0, 9.0), checked))
    history.write(tmp_path / "metrics.csv")
    ax = learning_curves(tmp_path / "metrics.csv")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.0, 0.5, 1 / 3], [2.0, 1.0, 2 / 3]]
    other = next(each for each in ax.figure.axes if each is not ax)
    assert np.allclose([line.get_ydata() for line in other.lines], [[0.0, 0.2, 0.4], [0.0, 0.3, 0.6]])


def test_regret_medians_and_bands() -> None:
    rows = [
        {"sampler": name, "seed": seed, "trial": trial, "seconds": trial * 0.1, "gap": (seed + 1) / trial}
        for name in ("random", "tpe") for seed in range(3) for trial in (1, 2, 3)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[(frame["trial"] == 3) & (frame["seed"] < 2), "gap"] = 0.0
    ax = regret(frame)
    assert [line.get_label() for line in ax.lines[:2]] == ["random", "tpe"]
    assert ax.lines[0].get_ydata()[:2].tolist() == [2.0, 1.0]
    floor = frame["gap"][frame["gap"] > 0].min() / 2
    assert ax.lines[0].get_ydata()[2] == pytest.approx(floor)  # zero, at the bottom
    assert any(text.get_text() == "nothing missing" for text in ax.texts)
    seconds = regret(frame, by="seconds", value="gap")
    assert seconds.lines[0].get_xdata()[[0, -1]] == pytest.approx([0.1, 0.3])


def test_a_run_that_ended_keeps_its_last_value() -> None:
    rows = [{"sampler": "a", "seed": 0, "trial": t, "best_loss": 3.0 - t} for t in (1, 2)]
    rows += [{"sampler": "b", "seed": 0, "trial": t, "best_loss": 4.0 - t} for t in (1, 2, 3, 4)]
    assert regret(rows, "best_loss").lines[0].get_ydata().tolist() == [2.0, 1.0, 1.0, 1.0]


def test_graph_boxes_and_arrows() -> None:
    mg, _ = chop.passes.quantize_transform_pass(chop.MaseGraph(Residual()), coarse("first"))
    ax = graph(mg)
    texts = {text.get_text().split("\n")[0].split(" ")[0]: text.get_text() for text in ax.texts}
    assert list(texts) == [node.name for node in mg.nodes]
    assert texts["first"] == "first\nlinear 6 → 6\ndata_in 5.3, weight 5.3\nbias 5.3"
    places, routes = layout({node.name: [n.name for n in node.all_input_nodes] for node in mg.nodes})
    around = next(route for route in routes if route[0] == "x" and route[-1] == "add")
    assert len(around) == 5  # past first, relu and second
    spots = list(places.values())
    assert len(set(spots)) == len(spots)  # nothing lies on anything else


def test_pictures_leave_no_state_and_need_no_display(tmp_path: Path) -> None:
    code = """
import sys, chop.plotting as p
assert 'matplotlib' not in sys.modules
import matplotlib
before = matplotlib.rcParams.copy()  # dict() would look the backend up, and import pyplot
p.save(p.confusion_matrix([[1, 0], [0, 1]]), sys.argv[1])
assert 'matplotlib.pyplot' not in sys.modules
assert dict.__eq__(matplotlib.rcParams, before)
"""
    path = tmp_path / "a.svg"
    programs.output(code, str(path))
    assert "<svg" in path.read_text()
    other = tmp_path / "b.svg"
    programs.output(code, str(other))
    assert path.read_bytes() == other.read_bytes()


def test_axes_of_the_caller_are_used_and_shown_as_a_picture(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    ax = figure.subplots()
    assert confusion_matrix([[1, 0], [0, 1]], ax=ax) is ax
    own = confusion_matrix([[1, 0], [0, 1]])
    assert own._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"a picture ends in \.png, \.svg, \.pdf"):
        save(own, tmp_path / "a.jpeg")
