"""LUTs as a metric: estimated, from the circuit and by yosys; a front with its picture from one command."""

from __future__ import annotations

import json
import math
import shutil
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import chop
from chop.actions.search.context import SearchContext
from chop.actions.search.runners import HW_RUNNERS
from chop.cli.app import main
from chop.emit import Wanted, design_of, synthesis
from chop.emit.counting import LutCounter, luts_of_circuit
from chop.emit.estimate import LutsEstimate
from chop.emit.synthesis import synthesize_text
from chop.ir.graph.mase_graph import MaseGraph
from chop.models import get_model
from chop.tools.errors import ConfigError
from tests.export.models import Convolutions, Sequences, config, rows, trained

no_yosys = find_spec("pyosys") is None and shutil.which("yosys") is None


def evaluator(name: str = "jsc-tiny") -> chop.Evaluator:
    return chop.Evaluator(get_model(name, pretrained=True).eval(), rows(16, 16))


def runner(**options: Any) -> Any:
    made = HW_RUNNERS["luts"]
    graph = MaseGraph(get_model("jsc-tiny", pretrained=True).eval())
    asked: dict[str, dict[str, Any]] = {"luts_estimate": {}, "luts_circuit": {}}
    context = SearchContext(graph, None, row_shape=(16,), asked=asked)
    return made(context, made.Options(**options))


def test_the_runner_measures_what_is_asked_for() -> None:
    found = runner(sums="plain")(config((4, 2), (4, 2), ("linear", "relu")))
    assert set(found) == {"luts_estimate", "luts_circuit"}
    assert found["luts_estimate"] == pytest.approx(found["luts_circuit"], rel=0.5)
    assert found == runner(sums="plain")(config((4, 2), (4, 2), ("linear", "relu")))


def test_no_circuit_has_infinitely_many() -> None:
    found = runner(sums="plain")(config(ops=()))
    assert found == {"luts_estimate": math.inf, "luts_circuit": math.inf}
    with pytest.raises(ConfigError, match="models must be some of luts_estimate, luts_circuit, luts, got"):
        runner(models=["lut"])


@pytest.mark.parametrize("width", [2, 3, 4, 6, 8])
def test_wider_weights_and_data_take_more(width: int) -> None:
    estimate = LutsEstimate(evaluator("jsc-toy"))

    def luts(data: int, weight: int) -> float:
        return estimate(config((data, data - 2), (weight, weight - 1), ("linear", "relu")))

    assert luts(width, width) < luts(width + 1, width + 1)
    assert luts(width, 4) < luts(width + 2, 4)


@pytest.mark.parametrize("name", ["conv1d", "conv2d"])
def test_convolutions_pools_and_adds_have_an_estimate_too(name: str) -> None:
    if name == "conv1d":
        ev = chop.Evaluator(trained(Sequences(), rows(100, 16)), rows(10, 16))
        settings = config((4, 2), (4, 3), ("linear", "conv1d", "relu", "add"))
    else:
        images = rows(100, 2, 8, 8)
        ev = chop.Evaluator(trained(Convolutions(), images), images)
        settings = config((3, 1), (3, 2), ("linear", "conv2d", "add", "relu"))
    circuit = luts_of_circuit(design_of(ev, settings, Wanted(sums="plain")))
    assert 0.4 < LutsEstimate(ev)(settings) / circuit < 2.5  # padding is not looked at


@pytest.mark.skipif(no_yosys, reason="no yosys")
def test_yosys_counts_a_circuit_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config((2, 1), (2, 1), ("linear", "relu"))
    count = LutCounter(evaluator(), "plain", tmp_path)
    luts = count(settings)
    assert 0.4 < LutsEstimate(evaluator())(settings) / luts < 2.5
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text())["luts"] == luts and "Yosys" in json.loads(path.read_text())["yosys"]

    def again(text: str) -> Any:
        raise AssertionError("counted again")

    monkeypatch.setattr("chop.emit.counting.synthesize_text", again)
    assert count(settings) == LutCounter(evaluator(), "plain", tmp_path)(settings) == luts
    path.write_text(path.read_text().replace("-noiopad", ""))  # of another command
    with pytest.raises(AssertionError, match="counted again"):
        LutCounter(evaluator(), "plain", tmp_path)(settings)


@pytest.mark.skipif(no_yosys, reason="no yosys")
def test_circuits_together_take_what_each_takes_alone() -> None:
    texts = [
        f"module net (\n  input wire [{n - 1}:0] x,\n  output wire [{n - 1}:0] y\n);\n  assign y = x * 3;\nendmodule\n"
        for n in (5, 8)
    ]
    together = synthesis.synthesize_all(texts)
    assert together[1] == synthesize_text(texts[1])
    assert together[0].luts < together[1].luts


def test_without_yosys_or_rows_a_search_says_so_before_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesis.yosys_version.cache_clear()
    monkeypatch.setattr(synthesis, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="pip install pyosys"):
        LutCounter(evaluator(), "plain")


def test_the_front_of_accuracy_and_luts(tmp_path: Path, repo_dir: Path) -> None:
    text = (repo_dir / "configs/examples/jsc_luts_front.toml").read_text()
    path = tmp_path / "front.toml"
    path.write_text(text.replace("n_trials = 1000", "n_trials = 60").replace("10000", "1000"))
    assert tomllib.loads(path.read_text())["search"]["strategy"]["setup"]["n_trials"] == 60
    assert main(["search", "--config", str(path), "--project-dir", str(tmp_path / "out")]) == 0
    (folder,) = (tmp_path / "out").glob("*/software/search_ckpts")
    best = json.loads((folder / "best.json").read_text())
    assert len(best) >= 3
    if find_spec("matplotlib"):
        assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
