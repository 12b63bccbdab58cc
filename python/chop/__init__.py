"""chop: a quantization lab for PyTorch models, MASE's Python interface on a C++20 core.

>>> import chop
>>> chop.__version__.count(".")
2
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chop import _interrupt

_interrupt.quiet_while_importing()

import torch  # noqa: E402, F401  the native libraries resolve their symbols in the libtorch that is loaded here

from chop import _aliases, _core  # noqa: E402

if TYPE_CHECKING:
    from chop.certificate import Certificate
    from chop.comparison import Comparison, compare
    from chop.evaluator import Evaluator, Metrics
    from chop.format_scan import best_formats
    from chop.ir.graph.lowering import lower
    from chop.ir.graph.mase_graph import MaseGraph, MaseTracer
    from chop.ir.graph.short_config import quantize_config
    from chop.models.registration import register_model
    from chop.nn.quantizers.short_form import fixed
    from chop.passes.quantize_model import quantize
    from chop.qonnx.load import load_qonnx
    from chop.sensitivities import sensitivity

_aliases.install()

__version__: str = _core.__version__

__all__ = [
    "Certificate",
    "Comparison",
    "Evaluator",
    "MaseGraph",
    "MaseTracer",
    "Metrics",
    "__version__",
    "best_formats",
    "compare",
    "fixed",
    "load_qonnx",
    "lower",
    "passes",
    "quantize",
    "quantize_config",
    "register_model",
    "sensitivity",
]

# Names are looked up on first use, so that `import chop` stays light.
_EXPORTS = {
    "Certificate": "chop.certificate",
    "Comparison": "chop.comparison",
    "compare": "chop.comparison",
    "best_formats": "chop.format_scan",
    "sensitivity": "chop.sensitivities",
    "Evaluator": "chop.evaluator",
    "Metrics": "chop.evaluator",
    "MaseGraph": "chop.ir.graph.mase_graph",
    "MaseTracer": "chop.ir.graph.mase_graph",
    "load_qonnx": "chop.qonnx.load",
    "lower": "chop.ir.graph.lowering",
    "fixed": "chop.nn.quantizers.short_form",
    "quantize": "chop.passes.quantize_model",
    "quantize_config": "chop.ir.graph.short_config",
    "register_model": "chop.models.registration",
}
_SUBMODULES = (
    "actions",
    "certificate",
    "comparison",
    "cost",
    "dataset",
    "evaluator",
    "emit",
    "export",
    "format_scan",
    "integers",
    "ir",
    "metrics",
    "models",
    "nn",
    "passes",
    "plotting",
    "plt_wrapper",
    "qonnx",
    "training",
    "registry",
    "search",
    "sensitivities",
    "tools",
)


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"chop.{name}")
    else:
        raise AttributeError(f"module 'chop' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES})
