"""Widths that a config file names in another file, and configs with lists in files."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.passes import quantize_transform_pass
from chop.tools.config_load import load_config, save_config
from chop.tools.errors import ConfigError
from tests.nn.test_element_layers import network, network_config


def test_arrays_and_lists_are_one_config_whose_values_stay(tmp_path: Path) -> None:
    config = network_config()
    kept = copy.deepcopy(config)
    x = torch.randn(8, 6)
    first = quantize_transform_pass(MaseGraph(network()), config)[0].model(x)
    for key in ("_0", "_2"):
        table = config[key]["config"]
        assert all(
            np.array_equal(value, kept[key]["config"][name])
            and type(value) is type(kept[key]["config"][name])
            for name, value in table.items()
        )
        np.savez(
            tmp_path / f"w{key}.npz",
            **{name: np.asarray(v) for name, v in table.items() if name.endswith("width")},
        )
    named = {
        key: {
            "config": {
                n: f"w{key}.npz#{n}" if key in ("_0", "_2") and n.endswith("width") else v
                for n, v in config[key]["config"].items()
            }
        }
        for key in ("_0", "_1", "_2")
    }
    file = save_config(
        {"passes": {"quantize": {"by": "name", "default": {"config": {"name": None}}, **named}}},
        tmp_path / "a.toml",
    )
    assert "w_0.npz#weight_width" in file.read_text()
    loaded = load_config(file)
    again = load_config(save_config(loaded, tmp_path / "b.toml"))
    assert again == loaded
    for read in (loaded, again):
        assert torch.equal(
            quantize_transform_pass(MaseGraph(network()), read["passes"]["quantize"])[0].model(x), first
        )
    best = tmp_path / "best.json"
    best.write_text(json.dumps({"0": {"number": 1, "sampled_config": loaded["passes"]["quantize"]}}))
    assert load_config(best)["passes"]["quantize"] == loaded["passes"]["quantize"]
    best.write_text(
        json.dumps(
            {
                "0": {
                    "sampled_config": {
                        "by": "type",
                        "x": {"config": {"weight_width": "w_0.npz#weight_width"}},
                    }
                }
            }
        )
    )
    assert (
        load_config(best)["passes"]["quantize"]["x"]["config"]["weight_width"]
        == config["_0"]["config"]["weight_width"]
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npz#a", "weight_width: no file .*none.npz"),
        ("a.npz#b", "weight_width: .*a.npz has no array 'b'; it has: a$"),
        ("broken.npz#a", "weight_width: cannot read 'a' of .*broken.npz"),
        ("objects.npz#a", "weight_width: cannot read 'a' of .*objects.npz"),
    ],
)
def test_a_named_array_that_cannot_be_read_is_named(tmp_path: Path, name: str, message: str) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no more")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    (tmp_path / "c.toml").write_text(f'[passes.quantize.linear.config]\nweight_width = "{name}"\n')
    with pytest.raises(
        ConfigError, match=f"passes.quantize.linear.config.{message}" if ":" in message else message
    ):
        load_config(tmp_path / "c.toml")
