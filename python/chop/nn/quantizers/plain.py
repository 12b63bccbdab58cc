"""Whether quantizers are written in torch's own operators, for programs that run where chop is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch

_plain: ContextVar[bool] = ContextVar("plain_operators", default=False)


@contextlib.contextmanager
def plain_operators() -> Iterator[None]:
    """Write integer quantizers in torch's own operators inside the block, in this thread.

    What ``torch.jit.trace`` or ``torch.export.export`` record there holds no ``torch.ops.chop``, so it runs where chop
    is not installed. The numbers are the same; gradients are those of the rounding, mostly 0. ``torch.onnx.export``
    needs no block: no ONNX file could hold the operators.

    >>> from chop.nn.quantized.modules import LinearInteger
    >>> config = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4}
    >>> layer = LinearInteger(2, 3, config=config | {"weight_width": 8, "weight_frac_width": 4}).eval()
    >>> with plain_operators(), torch.no_grad():
    ...     traced = torch.jit.trace(layer, torch.zeros(1, 2))
    >>> "chop::" in str(traced.inlined_graph)
    False
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def writes_plain() -> bool:
    """Whether a quantizer that is called now is to be torch's own operators."""
    exports = torch.compiler.is_exporting()
    if torch.compiler.is_compiling() and not exports:
        return False  # what compiles a model follows no context variable
    if _plain.get():
        return True
    return (exports or torch._C._is_tracing()) and torch.onnx.is_in_onnx_export()
