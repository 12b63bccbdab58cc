"""Formats in a few characters, and what they mean at length."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chop
from chop.nn.quantizers.short_form import fixed, parse_short, short_form, short_rules
from chop.tools.errors import ConfigError

FORMAT = st.tuples(st.integers(1, 32), st.integers(-64, 64) | st.none())


@given(st.dictionaries(st.sampled_from("wxb"), FORMAT, min_size=1))
def test_text_and_config_are_one_value(formats: dict[str, tuple[int, int | None]]) -> None:
    words = [f"{k}{w}" if f is None else f"{k}{w}.{f}" for k, (w, f) in formats.items()]
    config = parse_short(" ".join(words))
    names = {"w": "weight", "x": "data", "b": "bias"}
    assert config == fixed(**{names[k]: pair for k, pair in formats.items()})
    assert parse_short(short_form(config)) == config
    assert sorted(short_form(config).split()) == sorted(words)


def test_what_has_no_short_form_is_named() -> None:
    floor = fixed(weight=(4, 2), rounding="floor", overflow="wrap")
    assert floor["weight_rounding"] == "floor" and short_form(floor) == "w4.2 floor wrap"
    assert short_form({"name": "trunc", "weight_width": 4}) == "trunc w4"
    assert short_form({**fixed(weight=4), "bypass": True}) == "w4 bypass"
    assert short_form({"name": "integer", "weight_width": [4, 2], "weight_frac_width": [1, 1]}) == "w[…].[…]"
    config = {"by": "name", "default": {"config": {"name": None}}, "fc": {"config": fixed(data=(8, 4))}}
    assert short_rules(config) == {"fc": "x8.4"}


@pytest.mark.parametrize(
    "text", ["", "w", "w4,2", "4.2", "w4.2x8.4", "W4.2", "w4.2 w4.2", "w-4", "q4", "w4.2.1"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_short(text)


@pytest.mark.parametrize("format", [(8,), (8, 4, 2), (8.0, 4), "8.4", (True, 4), (8, 4.0)])
def test_formats_that_are_no_pair(format: Any) -> None:
    with pytest.raises(ConfigError, match="data must be"):
        chop.fixed(data=format)
    with pytest.raises(ConfigError, match="give a format"):
        chop.fixed()
