"""Handing on what a layer holds beside its class: tensors, weights computed from them, hooks, mode."""

from __future__ import annotations

from torch import nn

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def copy_parameters(source: nn.Module, target: nn.Module) -> None:
    """Give ``target`` copies of the source's tensors, its hooks and its mode.

    A weight that a hook computes before each call (pruning, weight norm) stays computed, from the same parameters.
    """
    target._parameters.clear()
    for name, parameter in source._parameters.items():
        copied = (
            None if parameter is None else nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
        )
        target._parameters[name] = copied
    target._buffers.clear()
    for name, buffer in source._buffers.items():
        target._buffers[name] = None if buffer is None else buffer.detach().clone()
    target._non_persistent_buffers_set = set(source._non_persistent_buffers_set)
    for name in ("weight", "bias"):
        if name not in source._parameters:
            vars(target)[name] = getattr(source, name).detach().clone()
    copy_hooks(source, target)


def copy_hooks(source: nn.Module, target: nn.Module) -> None:
    """Hang the source's hooks on ``target`` too, in its mode."""
    for name in _HOOKS:
        vars(target)[name] = vars(source)[name].copy()
    target._is_full_backward_hook = source._is_full_backward_hook
    target.train(source.training)
