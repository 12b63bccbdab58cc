"""Damaged, foreign and forged graph files: one error each, and nothing of them is executed."""

from __future__ import annotations

import json
import random

import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.nn.quantized.modules import LinearInteger
from chop.passes import (
    add_common_metadata_analysis_pass,
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
)
from chop.tools.checkpoint_load import read_mz_parts, save_mz
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, Chain


@pytest.fixture
def payload(tmp_path):
    graph, _ = add_common_metadata_analysis_pass(
        MaseGraph(Chain().eval()), {"dummy_in": {"x": torch.randn(1, 16)}}
    )
    graph, _ = quantize_transform_pass(graph, {"by": "type", "default": {"config": EIGHT}})
    save_mase_graph_interface_pass(graph, tmp_path / "good")
    return (tmp_path / "good" / "graph_module.mz").read_bytes()


def refused(data, tmp_path):
    path = tmp_path / "bad.mz"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_mase_graph_interface_pass(None, path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_truncated_flipped_and_foreign_files(payload, tmp_path):
    stream = random.Random(0)
    for size in [0, 1, 7, 8, 100, *(stream.randrange(len(payload)) for _ in range(60)), len(payload) - 1]:
        refused(payload[:size], tmp_path)
    for _ in range(200):
        altered = bytearray(payload)
        altered[stream.randrange(len(payload))] ^= 1 << stream.randrange(8)
        refused(bytes(altered), tmp_path)
    for foreign in (b"PK\x03\x04" + bytes(50), b"\x80\x04.", payload + b"x", b"{}"):
        refused(foreign, tmp_path)
    altered = bytearray(payload)
    altered[-1] ^= 1
    assert "the SHA-256 of its tensors does not match" in refused(bytes(altered), tmp_path)
    altered = bytearray(payload)
    altered[payload.index(b"seq_blocks_2")] ^= 1
    assert "the SHA-256 of its description does not match" in refused(bytes(altered), tmp_path)


def test_missing_files_and_weights_without_a_graph(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        load_mase_graph_interface_pass(None, tmp_path / "gone")
    save_mz(Chain(), tmp_path / "graph_module.mz")
    with pytest.raises(ConfigError, match="holds weights without a graph"):
        load_mase_graph_interface_pass(None, tmp_path)
    for call, key in (
        (save_mase_graph_interface_pass, "save_dir"),
        (load_mase_graph_interface_pass, "load_dir"),
    ):
        with pytest.raises(ConfigError, match=f"{key} must be a path, got None"):
            call(MaseGraph(Chain()), {})


def forged(tmp_path, change):
    """A file with right digests whose description was changed by hand."""
    parts = read_mz_parts(tmp_path / "good" / "graph_module.mz")
    description = json.loads(json.dumps(parts.extra["graph"]))
    change(description)
    save_mz(Chain(), tmp_path / "forged.mz", extra={"graph": description}, tensors=parts.tensors)
    return tmp_path / "forged.mz"


def node_entry(description, name):
    return next(entry for entry in description["nodes"] if entry["name"] == name)


EXECUTES = "x=__import__('pathlib').Path('executed').touch()"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: node_entry(d, "x").update(target=EXECUTES),
        lambda d: node_entry(d, "x").update(target="*" + EXECUTES),
        lambda d: node_entry(d, "seq_blocks_1").update(name=EXECUTES),
        lambda d: node_entry(d, "seq_blocks_1").update(name="lambda"),
        lambda d: node_entry(d, "seq_blocks_1").update(target='0"); print(("'),
        lambda d: node_entry(d, "seq_blocks_1").update(op="call_function", target="os.system"),
        lambda d: node_entry(d, "seq_blocks_1").update(op="call_function", target="builtins.eval"),
        lambda d: node_entry(d, "seq_blocks_1").update(op="call_method", target="__reduce_ex__"),
        lambda d: node_entry(d, "seq_blocks_1").update(op="exec"),
        lambda d: node_entry(d, "seq_blocks_1").update(
            op="call_function",
            target="builtins.getattr",
            args={"$": "tuple", "items": [{"$": "node", "name": "x"}, "__class__"]},
        ),
        lambda d: node_entry(d, "seq_blocks_1").update(
            op="call_function",
            target="builtins.getattr",
            args={"$": "tuple", "items": [{"$": "node", "name": "x"}]},
            kwargs={"name": "__class__"},
        ),
        lambda d: node_entry(d, "seq_blocks_1")["kwargs"].update({"a=1); print(": 1}),
        lambda d: node_entry(d, "seq_blocks_1").update(args={"$": "node", "name": "x"}),
        lambda d: node_entry(d, "seq_blocks_1").update(
            args={"$": "tuple", "items": [{"$": "node", "name": "y"}]}
        ),
        lambda d: d["nodes"].reverse(),
        lambda d: d["nodes"].pop(),
        lambda d: d["nodes"].append(d["nodes"][0]),
        lambda d: d["modules"]["seq_blocks.2"].update(kind="layer", name="subprocess.Popen"),
        lambda d: d["modules"]["seq_blocks.2"].update(name="os_system"),
        lambda d: d["modules"]["seq_blocks.2"]["arguments"].update(in_features=3),
        lambda d: d["modules"]["seq_blocks.2"]["arguments"].update(nonsense=3),
        lambda d: d["modules"].pop("seq_blocks.2"),
        lambda d: d["tensors"].pop("seq_blocks.2.weight"),
        lambda d: d["tensors"]["seq_blocks.2.weight"].update(parameter=False),
        lambda d: d.update(class_name="A(object): import os\nclass B"),
        lambda d: d.update(version=99),
        lambda d: d.pop("nodes"),
        lambda d: d.update(nodes=3),
        lambda d: d.update(meta={"common": {"$": "pickle", "value": "x"}}),
        lambda d: d.update(meta={"common": {"$": "type", "name": "os.system"}}),
        lambda d: d.update(meta={"common": {"$": "tensor", "from": "tensors", "name": "no"}}),
    ],
)
def test_a_forged_description_is_one_error_and_executes_nothing(payload, tmp_path, change, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = forged(tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        load_mase_graph_interface_pass(None, path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_an_unchanged_description_is_accepted(payload, tmp_path):
    graph, _ = load_mase_graph_interface_pass(None, forged(tmp_path, lambda description: None))
    assert isinstance(graph.modules["seq_blocks.2"], LinearInteger)
