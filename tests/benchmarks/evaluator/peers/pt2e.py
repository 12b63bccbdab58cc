"""torchao's PT2E int8 flow: export, x86 inductor quantizer, calibrate, convert, compile with frozen weights."""

from __future__ import annotations

import logging
from functools import partial

import torch
from torch import nn
from torch._inductor import config as inductor_config

from tests.benchmarks.evaluator.cases import Case

from .compiled import compiled_run
from .peer import Configure, Peer, fixed


def quantized(case: Case) -> nn.Module:
    logging.getLogger("torchao").setLevel(logging.ERROR)  # it looks for CUDA libraries
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(case.model, (case.x,)).module(), quantizer)
        prepared(case.x)
        return convert_pt2e(prepared)


def build(case: Case, with_loss: bool) -> Configure:
    run = compiled_run(quantized(case), case, with_loss)
    # The patterns of int8 layers match on frozen weights only; as an option of torch.compile this comes too late.
    with inductor_config.patch(freezing=True), torch.no_grad():
        run()
    return fixed(run)


NEEDS = ("torchao", "c++")
PEERS = (
    Peer("pt2e", "PT2E int8 (torchao), torch's loss", partial(build, with_loss=False), NEEDS, rebuilds=True),
    Peer(
        "pt2e_all",
        "PT2E int8 (torchao), loss and accuracy compiled too",
        partial(build, with_loss=True),
        NEEDS,
        rebuilds=True,
        loss_by_torch=False,
    ),
)
