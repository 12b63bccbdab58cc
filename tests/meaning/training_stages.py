"""Training against plain torch: gradients of the graph, and the native trainer."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chop import MaseGraph
from chop.passes.graph import quantize_transform_pass
from chop.training import NativeTrainer
from tests.meaning.bench import Bench, gap_of, same
from tests.meaning.formats import by_type
from tests.meaning.outcomes import DIFFERS, EQUAL, SKIPPED

Verdict = tuple[str, str]
BATCH, RATE = 16, 0.02
SGD: dict[str, Any] = {"momentum": 0.9, "weight_decay": 0.01}


def gradients(bench: Bench) -> Verdict:
    """Traced in eval mode, run in train mode: output, gradients and buffers, to the bit."""
    plain, made = bench.model(training=True), MaseGraph(bench.model())
    wanted = _trained(plain, bench.x)
    if isinstance(wanted, str):
        return SKIPPED, "plain torch has no gradients here"
    found = _trained(made.model.train(), bench.x)
    if isinstance(found, str):
        # A checkpoint computes again what backward needs, so what it gave may be overwritten; the graph has none.
        is_loud = "modified by an inplace operation" in found
        return SKIPPED if is_loud else DIFFERS, f"the graph has no gradients, the model has: {found}"
    if not same(found, wanted):
        return DIFFERS, gap_of(found, wanted)
    parameters, buffers = dict(_named(made.model)), dict(made.model.named_buffers())
    present = {id(parameter) for name, parameter in _named(plain) if name in parameters}
    for name, parameter in _named(plain):
        if name not in parameters:
            if parameter.grad is not None and id(parameter) not in present:
                return DIFFERS, f"{name} is trained, the graph lacks it"
            continue
        grad = parameters[name].grad
        if (grad is None) != (parameter.grad is None) or (
            grad is not None and not same(grad, parameter.grad)
        ):
            return DIFFERS, f"gradient of {name}"
    for name, buffer in plain.named_buffers():
        if name in buffers and not same(buffers[name], buffer):
            return DIFFERS, f"buffer {name}"
    return EQUAL, ""


def _named(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(model.named_parameters(remove_duplicate=False))


def _trained(model: nn.Module, x: Tensor) -> Tensor | str:
    torch.default_generator.manual_seed(1)
    try:
        output = model(x.clone())
        (output * torch.linspace(-1.0, 1.0, output.numel()).view(output.shape)).sum().backward()
    except (RuntimeError, ValueError) as error:
        if "the graph was traced in" in str(error):
            raise
        return str(error)
    return output.detach()


def trainer(bench: Bench) -> Verdict:
    """Some steps of the native trainer in float64, float and quantized, against a loop in torch."""
    if bench.want.dim() != 2:
        return SKIPPED, "no logits"
    double = _double(bench)
    if double is None:
        return SKIPPED, "plain torch does not run it in float64"
    made = MaseGraph(double)
    why = NativeTrainer.why_not(made, tuple(bench.x.shape[1:]))
    if why is not None:
        raise ValueError(why)
    verdict = _steps(made, double, bench)
    if verdict[0] != EQUAL:
        return verdict
    quantized, _ = quantize_transform_pass(made, by_type(8, 4))
    if NativeTrainer.why_not(quantized, tuple(bench.x.shape[1:])) is not None:
        return EQUAL, "quantized: refused"
    verdict = _steps(quantized, quantized.model, bench)
    return verdict[0], f"quantized: {verdict[1]}" if verdict[1] else ""


def _double(bench: Bench) -> nn.Module | None:
    model = bench.model(training=True).double()
    try:
        again = bench.model().double()
        with torch.no_grad():
            again(bench.x.double())
    except (RuntimeError, ValueError):
        return None
    return model


def _steps(given: MaseGraph, module: nn.Module, bench: Bench) -> Verdict:
    x, y = bench.x.double(), bench.y % bench.want.shape[1]
    plain = copy.deepcopy(module).train()
    native = NativeTrainer(given, x, y, optimizer="sgd", dtype="float64", **SGD)
    epoch = native.epoch(BATCH, RATE)
    try:
        losses = _torch_steps(plain, x, y)
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            return SKIPPED, "torch keeps no values of what is written in place"
        return DIFFERS, f"the native trainer trains what torch does not: {error}"
    if not bool(losses.isfinite().all()):
        return SKIPPED, "losses are not finite"
    worst = float((epoch.losses - losses).abs().max())
    if worst > 1e-6 * max(1.0, float(losses.abs().max())):
        return DIFFERS, f"losses differ by {worst:.3g}"
    found, wanted = native.state_dict(exact=True), plain.state_dict()
    for name, tensor in wanted.items():
        if name not in found:  # of a layer that no node calls
            continue
        gap = float((found[name].double() - tensor.double()).norm())
        if gap > 1e-6 * (1.0 + float(tensor.double().norm())):
            return DIFFERS, f"{name} differs by {gap:.3g}"
    return EQUAL, ""


def _torch_steps(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=RATE, **SGD)
    losses = []
    for rows in torch.arange(len(x)).split(BATCH):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows].clone()), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)
