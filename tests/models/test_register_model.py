"""``@register_model``: a class or a function becomes a model with a name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import chop
from chop.models import PHYSICAL_MODELS, get_model, get_model_info
from chop.tools.errors import ConfigError

INFO = SimpleNamespace(num_features=7, num_classes=3)


@pytest.fixture(autouse=True)
def _clean() -> Any:
    before = set(PHYSICAL_MODELS)
    yield
    for name in set(PHYSICAL_MODELS) - before:
        del PHYSICAL_MODELS[name]


def by_name(num_classes: int, *, num_features: int = 1, hidden: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(num_features, hidden), nn.Linear(hidden, num_classes))


def by_info(info: Any) -> nn.Module:
    return nn.Linear(info.num_features, info.num_classes)


class Alone(nn.Linear):
    def __init__(self) -> None:
        super().__init__(7, 3)


@pytest.mark.parametrize(
    "maker", [by_name, by_info, Alone, lambda x: nn.Linear(x.num_features, x.num_classes)]
)
def test_every_usual_signature(maker: Any) -> None:
    assert chop.register_model("mine")(maker) is maker
    model = get_model("mine", dataset_info=INFO)
    assert model(torch.ones(2, 7)).shape == (2, 3)
    assert get_model_info("mine").is_fx_traceable and get_model_info("mine").is_physical_model


def test_names_are_not_taken_by_accident() -> None:
    with pytest.raises(ConfigError, match="'jsc-toy' is taken"):
        chop.register_model("jsc-toy")(Alone)
    chop.register_model("mine")(Alone)
    chop.register_model("mine", replace=True)(by_info)
    assert isinstance(get_model("mine", dataset_info=INFO), nn.Linear)


@pytest.mark.parametrize(
    ("maker", "said"),
    [
        (lambda a, b: None, "needs a, b: it may take nothing"),
        (lambda num_classes, depth: None, "needs depth"),
        (3, "must be a class or a function, got int"),
    ],
)
def test_what_makes_no_model_is_refused(maker: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        chop.register_model("mine")(maker)
    assert "mine" not in PHYSICAL_MODELS
    with pytest.raises(ConfigError, match="name must be a text"):
        chop.register_model("")


def test_what_gives_no_module_is_refused_when_it_is_made() -> None:
    chop.register_model("mine")(lambda: 3)
    with pytest.raises(ConfigError, match=r"must give a torch\.nn\.Module, got int"):
        get_model("mine")
