"""The transform action: metadata, passes in order, and what is saved."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from chop.actions.pass_steps import STEPS, check_tables
from chop.actions.transform import load_transformed, transform
from chop.dataset import MaseDataModule
from chop.models import get_model
from chop.nn.quantized.modules import LinearInteger
from chop.passes import PASSES
from chop.tools.config_load import load_config
from chop.tools.errors import ConfigError

EIGHT = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 4,
    "weight_frac_width": 2,
    "bias_width": 8,
    "bias_frac_width": 4,
}
QUANTIZE = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": EIGHT}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("data") / "d.npz"
    np.savez(path, x=rng.normal(size=(100, 16)).astype(np.float32), y=rng.integers(0, 5, 100))
    return MaseDataModule(str(path), batch_size=16)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = get_model("jsc-tiny").eval()
    x = torch.randn(64, 16)
    model.train()(x)  # batch norm with statistics of its own
    return model.eval()


def _run(model, data, passes, folder, **rest):
    return transform(model, None, data, "classification", {"passes": passes}, folder, **rest)


def test_files_and_the_quantized_model_that_comes_back(model, data, tmp_path):
    passes = {"quantize": QUANTIZE}
    before = copy.deepcopy(passes)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    graph = _run(model, data, passes, tmp_path)
    assert passes == before
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "quantize/quantize_table.csv",
        "quantize/quantize_histogram.csv",
        "transformed_ckpt/graph_module.mz",
        "transformed_ckpt/state_dict.pt",
        "transformed_ckpt/node_meta_param.toml",
    }
    x = torch.randn(8, 16)
    expected = graph.model(x)
    assert not torch.equal(expected, model(x))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    again = load_transformed(
        tmp_path / "transformed_ckpt/graph_module.mz", "mz", get_model("jsc-tiny")
    ).eval()
    assert any(isinstance(module, LinearInteger) for module in again.modules())
    assert torch.equal(again(x), expected)
    state = torch.load(tmp_path / "transformed_ckpt/state_dict.pt", weights_only=True)
    assert state.keys() == weights.keys()
    meta = load_config(tmp_path / "transformed_ckpt/node_meta_param.toml")
    assert meta["seq_blocks_2"]["common"]["args"]["weight"]["precision"] == [4, 2]


def test_a_transformed_model_can_be_transformed(model, data, tmp_path):
    _run(model, data, {"quantize": QUANTIZE}, tmp_path / "one")
    linear = {**EIGHT, "weight_width": 3, "weight_frac_width": 1}
    narrower = {"by": "name", "default": {"config": {"name": None}}, "seq_blocks_2": {"config": linear}}
    graph = _run(
        get_model("jsc-tiny"),
        data,
        {"quantize": narrower},
        tmp_path / "two",
        load_name=str(tmp_path / "one/transformed_ckpt/graph_module.mz"),
    )
    assert graph.modules["seq_blocks.2"].config["weight_width"] == 3
    direct = _run(model, data, {"quantize": narrower}, tmp_path / "three")
    x = torch.randn(8, 16)
    assert torch.equal(graph.model(x), direct.model(x))


def test_batch_norm_statistics_do_not_move(model, data, tmp_path):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _run(model.train(), data, {"report_node_type": {}}, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_every_report_through_the_action(model, data, tmp_path, caplog):
    metadata = ["init_metadata", "add_common_metadata", "add_software_metadata"]
    reports = ["report_graph", "report_node_type", "report_node_shape", "report_node_meta_param"]
    rest = ["quantize", "summarize_quantization", "calculate_avg_bits_mg", "save_node_meta_param"]
    names = [*metadata, *reports, *rest]
    with caplog.at_level("INFO", logger="chop"):
        _run(model, data, {name: QUANTIZE if name == "quantize" else {} for name in names}, tmp_path)
    run = [record.args[0] for record in caplog.records if record.msg == "Running pass %s"]
    assert run == names
    assert (tmp_path / "report_graph.txt").is_file()
    assert (tmp_path / "report").is_file()
    assert any("w_avg_bit" in record.getMessage() for record in caplog.records)


def test_every_interface_pass_through_the_action_in_file_order(model, data, tmp_path, caplog):
    saved, meta = tmp_path / "mine", tmp_path / "meta.toml"
    narrow = {**QUANTIZE, "linear": {"config": {**EIGHT, "weight_frac_width": 0}}}
    passes = {
        "quantize": QUANTIZE,
        "verify_common_metadata": {},
        "save_mase_graph": {"save_dir": str(saved)},
        "save_node_meta_param": {"save_path": str(meta)},
        "load_mase_graph": {"load_dir": str(saved)},  # both files are made by this very run
        "load_node_meta_param": {"load_path": str(meta)},
        "report_graph": {},
    }
    with caplog.at_level("INFO", logger="chop"):
        graph = _run(model, data, passes, tmp_path / "one")
    assert [r.args[0] for r in caplog.records if r.msg == "Running pass %s"] == list(passes)
    x = torch.randn(8, 16)
    assert isinstance(graph.modules["seq_blocks.2"], LinearInteger)
    assert graph.modules["seq_blocks.2"].config == EIGHT
    # A later run starts from the saved graph, whatever its own model's weights are.
    torch.manual_seed(7)
    other = get_model("jsc-tiny").eval()
    again = _run(other, data, {"load_mase_graph": {"load_dir": str(saved)}}, tmp_path / "two")
    assert torch.equal(again.model(x), graph.model(x))
    changed = _run(
        other, data, {"load_mase_graph": {"load_dir": str(saved)}, "quantize": narrow}, tmp_path / "three"
    )
    assert not torch.equal(changed.model(x), graph.model(x))
    defaults = _run(model, data, {"save_mase_graph": {}, "save_node_meta_param": {}}, tmp_path / "four")
    assert (tmp_path / "four" / "saved_mase_graph" / "graph_module.mz").is_file()
    assert (tmp_path / "four" / "saved_node_meta_param").is_file() and defaults is not None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"load_dir must be a folder or a \.mz file|does not exist"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "truncated or altered"),
        (lambda path: path.write_bytes(b"hello"), r"not a chop \.mz file"),
    ],
)
def test_a_damaged_graph_stops_the_run_before_anything_is_written(model, data, tmp_path, damage, message):
    _run(model, data, {"save_mase_graph": {"save_dir": str(tmp_path / "saved")}}, tmp_path / "one")
    damage(tmp_path / "saved" / "graph_module.mz")
    passes = {"report_graph": {}, "load_mase_graph": {"load_dir": str(tmp_path / "saved")}}
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        _run(model, data, passes, tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_paths_given_are_kept(model, data, tmp_path):
    target = tmp_path / "mine" / "graph.txt"
    _run(model, data, {"report_graph": {"file_name": str(target)}}, tmp_path / "out")
    assert target.is_file()
    assert not (tmp_path / "out" / "report_graph.txt").exists()


def test_input_of_another_name(data, tmp_path):
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 5)

        def forward(self, jets):
            return self.fc(jets)

    graph = _run(Mine(), data, {"quantize": QUANTIZE}, tmp_path)
    assert isinstance(graph.modules["fc"], LinearInteger)


def test_validate_only_writes_nothing(model, data, tmp_path):
    _run(model, data, {"quantize": QUANTIZE, "report_graph": {}}, tmp_path, validate_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passes", [{}, None])
def test_no_passes(model, data, tmp_path, passes):
    with pytest.raises(ConfigError, match=r"passes: transform needs at least one table \[passes.NAME\]"):
        _run(model, data, passes, tmp_path)


def test_a_bad_pass_stops_before_an_earlier_one_has_written(model, data, tmp_path):
    bad = {**QUANTIZE, "liner": {"config": EIGHT}}
    with pytest.raises(ConfigError, match="did you mean 'linear'"):
        _run(model, data, {"report_graph": {}, "quantize": bad}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("profile_statistics", {"by": "type", "target_weight_nodes": ["lineer"]}, "did you mean 'linear'"),
        ("profile_statistics", {"weight_statistics": {"variance": {}}}, "statistic 'variance' is not known"),
        ("add_flops_bitops", {"definition": "aritmetic"}, "did you mean 'arithmetic'"),
        ("add_flops_bitops", {"batch": "8"}, "batch must be a whole number, got '8'"),
    ],
)
def test_arguments_of_analysis_passes_are_checked_before_anything_is_written(
    model, data, tmp_path, name, arguments, message
):
    with pytest.raises(ValueError, match=message):
        _run(model, data, {"report_graph": {}, name: arguments}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_operations_are_logged_with_their_definition(model, data, tmp_path, caplog):
    with caplog.at_level("INFO", "chop"):
        _run(model, data, {"quantize": QUANTIZE, "add_flops_bitops": {"definition": "with_bias"}}, tmp_path)
    assert "flops_with_bias: 1360 FLOPs at batch 16: as 'flops', plus one per output" in caplog.text
    assert "bitops_with_bias: 54400 BitOPs at batch 16" in caplog.text


def test_config_by_path(model, data, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('[passes.quantize]\nby = "type"\n[passes.quantize.default.config]\nname = "NA"\n')
    graph = transform(model, None, data, "cls", path, tmp_path / "out")
    assert not any(isinstance(module, LinearInteger) for module in graph.model.modules())


def test_every_pass_of_ours_has_a_step():
    ours = {name for name, function in PASSES.items() if function.__module__.startswith("chop.")}
    assert set(STEPS) == ours


def test_check_tables_names_file_and_key():
    with pytest.raises(
        ConfigError, match=r"^a\.toml: passes\.quantize\.linear: unknown key 'confg' \(did you mean"
    ):
        check_tables({"quantize": {"by": "type", "linear": {"confg": {}}}}, "a.toml: ")
    with pytest.raises(ConfigError, match=r"passes\.quantize\.linear\.config must be a table, got 3"):
        check_tables({"quantize": {"by": "type", "linear": {"config": 3}}})
    with pytest.raises(ConfigError, match=r"passes\.init_metadata: unknown key 'x'; allowed: none"):
        check_tables({"init_metadata": {"x": 1}})


def test_a_pass_of_the_users_own_needs_no_step(model, data, tmp_path):
    from chop.passes.graph import register_pass

    seen = []

    @register_pass("count_nodes_of_mine", "analysis")
    def count(graph, pass_args):
        seen.append(pass_args)
        return graph, {"nodes": len(list(graph.nodes))}

    try:
        _run(model, data, {"count_nodes_of_mine": {"deep": True}}, tmp_path)
    finally:
        del PASSES["count_nodes_of_mine"]
    assert seen == [{"deep": True}]
    assert Path(tmp_path / "transformed_ckpt" / "state_dict.pt").is_file()
