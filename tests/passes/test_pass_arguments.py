"""Arguments of every pass replaced by values of every other type: a ConfigError or a result, nothing else."""

import copy

import pytest
import torch
from torch import nn

import chop
from chop.passes import PASSES
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

INTEGER = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 8,
    "weight_frac_width": 4,
}
X = {"input": torch.ones(4, 3)}
ARGUMENTS = {
    "quantize": {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": INTEGER}},
    "profile_statistics": {
        "by": "type",
        "target_weight_nodes": ["linear"],
        "target_activation_nodes": ["relu"],
        "num_samples": 4,
        "input_generator": [dict(X)],
        "weight_statistics": {"range_min_max": {"dims": "all"}},
        "activation_statistics": {"range_quantile": {"dims": "all", "quantile": 0.9}},
    },
    "redefine": {"by": "name"},
    "metadata_value_type_cast": {},
    "save_mase_graph": {"save_dir": "d"},
    "load_mase_graph": {"load_dir": "d"},
    "save_node_meta_param": {"save_path": "n.toml"},
    "load_node_meta_param": {"load_path": "n.toml"},
    "add_common_metadata": {"dummy_in": dict(X), "add_value": False},
    "report_graph": {"file_name": "r.txt"},
    "report_node_meta_param": {"which": ["all"], "save_path": "m.txt"},
    "add_flops_bitops": {},
}
ODD = [
    None, 5, -1, 1.5, float("nan"), "odd", "", True, [], [["relu"]], [{"a": 1}], [None], [5], {}, {"a": 1}, {"a": [1]},
    {5: 5}, b"x", object(), ("relu",), {"relu"}, [["linear", ["x"]]], 2**70, float,
]  # fmt: skip


def places(table, path=()):
    """Every key and every first element of a table, at any depth."""
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, list):
            yield (*path, key, 0)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def replaced(table, path, value):
    changed = inner = copy.deepcopy(table)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.fixture(scope="module")
def graph():
    graph = chop.MaseGraph(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    for name, arguments in (
        ("init_metadata", None),
        ("add_common_metadata", {"dummy_in": X}),
        ("add_software_metadata", None),
    ):
        graph, _ = PASSES[name](graph, arguments)
    return graph


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_other_types(name, graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PASSES["save_mase_graph"](graph, {"save_dir": "d"})
    PASSES["save_node_meta_param"](graph, {"save_path": "n.toml"})
    good, refused = ARGUMENTS[name], 0
    cases = [*ODD, *(replaced(good, path, odd) for path in [*places(good), ("odd",)] for odd in ODD)]
    for arguments in cases:
        try:
            PASSES[name](graph, arguments)
        except (ConfigError, UnknownNameError, FileNotFoundError, IsADirectoryError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused >= len(ODD) / 2


def test_a_list_in_a_list_of_targets_is_named(graph):
    for key in ("target_weight_nodes", "target_activation_nodes"):
        for by in ("type", "name"):
            with pytest.raises(
                ConfigError, match=rf"profile_statistics.{key}\[0\] must be a name, got \['relu'\]"
            ):
                PASSES["profile_statistics"](graph, {"by": by, key: [["relu"]]})
