"""Defaults, config and typed values: who wins, and what is refused."""

from __future__ import annotations

import copy
import math
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.cli.merge import TABLES, allowed, merge, merge_loaded
from chop.cli.options import Options, defaults, flags, keys
from chop.tools.config_load import convert_str_na_to_none, save_config
from chop.tools.errors import ConfigError

BIG = 2**31 - 1
# The ranges in words of this test, not read from the schema.
INTEGERS = {
    "batch_size": (1, BIG),
    "seed": (0, 2**32 - 1),
    "max_epochs": (1, BIG),
    "max_steps": (-1, BIG),
    "accumulate_grad_batches": (1, BIG),
    "log_every_n_steps": (1, BIG),
    "num_workers": (0, 4096),
    "num_devices": (1, 4096),
    "num_nodes": (1, 4096),
    "num_targets": (1, BIG),
    "max_token_len": (1, BIG),
}
RATES = ("learning_rate", "weight_decay")
CHOICES = {
    "task": ["classification", "cls", "translation", "tran", "language_modeling", "lm"],
    "load_type": ["mz", "pt", "pl", "hf"],
    "log_level": ["debug", "info", "warning", "error", "critical"],
    "report_to": ["tensorboard", "csv", "wandb", "mlflow"],
    "training_optimizer": ["adam", "sgd", "adamw"],
    "accelerator": ["auto", "cpu", "gpu", "mps", "cuda"],
    "split": ["mase", "three-way", "all"],
}
SWITCHES = (
    "to_debug",
    "is_to_auto_requeue",
    "github_ci",
    "disable_dataset_cache",
    "is_pretrained",
    "no_warnings",
)
TEXTS = ("load_name", "quant_config", "target", "project_dir", "project", "model", "dataset", "data_dir")

_text = st.text(string.ascii_letters + string.digits + "-_./ é", min_size=1).filter(lambda text: text != "NA")
_VALUES = (
    {name: st.integers(*bounds) for name, bounds in INTEGERS.items()}
    | {name: st.floats(0, 1e6) for name in RATES}
    | {name: st.sampled_from(choices) for name, choices in CHOICES.items()}
    | {name: st.booleans() for name in SWITCHES}
    | dict.fromkeys(TEXTS, _text)
)
VALID = st.fixed_dictionaries({}, optional=_VALUES)


@settings(max_examples=150, deadline=None)
@given(config=VALID, typed=VALID)
def test_typed_beats_config_beats_default(tmp_path_factory, config, typed):
    path = tmp_path_factory.getbasetemp() / "merge.toml"
    save_config(config, path)
    words = {name: value if isinstance(value, bool) else str(value) for name, value in typed.items()}
    merged = merge(words, path)
    for name, default in defaults().items():
        expected = typed[name] if name in typed else config.get(name, default)
        assert getattr(merged.options, name) == expected, name
    assert merged.config == config
    assert merged.typed == typed
    assert merged.tables == {}


_keys = st.sampled_from([*keys(), *TABLES]) | st.text(max_size=12)
_leaves = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["cls", "NA", ""])
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3)
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_keys, _values, max_size=4))
def test_any_table_gives_options_or_one_clear_error(config):
    _valid_or_clear(config)


def _valid_or_clear(config):
    before = copy.deepcopy(config)
    try:
        merged = merge_loaded({}, convert_str_na_to_none(config), "a.toml")
    except ConfigError as error:
        message = str(error)
        assert message.startswith("a.toml: ")
        assert any(word in message for word in ("must be", "unknown key"))
        if "must be" in message:
            assert any(f"a.toml: {key} must be" in message for key in config)
            assert ", got " in message
        else:
            assert "did you mean" in message or "allowed:" in message
        return False
    finally:
        assert repr(config) == repr(before)
    assert isinstance(merged.options, Options)
    known = keys()
    for key, value in config.items():
        if key in known:
            assert getattr(merged.options, known[key]) is not None or value in (None, "NA")
    return True


@pytest.mark.soak
def test_any_table_in_bulk():
    rng = random.Random(0)
    pool = [
        0,
        1,
        -1,
        5,
        2**31,
        2**40,
        0.5,
        -0.5,
        math.nan,
        math.inf,
        "",
        "NA",
        "cls",
        "big",
        "1e-2",
        True,
        [],
        {},
        [1],
    ]
    right = {key: value for key, name in keys().items() if (value := defaults()[name]) is not None}
    names = [*keys(), *TABLES]
    accepted = 0
    for _ in range(100_000):
        chosen = rng.sample(names, rng.randint(1, 3))
        config = {
            key: right[key] if key in right and rng.random() < 0.6 else copy.deepcopy(rng.choice(pool))
            for key in chosen
        }
        accepted += _valid_or_clear(config)
    assert accepted > 20_000


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_at_the_edges(name):
    low, high = INTEGERS[name]
    for good in (low, high):
        assert getattr(merge_loaded({}, {name: good}, "a.toml").options, name) == good
        assert getattr(merge({name: str(good)}).options, name) == good
    for bad in (low - 1, high + 1, "3", "big", 1.5, 2.0, math.nan, math.inf, True, None, [], {}):
        with pytest.raises(
            ConfigError, match=rf"^a\.toml: {name} must be an integer in {low}\.\.{high}, got "
        ):
            merge_loaded({}, {name: bad}, "a.toml")
    flag = flags()[name].spellings[0]
    for bad in (str(low - 1), str(high + 1), "big", "", "1.5", "nan", "9" * 5000):
        with pytest.raises(
            ConfigError, match=rf"^{flag} must be an integer in {low}\.\.{high}, got "
        ) as caught:
            merge({name: bad})
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", RATES)
def test_rates(name):
    for good, value in ((0, 0.0), (1, 1.0), ("1e-2", 0.01), (0.5, 0.5), (1e6, 1e6)):
        assert getattr(merge_loaded({}, {name: good}, "a.toml").options, name) == value
    for bad in (-1, -0.1, 1.1e6, "fast", "", "nan", "inf", math.nan, math.inf, -math.inf, True, None, [0.1]):
        with pytest.raises(ConfigError, match=rf"^a\.toml: {name} must be a number in 0\.\.1000000, got "):
            merge_loaded({}, {name: bad}, "a.toml")
    with pytest.raises(ConfigError, match=rf"^{flags()[name].spellings[0]} must be a number"):
        merge({name: "quick"})


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name):
    for good in CHOICES[name]:
        assert getattr(merge({name: good}).options, name) == good
    wrong = CHOICES[name][0] + "x"
    with pytest.raises(
        ConfigError, match=rf"must be one of .*, got '{wrong}' \(did you mean '{CHOICES[name][0]}'\?\)"
    ):
        merge({name: wrong})
    for bad in (3, True, [], None):
        if bad is None and defaults()[name] is None:
            continue
        with pytest.raises(ConfigError, match=rf"^a\.toml: {name} must be one of"):
            merge_loaded({}, {name: bad}, "a.toml")


@pytest.mark.parametrize("name", SWITCHES)
def test_switches_are_true_or_false(name):
    for bad in ("true", 1, 0, "yes", None):
        with pytest.raises(ConfigError, match=rf"^a\.toml: {name} must be true or false, got "):
            merge_loaded({}, {name: bad}, "a.toml")


def test_precision_may_be_a_number():
    assert merge_loaded({}, {"trainer_precision": 32}, None).options.trainer_precision == "32"
    with pytest.raises(ConfigError, match="trainer_precision must be one of"):
        merge_loaded({}, {"trainer_precision": 31}, None)


def test_a_typed_value_hides_no_bad_value_in_the_file():
    with pytest.raises(ConfigError, match=r"^a\.toml: batch_size"):
        merge_loaded({"batch_size": "3"}, {"batch_size": "big"}, "a.toml")


def test_na_is_none():
    assert merge_loaded({}, convert_str_na_to_none({"load_name": "NA"}), None).options.load_name is None


@pytest.mark.parametrize("table", TABLES)
def test_tables_must_be_tables(table):
    with pytest.raises(ConfigError, match=rf"^a\.toml: {table} must be a table, got 3"):
        merge_loaded({}, {table: 3}, "a.toml")


@pytest.mark.parametrize("key", ["config", "action", "imports", "Batch_size", "batch-size", ""])
def test_keys_that_are_not_keys(key):
    with pytest.raises(ConfigError, match="unknown key"):
        merge_loaded({}, {key: "x"}, None)


def test_import_in_a_config():
    assert merge_loaded({}, {"import": ["a.py", "b"]}, None).options.imports == ["a.py", "b"]
    for bad in ("a.py", [1], [""]):
        with pytest.raises(ConfigError, match="import must be a list of files or modules"):
            merge_loaded({}, {"import": bad}, None)


def test_every_option_can_say_what_is_allowed():
    for name in Options.model_fields:
        assert allowed(name)
