"""The ways to evaluate one trial that the evaluator is compared with: one file each."""

from __future__ import annotations

from . import brevitas_layers, compiled, eager, mase, onnx_runtime, pt2e
from .peer import Configure, Outcome, Peer, Run, Source, score

PEERS = {
    peer.name: peer
    for module in (mase, eager, compiled, brevitas_layers, pt2e, onnx_runtime)
    for peer in module.PEERS
}

__all__ = ["PEERS", "Configure", "Outcome", "Peer", "Run", "Source", "score"]
