"""Which rule each node gets, and what is refused on the way."""

from __future__ import annotations

import copy
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import KNOWN_OPS
from chop.ir.graph.quantize_config import check_rule_keys, resolve_quantize_config
from chop.nn.quantizers import IntegerFormat
from chop.passes import quantize_transform_pass
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from tests.ir.models import EIGHT, FLOAT, FOUR, Chain, Functional, Shared

GRAPH = MaseGraph(Chain())
NODES = ["seq_blocks_1", "seq_blocks_2", "seq_blocks_3"]


def config(by="type", default=FLOAT, **rules):
    return {
        "by": by,
        "default": {"config": default},
        **{key: {"config": table} for key, table in rules.items()},
    }


def test_by_type():
    rules = resolve_quantize_config(GRAPH, config(linear=EIGHT))
    assert [(rule.node, rule.mase_op, rule.rule, rule.quantizer) for rule in rules] == [
        ("seq_blocks_1", "relu", "default", None),
        ("seq_blocks_2", "linear", "linear", "integer"),
        ("seq_blocks_3", "relu", "default", None),
    ]
    signed = IntegerFormat(8, 4, True)
    assert rules[1].formats == {"data_in": signed, "weight": signed, "bias": signed}
    assert rules[0].config is None and rules[0].formats is None and rules[1].config == EIGHT


def test_by_name_and_aliases():
    table = {**EIGHT, "name": "fixed"}
    rules = resolve_quantize_config(GRAPH, config("name", seq_blocks_3=table))
    assert [rule.rule for rule in rules] == ["default", "default", "seq_blocks_3"]
    assert rules[2].quantizer == "integer" and rules[2].config["name"] == "fixed"
    assert rules[2].formats == {"data_in": IntegerFormat(8, 4, False)}


def test_modes_of_each_operand():
    modes = {"data_in_rounding": "floor", "weight_rounding": "half_up", "weight_overflow": "wrap"}
    linear, relu = resolve_quantize_config(GRAPH, config(default={**EIGHT, **modes}))[1:]
    assert linear.formats == {
        "data_in": IntegerFormat(8, 4, True, "floor"),
        "weight": IntegerFormat(8, 4, True, "half_up", "wrap"),
        "bias": IntegerFormat(8, 4, True, "half_up", "wrap"),
    }
    assert relu.formats == {"data_in": IntegerFormat(8, 4, False, "floor", "saturate")}
    assert IntegerFormat(8, 4, True) == IntegerFormat(8, 4, True, "half_even", "saturate")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, IntegerFormat(8, 4, True, "floor", "wrap")),
        ({"bias_rounding": "half_even"}, IntegerFormat(8, 4, True, "half_even", "wrap")),
        ({"bias_width": 6, "bias_frac_width": 2}, IntegerFormat(6, 2, True, "floor", "wrap")),
        ({"bias_overflow": "saturate"}, IntegerFormat(8, 4, True, "floor", "saturate")),
    ],
)
def test_each_mode_of_the_bias_falls_back_to_the_weights(own, expected):
    table = {**EIGHT, "weight_rounding": "floor", "weight_overflow": "wrap", **own}
    assert resolve_quantize_config(GRAPH, config(linear=table))[1].formats["bias"] == expected


def test_by_regex_takes_the_first_hit_of_the_whole_name():
    table = {"by": "regex_name", "default": {"config": FLOAT}, r"seq_blocks_[23]": {"config": EIGHT}}
    table[r".*_\d"] = {"config": FOUR}
    rules = resolve_quantize_config(GRAPH, table)
    assert [rule.rule for rule in rules] == [r".*_\d", "seq_blocks_[23]", "seq_blocks_[23]"]


def test_bypass_has_a_config_but_no_formats():
    rule = resolve_quantize_config(GRAPH, config(linear={**EIGHT, "bypass": True}))[1]
    assert rule.config["bypass"] is True and rule.quantizer == "integer" and rule.formats is None


def test_default_is_needed_only_by_nodes_without_a_rule():
    complete = {"by": "type", "linear": {"config": EIGHT}, "relu": {"config": EIGHT}}
    assert all(rule.quantizer for rule in resolve_quantize_config(GRAPH, complete))
    with pytest.raises(ConfigError, match="'default' is missing, and node seq_blocks_1"):
        resolve_quantize_config(GRAPH, {"by": "type", "linear": {"config": EIGHT}})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"default": {"config": FLOAT}}, "quantize: 'by' is missing; it is one of type, name, regex_name"),
        ({"bye": "type"}, "'by' is missing; found 'bye'"),
        (config("typ"), r"by must be one of .*, got 'typ' \(did you mean 'type'\?\)"),
        (config("regx_name"), r"got 'regx_name' \(did you mean 'regex_name'\?\)"),
        (config(None), "got None"),
        (config(liner=EIGHT), r"key 'liner' is neither an operation nor a node .*did you mean 'linear'"),
        (config("name", seq_blocks2=EIGHT), r"key 'seq_blocks2' .*did you mean 'seq_blocks_2'"),
        (
            config(linear={**EIGHT, "weight_width": 40}),
            r"quantize: linear.weight_width must be 1..32, got 40",
        ),
        (
            config("name", seq_blocks_2={**EIGHT, "weight_width": 40}),
            r"quantize: seq_blocks_2.weight_width must be 1\.\.32, got 40",
        ),
        (config(linear={**EIGHT, "weight_width": 0}), "got 0"),
        (config(linear={**EIGHT, "weight_width": -3}), "got -3"),
        (config(linear={**EIGHT, "weight_width": "8"}), "got '8'"),
        (config(linear={**EIGHT, "data_in_frac_width": 65}), r"must be -64\.\.64, got 65"),
        (config(linear={**EIGHT, "weight_widht": 4}), r"linear.weight_widht .*did you mean 'weight_width'"),
        (
            config("name", seq_blocks_2={**EIGHT, "weight_rounding": "flor"}),
            r"quantize: seq_blocks_2.weight_rounding must be one of half_even, floor, half_up, got 'flor' "
            r"\(did you mean 'floor'\?\)",
        ),
        (
            config(relu={**EIGHT, "data_in_overflow": "warp"}),
            r"quantize: relu.data_in_overflow must be one of saturate, wrap, got 'warp' \(did you mean 'wrap'",
        ),
        (config(linear={**EIGHT, "bias_rounding": None}), "linear.bias_rounding must be one of .*, got None"),
        (
            config(linear={**EIGHT, "bias_overflow": ["wrap"]}),
            r"linear.bias_overflow must be .*, got \['wrap'\]",
        ),
        (config(linear={**EIGHT, "weight_roundin": "floor"}), "did you mean 'weight_rounding'"),
        (config(linear={**EIGHT, "rounding": "floor"}), "linear.rounding is not a key of 'integer'"),
        (config(default={**EIGHT, "weight_width": 33}), "quantize: default.weight_width"),
        (config(conv1d={**EIGHT, "weight_width": 33}), "quantize: conv1d.weight_width"),
        (config(linear={"name": "integer"}), "quantize: linear.data_in_width is missing"),
        (config(linear={"width": 4}), "quantize: linear.name is missing"),
        ({"by": "type", "default": EIGHT}, "default must be a table with a table 'config'"),
        ({"by": "type", "default": {"confg": EIGHT}}, "found 'confg'"),
        ({"by": "type", "default": {"config": EIGHT, "extra": 1}}, "default.extra is not known"),
        (
            {"by": "regex_name", "default": {"config": FLOAT}, "seq_(": {"config": EIGHT}},
            "not a valid pattern",
        ),
        ({"by": "regex_name", "default": {"config": FLOAT}, "fc.*": {"config": EIGHT}}, "matches no node"),
        ({"by": "type", "default": {"config": FLOAT}, 3: {"config": EIGHT}}, "key must be text, got 3"),
        ([], "must be a table"),
        (None, "must be a table"),
    ],
)
def test_refused(bad, message):
    with pytest.raises(ConfigError, match=message) as error:
        resolve_quantize_config(GRAPH, bad)
    assert "\n" not in str(error.value)


def test_unknown_arithmetic():
    with pytest.raises(
        UnknownNameError, match=r"quantize: linear.name: quantizer 'intger'.*did you mean 'integer'"
    ):
        resolve_quantize_config(GRAPH, config(linear={**EIGHT, "name": "intger"}))
    with pytest.raises(UnknownNameError, match="quantizer 'NA' is not known"):
        resolve_quantize_config(GRAPH, config(default={"name": "NA"}))


def test_a_refused_config_changes_nothing():
    graph = MaseGraph(Chain())
    quantize_transform_pass(graph, config(linear=EIGHT))
    before = [type(module) for module in graph.modules.values()]
    with pytest.raises(ConfigError):
        quantize_transform_pass(graph, config(linear=FLOAT, relu={**EIGHT, "data_in_width": 99}))
    assert [type(module) for module in graph.modules.values()] == before


@pytest.mark.parametrize(
    ("table", "unused"),
    [
        (config(conv1d=EIGHT, linear=EIGHT, add=EIGHT), ["conv1d", "add"]),
        (config(seq_blocks_2=EIGHT), ["seq_blocks_2"]),
        (config("name", linear=EIGHT, seq_blocks_2=EIGHT), ["linear"]),
        (config("name", seq_blocks_0=EIGHT), ["seq_blocks_0"]),
        (config("regex_name", seq_blocks_0=EIGHT), ["seq_blocks_0"]),
        (config(linear=EIGHT), []),
    ],
)
def test_keys_that_apply_to_nothing_are_one_warning_of_the_pass(caplog, table, unused):
    keys = [key for key in table if key != "by"]
    with caplog.at_level(logging.WARNING, "chop"):
        assert check_rule_keys(keys, table["by"], GRAPH, "here", warn=False) == unused
        resolve_quantize_config(GRAPH, table)
        assert not caplog.records
        quantize_transform_pass(MaseGraph(Chain()), table)
    assert len(caplog.records) == bool(unused)
    for key in unused:
        assert repr(key) in caplog.text


def test_seeds_of_a_search_space_use_the_same_check():
    with pytest.raises(ConfigError, match=r"^search.search_space.seed: key 'linaer' .*did you mean 'linear'"):
        check_rule_keys(["default", "linaer"], "type", GRAPH, "search.search_space.seed")


def test_one_module_called_twice_needs_one_config():
    graph = MaseGraph(Shared())
    with pytest.raises(ConfigError, match="nodes fc and fc_1 call the same module fc"):
        resolve_quantize_config(graph, config("name", fc=EIGHT))
    both = resolve_quantize_config(graph, config("name", fc=EIGHT, fc_1=dict(EIGHT)))
    assert [rule.node for rule in both if rule.quantizer] == ["fc", "fc_1"]


def test_functions_are_resolved_too():
    rules = resolve_quantize_config(MaseGraph(Functional()), config("name", relu_1=EIGHT))
    nodes = ["fc1", "relu", "sub", "relu_1", "mul", "add", "relu_2", "fc2"]
    assert [rule.node for rule in rules] == nodes
    assert rules[3].formats == {"data_in": IntegerFormat(8, 4, False)}


widths = st.integers(-2, 40) | st.sampled_from([8.0, "8", None, True])
fracs = st.none() | st.integers(-70, 70) | st.sampled_from([4.0, "4"])
tables = st.fixed_dictionaries(
    {"name": st.sampled_from(["integer", "fixed", None, "intger"])},
    optional={
        **{f"{o}_width": widths for o in ("data_in", "weight", "bias")},
        **{f"{o}_frac_width": fracs for o in ("data_in", "weight", "bias")},
        "bypass": st.booleans() | st.just(1),
        "weight_widht": widths,
    },
)
keys = st.sampled_from([*NODES, "seq_blocks_0", "linear", "relu", "conv1d", "liner", "default", r"seq_.*"])


def is_good(table):
    """The rules of a table's values, written down a second time."""
    if table["name"] is None:
        return True
    for key, value in table.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if key.endswith("frac_width"):
            good = value is None or (whole and -64 <= value <= 64)
        elif key.endswith("_width"):
            good = whole and 1 <= value <= 32
        else:
            good = {"name": value in ("integer", "fixed"), "bypass": isinstance(value, bool)}.get(key, False)
        if not good:
            return False
    return True


def has_fields(table, mase_op):
    if table["name"] is None:
        return True
    operands = ("data_in", "weight") if mase_op == "linear" else ("data_in",)
    bias_is_half_there = mase_op == "linear" and (("bias_width" in table) != ("bias_frac_width" in table))
    fields = [f"{operand}_{field}" for operand in operands for field in ("width", "frac_width")]
    return all(field in table for field in fields) and not bias_is_half_there


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["type", "name"]), st.dictionaries(keys, tables, max_size=4))
def test_every_config_is_resolved_or_refused_with_one_line(by, rules):
    table = {"by": by, **{key: {"config": rule} for key, rule in rules.items()}}
    before = copy.deepcopy(table)
    ops = {"seq_blocks_1": "relu", "seq_blocks_2": "linear", "seq_blocks_3": "relu"}
    chosen = {node: op if by == "type" else node for node, op in ops.items()}
    chosen = {node: key if key in rules else "default" for node, key in chosen.items()}
    known = {*KNOWN_OPS, *NODES, "seq_blocks_0", "default"}
    expected = (
        set(rules) <= known
        and all(is_good(rule) for rule in rules.values())
        and all(key in rules and has_fields(rules[key], ops[node]) for node, key in chosen.items())
    )
    try:
        resolved = resolve_quantize_config(GRAPH, table)
    except (ConfigError, UnknownNameError) as error:
        assert not expected, error
        assert str(error).startswith("quantize: ") and "\n" not in str(error)
    else:
        assert expected
        assert {rule.node: rule.rule for rule in resolved} == chosen
    assert table == before


def test_empty_graph():
    assert resolve_quantize_config(MaseGraph(nn.Identity()), {"by": "type"}) == []
