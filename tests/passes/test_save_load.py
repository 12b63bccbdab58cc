"""A graph in files and back: the same in everything, and nothing but data is ever read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from chop.ir.graph import MaseGraph
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    load_mase_graph_interface_pass,
    load_node_meta_param_interface_pass,
    metadata_value_type_cast_transform_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
    save_node_meta_param_interface_pass,
    verify_common_metadata_analysis_pass,
)
from chop.tools.checkpoint_load import load_model, read_mz_parts
from chop.tools.errors import ConfigError
from tests import programs
from tests.ir.models import EIGHT, FLOAT, Chain, Functional, Reshaping, Shared

MODELS = (Chain, Functional, Reshaping, Shared)
WRAPPING = {**EIGHT, "data_in_frac_width": 6, "data_in_rounding": "floor", "data_in_overflow": "wrap"}
WRAPPING |= {"weight_rounding": "half_up", "bias_overflow": "wrap"}


def by_type(config):
    return {"by": "type", "default": {"config": config}}


def sample(kind, rows=3):
    return torch.randn(rows, 4 if kind is Shared else 16, generator=torch.Generator().manual_seed(0))


def analysed(model, x):
    graph, _ = add_common_metadata_analysis_pass(MaseGraph(model), {"dummy_in": {"x": x}})
    return add_software_metadata_analysis_pass(graph, None)[0]


def saved_and_loaded(graph, folder, donor=None):
    returned, info = save_mase_graph_interface_pass(graph, {"save_dir": folder})
    assert returned is graph and info == {}
    again, info = load_mase_graph_interface_pass(donor, {"load_dir": folder})
    assert info == {}
    return again


def comparable(value):
    """Metadata with tensors as lists and nodes as names, so that == compares everything."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(comparable(item) for item in value)
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return type(value).__name__, str(value.dtype), value.tolist()
    return value.name if isinstance(value, torch.fx.Node) else value


def same(graph, other):
    assert str(graph.fx_graph) == str(other.fx_graph)
    assert type(graph.model).__name__ == type(other.model).__name__
    mine, its = graph.modules, other.modules
    assert {name: repr(m) for name, m in mine.items() if name} == {n: repr(m) for n, m in its.items() if n}
    assert {name: module.training for name, module in mine.items()} == {n: m.training for n, m in its.items()}
    assert list(graph.model.state_dict()) == list(other.model.state_dict())
    for name, tensor in graph.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name])
    for a, b in zip(graph.nodes, other.nodes, strict=True):
        assert comparable(a.meta["mase"].parameters) == comparable(b.meta["mase"].parameters)
        assert b.meta["mase"].node is b and b.meta["mase"].model is other.model
    assert comparable(graph.meta["mase"].parameters) == comparable(other.meta["mase"].parameters)


@pytest.mark.parametrize("quantized", [None, EIGHT, WRAPPING])
@pytest.mark.parametrize("kind", MODELS)
def test_structure_layers_metadata_and_outputs(kind, quantized, tmp_path):
    x = sample(kind)
    graph = analysed(kind().eval(), x)
    if quantized:
        quantize_transform_pass(graph, by_type(quantized))
    state = torch.random.get_rng_state()
    again = saved_and_loaded(graph, tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    same(graph, again)
    assert torch.equal(again.model(x), graph.model(x))
    verify_common_metadata_analysis_pass(again)
    assert {path.name for path in tmp_path.iterdir()} == {
        "graph_module.mz",
        "state_dict.pt",
        "node_meta_param.toml",
    }
    # What was loaded is a graph like any other: it goes back to float, is traced and analysed again.
    quantize_transform_pass(again, by_type(FLOAT))
    assert torch.equal(again.model(x), kind().eval()(x))
    assert [node.target for node in again.nodes] == [node.target for node in MaseGraph(kind()).nodes]
    add_common_metadata_analysis_pass(MaseGraph(again.model), {"dummy_in": {"x": x}})


def test_a_fresh_process_reads_it_without_the_model(tmp_path):
    x = sample(Functional)
    graph, _ = quantize_transform_pass(MaseGraph(Functional().eval()), by_type(EIGHT))
    save_mase_graph_interface_pass(graph, str(tmp_path))
    torch.save({"x": x, "y": graph.model(x)}, tmp_path / "xy.pt")
    code = (
        "import sys, torch; from pathlib import Path; folder = Path(sys.argv[1])\n"
        "from chop.passes import load_mase_graph_interface_pass\n"
        "graph, _ = load_mase_graph_interface_pass(None, folder)\n"
        "xy = torch.load(folder / 'xy.pt', weights_only=True)\n"
        "assert torch.equal(graph.model(xy['x']), xy['y'])"
    )
    programs.output(code, str(tmp_path))


def test_training_goes_on_with_gradients_modes_and_ties(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.drop = nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Dropout(0.9)
            self.b.weight = self.a.weight
            self.scale = nn.Parameter(torch.ones(4), requires_grad=False)
            self.register_buffer("shift", torch.ones(4), persistent=False)

        def forward(self, x):
            return self.drop(self.b(torch.relu(self.a(x))) * self.scale + self.shift)

    model = Tied().train()
    model.drop.eval()
    graph = MaseGraph(model)
    again = saved_and_loaded(graph, tmp_path)
    assert not (tmp_path / "node_meta_param.toml").exists(), "no metadata, no such file"
    assert again.modules["a"].weight is again.modules["b"].weight
    assert again.model.training and not again.modules["drop"].training
    grads = {name: parameter.requires_grad for name, parameter in again.model.named_parameters()}
    assert grads == {"scale": False, "a.weight": True, "a.bias": True}
    assert list(again.model.state_dict()) == list(graph.model.state_dict())
    assert torch.equal(again.model.shift, torch.ones(4))
    x = torch.randn(2, 4)
    again.model(x).sum().backward()
    graph.model(x).sum().backward()
    assert torch.equal(again.modules["a"].weight.grad, graph.modules["a"].weight.grad)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes_and_fixed_arguments(dtype, tmp_path):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, x, double=False):
            return self.fc(x) * 2 if double else x

    again = saved_and_loaded(MaseGraph(Fixed().to(dtype), cf_args={"double": True}), tmp_path)
    assert again.cf_args == {"double": True} and again.modules["fc"].weight.dtype == dtype
    x = torch.ones(1, 2, dtype=dtype)
    add_common_metadata_analysis_pass(again, {"dummy_in": {"x": x}})


def test_values_of_every_kind_come_back(tmp_path):
    graph = analysed(Chain().eval(), sample(Chain))
    metadata_value_type_cast_transform_pass(graph, {"fn": lambda v: v.numpy() if torch.is_tensor(v) else v})
    mine = {
        "array": np.arange(6.0).reshape(2, 3).T,
        "number": np.float32(0.1),
        "tensor": torch.tensor([1, 2], dtype=torch.int8),
        "nothing": None,
        "nan": float("nan"),
        "nested": [(1, 2.5), {"$": "tricky"}, {3: "three"}, torch.Size([1, 2]), slice(1, None), ...],
        "kinds": [torch.float16, int, torch.Size, 1 + 2j, torch.device("cpu"), True, "text"],
    }
    next(iter(graph.nodes)).meta["mase"]["software"]["mine"] = mine
    again = saved_and_loaded(graph, tmp_path)
    found = next(iter(again.nodes)).meta["mase"]["software"].pop("mine")
    assert repr(found) == repr(mine)
    del next(iter(graph.nodes)).meta["mase"]["software"]["mine"]
    same(graph, again)


def test_weights_in_metadata_are_the_weights_themselves(tmp_path):
    again = saved_and_loaded(analysed(Chain().eval(), sample(Chain)), tmp_path)
    node = next(node for node in again.nodes if node.name == "seq_blocks_2")
    value = node.meta["mase"]["common"]["args"]["weight"]["value"]
    assert value.data_ptr() == again.modules["seq_blocks.2"].weight.data_ptr()
    kept = read_mz_parts(tmp_path / "graph_module.mz").tensors
    assert sum(tensor.numel() for tensor in kept.values()) < 500, "activations once each, weights never"


def test_what_no_file_can_hold_is_named(tmp_path):
    graph = analysed(Chain().eval(), sample(Chain))
    next(iter(graph.nodes)).meta["mase"]["software"]["mine"] = {"f": print}
    with pytest.raises(
        ConfigError, match=r"node x: metadata software\.mine\.f: a value of type builtin_function"
    ):
        save_mase_graph_interface_pass(graph, tmp_path)
    assert not list(tmp_path.iterdir())


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16)
        self.register_buffer("shift", torch.randn(16), persistent=False)

    def forward(self, x):
        return self.fc(x) + self.shift if x.sum() > 0 else x


def own_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(Own(), nn.Linear(16, 5)).eval()


def test_layers_of_the_users_own_come_from_the_graph_at_hand(tmp_path):
    graph = MaseGraph(own_model(0), leaf_modules=(Own,))
    donor = MaseGraph(own_model(1), leaf_modules=(Own,))
    before = donor.modules["0"].fc.weight.clone()
    again = saved_and_loaded(graph, tmp_path, donor)
    x = torch.ones(2, 16)
    assert torch.equal(again.model(x), graph.model(x))
    assert torch.equal(donor.modules["0"].fc.weight, before), "the donor gives a copy"
    for bad in (None, MaseGraph(Chain())):
        with pytest.raises(ConfigError, match=r"module 0 is of the class .*Own, which a file cannot hold"):
            load_mase_graph_interface_pass(bad, tmp_path)


def test_pruned_and_hooked_layers_are_the_users_own(tmp_path):
    from torch.nn.utils import prune

    def model():
        made = Chain().eval()
        prune.l1_unstructured(made.seq_blocks[2], "weight", 0.5)
        return made

    graph = MaseGraph(model())
    again = saved_and_loaded(graph, tmp_path, MaseGraph(model()))
    assert torch.equal(again.model(sample(Chain)), graph.model(sample(Chain)))
    with pytest.raises(ConfigError, match="a file cannot hold"):
        load_mase_graph_interface_pass(None, tmp_path)


def test_functions_that_the_table_lacks(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.i1e(x)

    with pytest.raises(ConfigError, match=r"node .*i1e: function .* cannot be saved: .*register_op"):
        save_mase_graph_interface_pass(MaseGraph(Odd()), tmp_path)


def test_weights_alone_load_into_a_plain_model(tmp_path):
    graph = analysed(Chain().eval(), sample(Chain))
    save_mase_graph_interface_pass(graph, tmp_path)
    other = Chain()
    with torch.no_grad():
        other.seq_blocks[2].weight.zero_()
    load_model(tmp_path / "graph_module.mz", "mz", other)
    assert torch.equal(other.seq_blocks[2].weight, graph.modules["seq_blocks.2"].weight)
    state = torch.load(tmp_path / "state_dict.pt", weights_only=True)
    assert list(state) == list(graph.model.state_dict())


@pytest.mark.parametrize("config", [EIGHT, WRAPPING, {**EIGHT, "bypass": True}])
def test_the_state_dict_beside_a_graph_holds_what_the_graph_computes_with(config, tmp_path):
    x = sample(Functional)
    graph, _ = quantize_transform_pass(MaseGraph(Functional().eval()), by_type(config))
    save_mase_graph_interface_pass(graph, tmp_path)
    state, layer = load_model(tmp_path / "state_dict.pt"), graph.modules["fc1"]
    assert torch.equal(state["fc1.weight"], layer.weight if layer.bypass else layer.w_quantizer(layer.weight))
    assert torch.equal(state["fc1.bias"], layer.bias if layer.bypass else layer.b_quantizer(layer.bias))
    expected, before = graph.model(x), layer.weight.clone()
    graph.model.load_state_dict(state)
    assert torch.equal(graph.model(x), expected), "a value on the grid is its own nearest value"
    assert torch.equal(load_model(tmp_path / "graph_module.mz")["fc1.weight"], before)


def test_metadata_file_keeps_statistics_kinds_and_none(tmp_path):
    graph = analysed(Reshaping().eval(), sample(Reshaping))
    node = next(node for node in graph.nodes if node.name == "fc")
    stat = {"mean": torch.tensor([1.0, 2.0]), "count": 3, "range": None, "worst": float("nan")}
    node.meta["mase"]["software"]["args"]["weight"]["stat"] = {"range_min_max": stat}
    save_node_meta_param_interface_pass(graph, str(tmp_path / "meta.toml"))
    fresh = analysed(Reshaping().eval(), sample(Reshaping))
    load_node_meta_param_interface_pass(fresh, {"load_path": tmp_path / "meta.toml"})
    loaded = next(node for node in fresh.nodes if node.name == "fc").meta["mase"]["software"]["args"][
        "weight"
    ]
    expected = {"mean": [1.0, 2.0], "count": 3, "range": None, "worst": float("nan")}
    assert repr(loaded["stat"]["range_min_max"]) == repr(expected)
    size = next(node for node in fresh.nodes if node.name == "size").meta["mase"]["common"]["results"][
        "data_out_0"
    ]
    assert size == {"type": int, "shape": [1], "value": 16}
    verify_common_metadata_analysis_pass(fresh)
