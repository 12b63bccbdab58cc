"""Whatever stands in a config file: the run ends with one clear line, never with a traceback."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chop.actions.pass_steps import check_tables, step_of
from chop.actions.search.schema import parse_search_config
from chop.cli.app import main
from chop.cli.options import keys
from chop.ir.graph import MaseGraph
from chop.models import get_model
from chop.passes import PASSES
from chop.registry import UnknownNameError
from chop.tools.config_load import save_config
from chop.tools.errors import ConfigError

WILD = (
    st.none() | st.booleans() | st.integers(-50, 50) | st.just(2**70) | st.floats() | st.text(max_size=6)
    | st.sampled_from(["integer", "fixed", "NA", "type", "name", "tpe", "(", ".*", "seq_blocks_2"])
)  # fmt: skip
OPERANDS = [
    f"{operand}_{field}" for operand in ("data_in", "weight", "bias") for field in ("width", "frac_width")
]
CONFIG = st.dictionaries(
    st.sampled_from(["name", "bypass", *OPERANDS]) | st.text(max_size=6), WILD, max_size=8
)
RULES = st.dictionaries(
    st.sampled_from(["default", "linear", "relu", "conv1d", "seq_blocks_2", ".*", "(", "by"])
    | st.text(max_size=6),
    st.fixed_dictionaries({"config": CONFIG}) | WILD,
    max_size=4,
)
QUANTIZE = st.builds(
    lambda rules, by: {**rules, "by": by}, RULES, st.sampled_from(["type", "name", "regex_name"]) | WILD
)
ANY = st.recursive(
    WILD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)
SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def _graph():
    return MaseGraph(get_model("jsc-tiny"))


def _clear(error):
    assert str(error).strip()


@SETTINGS
@given(QUANTIZE)
def test_quantize_tables(table):
    try:
        check_tables({"quantize": table})
        step_of("quantize").check(_graph(), dict(table))
    except (ConfigError, UnknownNameError) as error:
        _clear(error)


@SETTINGS
@given(st.dictionaries(st.sampled_from(sorted(PASSES)) | st.text(max_size=6), ANY, max_size=3))
def test_pass_tables(passes):
    try:
        check_tables(passes)
    except (ConfigError, UnknownNameError) as error:
        _clear(error)


SETUP = ["n_jobs", "n_trials", "timeout", "sampler", "sum_scaled_metrics", "direction"]
SEARCH = {
    "search_space": st.fixed_dictionaries({
        "name": st.just("graph/quantize/mixed_precision_ptq") | WILD,
        "setup": st.fixed_dictionaries({}, optional={"by": WILD, "x": WILD}) | WILD,
        "seed": ANY,
    }),
    "strategy": st.fixed_dictionaries({
        "name": st.just("optuna") | WILD,
        "setup": st.dictionaries(st.sampled_from(SETUP), WILD) | WILD,
        "sw_runner": st.fixed_dictionaries({}, optional={"basic_evaluation": ANY, "other": ANY}) | WILD,
        "hw_runner": st.fixed_dictionaries({}, optional={"average_bitwidth": ANY}) | WILD,
        "metrics": st.dictionaries(st.sampled_from(["loss", "accuracy", "x"]), ANY, max_size=3) | WILD,
    }),
}  # fmt: skip


@SETTINGS
@given(st.fixed_dictionaries({}, optional={name: table | ANY for name, table in SEARCH.items()}))
def test_search_tables(table):
    try:
        parse_search_config(table)
    except (ConfigError, UnknownNameError) as error:
        _clear(error)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ends_with_one_line(folder, capsys):
    code = main(["transform", "no-such-model", "no-such-data", "--config", "a.toml"])
    err = capsys.readouterr().err
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("ch: ")
    assert [path.name for path in folder.iterdir()] == ["a.toml"]


FIXTURE = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FIXTURE
@given(st.text())
def test_any_text_as_a_config_file(folder, capsys, text):
    (folder / "a.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    _ends_with_one_line(folder, capsys)


_OPTIONS = sorted(set(keys()) - {"import", "log_level", "to_debug"})


@FIXTURE
@given(
    st.dictionaries(
        st.sampled_from([*_OPTIONS, "passes", "search"]) | st.text(min_size=1, max_size=6), ANY, max_size=3
    )
)
def test_any_table_through_the_command(folder, capsys, config):
    save_config(config, folder / "a.toml")
    _ends_with_one_line(folder, capsys)
