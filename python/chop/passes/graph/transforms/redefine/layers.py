"""Making a layer anew with other widths, fresh or with what its weights have in common with the old ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.transforms.redefine.flow import Segment
from chop.passes.graph.transforms.redefine.plan import LayerChange


def make_layer(module: nn.Module, change: LayerChange, inherit: bool, seed: int | None) -> nn.Module:
    """Return the new layer: torch's initial weights, or, to ``inherit``, the old ones where both have them.

    Args:
        module: a Linear, Conv1d, Conv2d, BatchNorm1d or BatchNorm2d, quantized or not; it stays as it is.
        change: its new widths.
        inherit: copy the weights of the channels that both have, in order; a convolution in groups whose
            widths change is all fresh, for its channels move from group to group.
        seed: of the initial weights, together with the layer's name; None draws on torch's generator.
    """
    old = module.to_float() if isinstance(module, QuantizedModule) else module
    generator = torch.default_generator
    state = generator.get_state()
    if seed is not None:
        generator.manual_seed(_layer_seed(seed, change.target))
    try:
        new = _resized(old, change)
    finally:
        if seed is not None:
            generator.set_state(state)
    if inherit:
        _inherit(old, new, change)
    _take_over_placement(old, new)
    return type(module).from_float(new, module.config) if isinstance(module, QuantizedModule) else new


def _layer_seed(seed: int, target: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{target}".encode(), digest_size=8).digest(), "little") >> 1


def _resized(old: Any, change: LayerChange) -> nn.Module:
    # On the CPU, whatever the device: the same seed gives the same weights everywhere.
    fan_in, fan_out = change.inputs[1], change.outputs[1]
    if isinstance(old, nn.Linear):
        return nn.Linear(fan_in, fan_out, old.bias is not None)
    if isinstance(old, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return type(old)(fan_out, old.eps, old.momentum, old.affine, old.track_running_stats)
    kept = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    sizes = {"groups": change.groups, **{name: getattr(old, name) for name in kept}}
    return cast(nn.Module, type(old)(fan_in, fan_out, bias=old.bias is not None, **sizes))


def _take_over_placement(old: nn.Module, new: nn.Module) -> None:
    for name, parameter in old.named_parameters():
        new.get_parameter(name).requires_grad_(parameter.requires_grad)
    tensors = [*old.parameters(), *(b for b in old.buffers() if b.is_floating_point())]
    if tensors:
        new.to(device=tensors[0].device, dtype=tensors[0].dtype)
    new.train(old.training)


@torch.no_grad()
def _inherit(old: Any, new: Any, change: LayerChange) -> None:
    same = change.inputs[0] == change.inputs[1] and change.outputs[0] == change.outputs[1]
    if getattr(old, "groups", 1) > 1 and not same:
        return
    before, after = (t for t in _shared(change.segments, change.inputs[0], change.tiled))
    if isinstance(old, (nn.BatchNorm1d, nn.BatchNorm2d)):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if getattr(old, name) is not None:
                getattr(new, name)[after] = getattr(old, name).detach().cpu().float()[before]
        if old.num_batches_tracked is not None:
            new.num_batches_tracked.copy_(old.num_batches_tracked)
        return
    rows = min(change.outputs)
    weight = old.weight.detach().cpu().float()
    if getattr(old, "groups", 1) > 1:
        new.weight.copy_(weight)
    else:
        new.weight[:rows, after] = weight[:rows, before]
    if old.bias is not None:
        new.bias[:rows] = old.bias.detach().cpu().float()[:rows]


def _shared(segments: Sequence[Segment], inputs: int, tiled: bool) -> tuple[Tensor, Tensor]:
    """Indexes of the channels that the layer has before and after: where they lie in each."""
    total_before, total_after = sum(s[0] for s in segments), sum(s[1] for s in segments)
    repeats = inputs // total_before
    starts = (0, 0)
    found: list[tuple[int, int]] = []
    for before, after in segments:
        found += [(starts[0] + i, starts[1] + i) for i in range(min(before, after))]
        starts = (starts[0] + before, starts[1] + after)
    channels = torch.tensor(found)
    if tiled:
        steps = torch.tensor([[total_before, total_after]]) * torch.arange(repeats)[:, None]
        indexes = (steps[:, None] + channels[None]).reshape(-1, 2)
    else:
        indexes = (channels[:, None] * repeats + torch.arange(repeats)[None, :, None]).reshape(-1, 2)
    return indexes[:, 0], indexes[:, 1]
