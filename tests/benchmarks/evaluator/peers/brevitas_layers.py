"""Brevitas layers with 8-bit weights and inputs, scales calibrated on a part of the data, in its inference mode."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.benchmarks.evaluator.cases import Case

from .peer import Configure, Outcome, Peer, fixed, score


def quantized(case: Case) -> nn.Module:
    import brevitas.nn as qnn
    from brevitas.graph.calibrate import calibration_mode
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat

    quantizers = {"weight_quant": Int8WeightPerTensorFloat, "input_quant": Int8ActPerTensorFloat}
    model = copy.deepcopy(case.model)
    for name, layer in list(model.named_modules()):
        has_bias = getattr(layer, "bias", None) is not None
        if isinstance(layer, nn.Linear):
            made = qnn.QuantLinear(layer.in_features, layer.out_features, has_bias, **quantizers)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d):
            kind = qnn.QuantConv1d if isinstance(layer, nn.Conv1d) else qnn.QuantConv2d
            sizes = (layer.in_channels, layer.out_channels, layer.kernel_size)
            made = kind(*sizes, padding=layer.padding, bias=has_bias, **quantizers)
        else:
            continue
        made.load_state_dict(layer.state_dict(), strict=False)
        model.set_submodule(name, made)
    with torch.no_grad(), calibration_mode(model.eval()):
        model(case.x[:4096])
    return model.eval()


def build(case: Case) -> Configure:
    from brevitas.export.inference import quant_inference_mode

    model = quantized(case)
    # Its inference mode is a third faster than plain evaluation; it stays on for as long as the model lives.
    mode = quant_inference_mode(model)
    mode.__enter__()
    with torch.no_grad():
        model(case.x[:1])

    def run(keep_mode: object = mode) -> Outcome:
        return score(model(case.x), case.y)

    return fixed(run)


PEERS = (Peer("brevitas", "Brevitas 8 bit, inference mode", build, ("brevitas",), rebuilds=True),)
