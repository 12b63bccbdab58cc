"""What a module computes beside its class's forward: the rule that every reader of a graph asks here.

The core knows a layer by its class. Hooks, replaced methods and weights that are computed before each call make the
layer something else, which torch has to compute, or nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from chop.tools.errors import ConfigError

# Pre-hooks that do nothing but compute a weight from parameters of other names.
COMPUTING_HOOKS = (WeightNorm, SpectralNorm, BasePruningMethod)
# Whatever decides what a call of a module computes; subclasses and instances may replace each of them.
_DECIDING = ("forward", "__call__", "_call_impl", "_wrapped_call_impl", "_conv_forward", "__getattr__")
_GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


def own_code(module: nn.Module, classes: Iterable[type[nn.Module]]) -> str | None:
    """Say why a call of ``module`` is not just the forward of one of ``classes``, or None if it is.

    >>> layer = nn.ReLU()
    >>> own_code(layer, (nn.ReLU,)) is None
    True
    >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    >>> own_code(layer, (nn.ReLU,))
    'has a forward hook'
    """
    return replaced_code(module, classes) or hooked_code(module)


def replaced_code(module: nn.Module, classes: Iterable[type[nn.Module]]) -> str | None:
    """Say which method of the classes ``module`` has replaced, in its own class or on the instance."""
    for name in _DECIDING:
        if name in vars(module):
            return f"has a {name} of its own, put on this one instance"
    if not any(all(_same(type(module), each, name) for name in _DECIDING) for each in classes):
        return f"is a {type(module).__name__}, which computes something of its own"
    return None


def hooked_code(module: nn.Module) -> str | None:
    """Say which hooks ``module`` has that see or change its values; those that only compute weights are none."""
    if module._forward_hooks:
        return "has a forward hook"
    if any(not isinstance(hook, COMPUTING_HOOKS) for hook in module._forward_pre_hooks.values()):
        return "has a forward pre-hook"
    return None


def gradient_code(module: nn.Module) -> str | None:
    """Say what a layer does to gradients beside its class's own, or None: what no native training knows."""
    if module._backward_hooks or module._backward_pre_hooks:
        return "has a backward hook"
    if why := parameter_hooks(module):
        return why
    if computed_weights(module):
        return (
            "has a weight that is computed before each call (weight or spectral norm, pruning, a parametrization); "
            "torch.nn.utils.prune.remove, remove_weight_norm or parametrize.remove_parametrizations makes it plain"
        )
    return None


def parameter_hooks(module: nn.Module) -> str | None:
    """Say which parameter has a hook on its gradient, which a copy of it would lose, or None."""
    for name, parameter in module.named_parameters():
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            return f"has a hook on the gradient of {name}"
    return None


def computed_weights(module: nn.Module) -> bool:
    """Whether a tensor of the layer is computed from others at each call."""
    hooks = module._forward_pre_hooks.values()
    return parametrize.is_parametrized(module) or any(isinstance(hook, COMPUTING_HOOKS) for hook in hooks)


def refuse_global_hooks() -> None:
    """Raise ConfigError where torch runs hooks around every module, which no graph shows."""
    for name in _GLOBAL_HOOKS:
        if getattr(torch_module, name):
            raise ConfigError(
                f"torch runs a hook around every module ({name[1:]}), which a graph cannot hold: remove it "
                "(handle.remove()), or hang it on the layers themselves"
            )


def refuse_lost_code(module: nn.Module, name: str) -> None:
    """Raise ConfigError for a container with something that a traced graph would lose: it is no node of it."""
    if module._backward_hooks or module._backward_pre_hooks:
        raise ConfigError(
            f"{_named(module, name)} has a backward hook, which a traced graph would lose: remove it "
            "(handle.remove()), or hang it on a layer"
        )

    if module.training and any(isinstance(hook, SpectralNorm) for hook in module._forward_pre_hooks.values()):
        raise ConfigError(
            f"{_named(module, name)} has a spectral norm that works otherwise in train mode, which a traced graph "
            f"would lose: use torch.nn.utils.parametrizations.spectral_norm, or leaf_modules=({type(module).__name__},)"
        )


@contextmanager
def current_weights(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within it, attributes of the modules hold the tensors that their next call in eval mode would use."""
    computed = [module for module in modules if computed_weights(module)]
    flags = [(each, each.training) for module in computed for each in module.modules()]
    for each, _ in flags:
        each.training = False  # a spectral norm in train mode would take a step
    try:
        for module in computed:
            renew_weights(module)
        yield
    finally:
        for each, training in flags:
            each.training = training


def renew_weights(module: nn.Module) -> None:
    """Compute the weights that a pre-hook would compute at the next call, as torch does it in the module's mode."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, COMPUTING_HOOKS):
            hook(module, ())


def shared_memory(model: nn.Module) -> dict[str, str]:
    """Return parameter or buffer -> another one, of its own identity, that lies in the same memory.

    Changing the one changes the other, which copies of them would lose. One tensor under two names is not meant.

    >>> layer = nn.Linear(2, 2)
    >>> layer.register_buffer("view", layer.weight.detach().T)
    >>> shared_memory(layer)["weight"]
    'view'
    """
    named = [*model.named_parameters(), *model.named_buffers()]
    spans = sorted((*_span(tensor), name) for name, tensor in named if _has_memory(tensor))
    found: dict[str, str] = {}
    last = (0, "")  # end and name of the one before that reaches furthest
    for start, end, name in spans:
        if start < last[0]:
            found.setdefault(last[1], name)
            found.setdefault(name, last[1])
        last = max(last, (end, name))
    return found


def _has_memory(tensor: Tensor) -> bool:
    lazy = torch.nn.parameter.is_lazy(tensor)
    return not lazy and tensor.layout == torch.strided and not tensor.is_meta and tensor.numel() > 0


def _span(tensor: Tensor) -> tuple[int, int]:
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()


def _same(a: type, b: type, name: str) -> bool:
    return getattr(a, name, None) is getattr(b, name, None)


def _named(module: nn.Module, name: str) -> str:
    return f"module {name} ({type(module).__name__})" if name else f"the model ({type(module).__name__})"


def refuse_lazy(model: nn.Module) -> None:
    """Raise ConfigError for a layer whose weights have no sizes before its first call."""
    tensors: list[tuple[str, Any]] = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if torch.nn.parameter.is_lazy(tensor):
            owner = model.get_submodule(name.rpartition(".")[0])
            raise ConfigError(
                f"{_named(owner, name.rpartition('.')[0])} has no weights yet: run the model once on a batch"
            )
