"""MaseGraph: what is shared with the model, re-tracing, copies and drawings."""

from __future__ import annotations

import copy
import shutil
import sys

import pytest
import torch
import torch.nn.utils.prune
from torch import fx, nn

from chop.ir.graph import MaseGraph, MaseMetadata, MaseTracer
from chop.passes import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
)
from chop.passes.graph.utils import deepcopy_mase_graph
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, Chain, Functional


def test_leaves_are_shared_and_containers_are_new():
    model = Chain()
    graph = MaseGraph(model)
    assert graph.modules["seq_blocks.2"] is model.seq_blocks[2]
    assert graph.modules["seq_blocks"] is not model.seq_blocks
    assert isinstance(graph.model, fx.GraphModule) and type(graph.model).__name__ == "Chain"
    assert graph.fx_graph is graph.model.graph
    assert [node.name for node in graph.nodes] == ["x", *(f"seq_blocks_{i}" for i in range(4)), "output"]


def test_quantizing_leaves_the_users_model_and_other_graphs_alone():
    model = Chain().eval()
    first, second = MaseGraph(model), MaseGraph(model)
    quantize_transform_pass(first, {"by": "type", "default": {"config": EIGHT}})
    assert type(model.seq_blocks[2]) is nn.Linear
    assert type(second.modules["seq_blocks.2"]) is nn.Linear
    assert type(first.modules["seq_blocks.2"]).__name__ == "LinearInteger"


def test_retracing_a_quantized_graph_keeps_names_and_results():
    graph = MaseGraph(Functional().eval())
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    again = MaseGraph(graph.model)
    assert [node.name for node in again.nodes] == [node.name for node in graph.nodes]
    x = torch.randn(3, 16)
    assert torch.equal(again.model(x), graph.model(x))
    # The re-traced graph goes back to float too, though it never saw the float functions.
    quantize_transform_pass(again, {"by": "type", "default": {"config": FLOAT}})
    assert torch.equal(again.model(x), MaseGraph(Functional().eval()).model(x))
    assert torch.equal(graph.model(x), MaseGraph(graph.model).model(x))


@pytest.mark.parametrize("bad", ["jsc-tiny", None, 3, nn.Linear])
def test_only_modules(bad):
    with pytest.raises(TypeError, match=r"needs a torch\.nn\.Module"):
        MaseGraph(bad)


class Branching(nn.Module):
    def forward(self, x, double=False):
        return x * 2 if double else x.sum() + x if x.sum() > 0 else x


def test_untraceable_model_is_one_clear_error():
    with pytest.raises(ConfigError, match="cannot trace Branching"):
        MaseGraph(Branching())
    graph = MaseGraph(Branching(), cf_args={"double": True})
    assert torch.equal(graph.model(torch.ones(2), True), torch.full((2,), 2.0))


def test_custom_leaves():
    class Block(nn.Module):
        def forward(self, x):
            return x + 1

    tracer = MaseTracer(custom_leaf_layers=(Block,))
    nodes = list(tracer.trace(nn.Sequential(Block())).nodes)
    assert [node.op for node in nodes] == ["placeholder", "call_module", "output"]


def test_deepcopy_has_its_own_weights_and_metadata():
    graph = MaseGraph(Functional().eval())
    x = torch.randn(3, 16)
    init_metadata_analysis_pass(graph)
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    twin = copy.deepcopy(graph)
    assert torch.equal(twin.model(x), graph.model(x))
    for mine, its in zip(graph.nodes, twin.nodes, strict=True):
        meta = its.meta["mase"]
        assert meta is not mine.meta["mase"] and meta.node is its and meta.model is twin.model
        assert meta["common"].keys() == mine.meta["mase"]["common"].keys()
    assert twin.meta["mase"]["common"]["nodes_in"][0] in list(twin.nodes)
    quantize_transform_pass(twin, {"by": "type", "default": {"config": FLOAT}})
    node = next(node for node in twin.nodes if node.name == "fc1")
    assert type(node.meta["mase"].module) is nn.Linear
    node = next(node for node in graph.nodes if node.name == "fc1")
    assert type(node.meta["mase"].module).__name__ == "LinearInteger"
    with torch.no_grad():
        twin.modules["fc1"].weight.zero_()
    assert graph.modules["fc1"].weight.abs().sum() > 0


def test_deepcopy_keeps_values_and_computed_weights():
    model = Chain().eval()
    nn.utils.prune.l1_unstructured(model.seq_blocks[2], "weight", 0.5)
    graph = MaseGraph(model)
    x = torch.randn(3, 16)
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": x}})
    twin = deepcopy_mase_graph(graph)
    for mine, its in zip(graph.nodes, twin.nodes, strict=True):
        mine, its = (node.meta["mase"]["common"]["results"]["data_out_0"]["value"] for node in (mine, its))
        assert torch.equal(mine, its) and mine.data_ptr() != its.data_ptr()
    assert torch.equal(twin.model(x), graph.model(x))
    with torch.no_grad():
        twin.modules["seq_blocks.2"].weight_orig.zero_()
    assert not torch.equal(twin.model(x), graph.model(x))


def test_metadata_follows_a_replaced_module():
    graph = MaseGraph(Chain())
    node = list(graph.nodes)[3]
    meta = MaseMetadata(node, graph.model)
    assert type(meta.module) is nn.Linear and meta.graph is graph.fx_graph
    quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    assert type(meta.module).__name__ == "LinearInteger"
    assert MaseMetadata(next(iter(graph.nodes)), graph.model).module is None


@pytest.mark.parametrize(("name", "opening"), [("g.dot", "digraph"), ("g.mmd", "flowchart")])
def test_text_drawings(tmp_path, name, opening):
    text = MaseGraph(Chain()).draw(tmp_path / name).read_text()
    assert text.startswith(opening) and "seq_blocks_2" in text and "batch" not in text


DOT = """#!{python}
import sys
text = sys.stdin.read()
if sys.argv[1] != "-Tsvg":
    sys.exit("Format not recognized")
print("<svg>" + text.splitlines()[0] + "</svg>")
"""


@pytest.fixture
def fake_dot(tmp_path, monkeypatch):
    """A stand-in for Graphviz: reads DOT from standard input, knows the format svg."""
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(DOT.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_image_and_texts_where_graphviz_is_installed(tmp_path, fake_dot):
    assert MaseGraph(Chain()).draw(tmp_path / "out" / "g.svg") == tmp_path / "out" / "g.svg"
    assert (tmp_path / "out" / "g.svg").read_text() == "<svg>digraph mase {</svg>\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"g.svg", "g.dot", "g.mmd"}
    with pytest.raises(ConfigError, match=r"Graphviz cannot write h\.odd: Format not recognized"):
        MaseGraph(Chain()).draw(tmp_path / "h.odd")
    assert not (tmp_path / "h.dot").exists()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_image_by_graphviz_itself(tmp_path):
    text = MaseGraph(Functional()).draw(tmp_path / "g.svg").read_text()
    assert "<svg" in text and "fc1" in text


def test_texts_without_graphviz(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert MaseGraph(Chain()).draw(tmp_path / "g.svg") == tmp_path / "g.dot"
    assert (tmp_path / "g.mmd").read_text().startswith("flowchart")
    assert {path.name for path in tmp_path.iterdir()} == {"g.dot", "g.mmd"}
    assert "needs the Graphviz program 'dot'" in caplog.text
