"""``@register_model``: a class or a function of one's own under a name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from chop.models.model_info import MaseModelInfo, ModelSource, ModelTaskType
from chop.models.physical import PHYSICAL_MODELS
from chop.models.toys import TOY_MODELS
from chop.tools.errors import ConfigError

Maker = TypeVar("Maker", bound=Callable[..., Any])
_FACTS = ("num_features", "num_classes")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def register_model(
    name: str, *, replace: bool = False, is_fx_traceable: bool = True
) -> Callable[[Maker], Maker]:
    """Give a class or a function a name that every action, search and command knows.

    It may take nothing, the facts of the data set (one argument: an object with ``num_features`` and ``num_classes``),
    or just those of ``num_features`` and ``num_classes`` that it names. It must give a ``torch.nn.Module``.

    Args:
        name: of the model. replace: take a name that is there already.
        is_fx_traceable: whether ``torch.fx`` can trace it; else it trains and tests only.

    Raises:
        ConfigError: the name is no text or taken, or what is decorated needs other arguments.

    >>> @register_model("doc-net")
    ... class DocNet(nn.Sequential):
    ...     def __init__(self, num_features, num_classes):
    ...         super().__init__(nn.Linear(num_features, num_classes))
    >>> from chop.models import get_model
    >>> get_model("doc-net")[0]
    Linear(in_features=16, out_features=5, bias=True)
    >>> del PHYSICAL_MODELS["doc-net"]
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"register_model: the name must be a text that is not empty, got {name!r}")

    def register(maker: Maker) -> Maker:
        if (name in PHYSICAL_MODELS and not replace) or name in TOY_MODELS:
            raise ConfigError(f"register_model: {name!r} is taken; replace=True takes it over")
        info = MaseModelInfo(
            name,
            model_source=ModelSource.PHYSICAL,
            task_type=ModelTaskType.PHYSICAL,
            physical_data_point_classification=True,
            is_fx_traceable=is_fx_traceable,
        )
        entry = {"model": builder(maker, name), "info": info}
        if name in PHYSICAL_MODELS:
            del PHYSICAL_MODELS[name]
        PHYSICAL_MODELS[name] = entry
        return maker

    return register


def builder(maker: Callable[..., Any], name: str) -> Callable[[Any], nn.Module]:
    """Return what makes the model from the data set's facts; raises ConfigError as :func:`register_model`."""
    if not callable(maker):
        raise ConfigError(f"model {name!r} must be a class or a function, got {type(maker).__name__}")
    parameters = inspect.signature(maker).parameters
    named = [fact for fact in _FACTS if fact in parameters]
    needed = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind in (*_POSITIONAL, p.KEYWORD_ONLY)
    ]
    others = [argument for argument in needed if argument not in named]
    takes_info = len(others) == 1 and not named and parameters[others[0]].kind in _POSITIONAL
    if others and not takes_info:
        raise ConfigError(
            f"model {name!r} needs {', '.join(others)}: it may take nothing, one object with num_features and "
            "num_classes, or these two by name"
        )

    def build(info: Any) -> nn.Module:
        arguments = (info,) if takes_info else ()
        model = maker(*arguments, **{fact: _fact(info, fact) for fact in named})
        if not isinstance(model, nn.Module):
            raise ConfigError(f"model {name!r} must give a torch.nn.Module, got {type(model).__name__}")
        return model

    return build


def _fact(info: Any, name: str) -> int:
    """From an object or a dict; None stands for 16 features and 5 classes, as for the models of the package."""
    if info is None:
        return {"num_features": 16, "num_classes": 5}[name]
    return int(info[name] if isinstance(info, Mapping) else getattr(info, name))
