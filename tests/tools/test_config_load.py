"""Reading, writing and merging configs."""

from __future__ import annotations

import copy
import os
from argparse import Namespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chop.tools.config_load import (
    convert_none_to_str_na,
    convert_str_na_to_none,
    load_config,
    merge_options,
    post_parse_load_config,
    save_config,
)
from chop.tools.errors import ConfigError

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).filter(lambda text: text != "NA")
)
CONFIGS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_size=4,
)


@given(CONFIGS)
def test_round_trip(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "round.toml"
    before = copy.deepcopy(config)
    save_config(config, path)
    assert load_config(path) == config
    assert config == before


@given(CONFIGS)
def test_na_conversions_are_inverse_and_pure(config):
    before = copy.deepcopy(config)
    assert convert_str_na_to_none(convert_none_to_str_na(config)) == config
    assert config == before


def test_bad_toml_names_the_line(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('a = 1\nb = "open\n')
    with pytest.raises(ConfigError, match=r"bad\.toml.*line 2"):
        load_config(path)


def test_missing_file_suggests_the_nearest(tmp_path):
    (tmp_path / "jsc_search.toml").write_text("")
    with pytest.raises(
        ConfigError, match=r"no config file .*jsc_serach.toml' \(did you mean 'jsc_search.toml'\?\)"
    ):
        load_config(tmp_path / "jsc_serach.toml")
    with pytest.raises(ConfigError, match="there is no folder"):
        load_config(tmp_path / "nowhere" / "a.toml")


@pytest.mark.parametrize("name", ["a.yaml", "a", "toml"])
def test_other_endings_are_refused(tmp_path, name):
    (tmp_path / name).write_text("a = 1")
    with pytest.raises(ConfigError, match=r"must end in \.toml"):
        load_config(tmp_path / name)


def test_unreadable_contents(tmp_path):
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00a")
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 100_000)
    for path in (folder, binary, deep, tmp_path / "nul\0.toml", tmp_path / ("x" * 300 + ".toml")):
        with pytest.raises(ConfigError, match=r"^(cannot read|no) config file"):
            load_config(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_permission(tmp_path):
    path = tmp_path / "secret.toml"
    path.write_text("a = 1")
    path.chmod(0)
    with pytest.raises(ConfigError, match="cannot read config file"):
        load_config(path)


def test_typed_beats_config_beats_default():
    assert merge_options({"a": 1, "b": 2, "c": 3}, {"b": 5, "c": 6}, {"c": 3}) == {"a": 1, "b": 5, "c": 3}


def test_post_parse_with_absent_attributes(tmp_path):
    path = save_config({"seed": 9, "batch_size": 64, "passes": {"quantize": {}}}, tmp_path / "a.toml")
    args = Namespace(config=str(path), batch_size=128)
    merged = post_parse_load_config(args, {"seed": 0, "batch_size": 128, "task": "cls"})
    assert (merged.seed, merged.batch_size, merged.task) == (9, 128, "cls")
    assert vars(args) == {"config": str(path), "batch_size": 128}


def test_post_parse_with_a_full_namespace_as_in_mase(tmp_path):
    path = save_config({"seed": 9}, tmp_path / "a.toml")
    defaults = {"seed": 0, "batch_size": 128, "config": None}
    merged = post_parse_load_config(Namespace(seed=0, batch_size=4, config=str(path)), defaults)
    assert (merged.seed, merged.batch_size) == (9, 4)
