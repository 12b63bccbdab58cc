"""The evaluator: data and weights stay resident in C++, a quantization config is a value handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from chop import _core
from chop.certificate import Certificate, certify
from chop.ir.graph.lowering import lower, plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantize_config import NodeRule, resolve_quantize_config
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.tools.errors import ConfigError

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one evaluation found.

    Attributes:
        accuracy: mean recall over the classes that occur as label or prediction, 0..1 (torchmetrics' macro average,
            which MASE reports).
        accuracy_micro: right rows over all rows, 0..1.
        loss: cross-entropy in nats, mean over rows, added up in float64; None if not asked for.
        rows: how many rows were evaluated.
        correct: how many of them were right.
    """

    accuracy: float
    accuracy_micro: float
    loss: float | None
    rows: int
    correct: int


@dataclass(frozen=True, slots=True)
class LayerRoad:
    """How one linear layer or convolution is computed under a config.

    Attributes:
        road: what the sums of codes are made in: ``fp32``, ``int8``, ``int16``, ``int32`` (the width of inputs and
            weights; sums have 32 bits) or ``fp64``; ``float`` for a layer that is not quantized as a whole.
        bound: largest absolute sum that any input can give, in units of the finest grid; 0 for a float layer.
    """

    node: str
    road: str
    bound: float

    @property
    def exact(self) -> bool:
        """Whether float32 holds every partial sum, in any order: then torch's result equals the integers'."""
        return self.road != "float" and self.bound < _EXACT_IN_FLOAT32


_EXACT_IN_FLOAT32 = 2.0**24


class Evaluator:
    """Evaluates quantization configs of one model on one set of data, without touching the model.

    Lowers the model once and copies weights and data, so later changes of either are not seen. Every call is free of
    memory: a result depends on its config only, not on earlier calls, threads or the other configs of the call. The
    logits equal those of the graph quantized by ``quantize_transform_pass`` bit for bit wherever :meth:`certificate`
    finds every layer exact.

    NaN and infinities are data like any other. Quantized, an infinity is the end of its format's range and NaN stays
    NaN, as in torch's fake quantization; a sum with NaN is NaN, and so are the outputs of its row that depend on it.
    Integer roads hold no NaN, so a layer whose input may have one (there are infinities or NaN in ``x``, or NaN in
    the weights before it) is summed in floats. A row with NaN among its logits counts as predicted to be the first
    class that has NaN, as ``argmax`` says, and makes the loss NaN. No rows are refused, with a ``ValueError``.

    Args:
        mg: a :class:`MaseGraph` or a module with one input: Linear, Conv1d, Conv2d, BatchNorm (eval), ReLU,
            reshaping, and the operations that ``chop._core.float_ops()`` names.
        x: inputs, floating point, shape [rows, ...].
        y: class indices, integers, shape [rows].
        threads: threads of the evaluator's own pool, 1 or more. The GIL is released while it works.

    Raises:
        ValueError: the model has an operation that the evaluator does not run, or ``x`` and ``y`` do not fit it.

    >>> import torch
    >>> from torch import nn
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.3]]))
    >>> ev = Evaluator(nn.Sequential(layer), torch.eye(2), torch.tensor([0, 1]))
    >>> ev.evaluate().accuracy
    1.0
    >>> one_bit = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 2,
    ...            "weight_frac_width": 0}
    >>> ev.evaluate({"by": "type", "default": {"config": {"name": None}}, "linear": {"config": one_bit}}).accuracy
    0.5
    """

    def __init__(self, mg: MaseGraph | nn.Module, x: Tensor, y: Tensor, threads: int = 1) -> None:
        self.graph = mg if isinstance(mg, MaseGraph) else MaseGraph(mg)
        if x.dim() < 2:
            raise ValueError(f"Evaluator: x must have the shape [rows, ...], got {list(x.shape)}")
        if y.is_floating_point() or y.dim() != 1:
            raise ValueError(
                f"Evaluator: y must hold class indices, shape [rows], got {y.dtype} {list(y.shape)}"
            )
        self.lowered = lower(self.graph, input_shapes=tuple(x.shape[1:]))
        self._targets = QuantizeTargets(self.graph)
        self._memo = _core.FormatMemo()
        # Nodes that share a module must get the same rule, which only the whole config can tell.
        modules = self._targets.modules.values()
        self._rules_are_independent = len(modules) == len(set(modules))
        self._core = _core.Evaluator(
            self.lowered, plain_tensor(x), plain_tensor(y, torch.int64), threads, _torch_fuses_batch_norm()
        )

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return self._core.rows

    def evaluate(self, config: Config | None = None, loss: bool = True) -> Metrics:
        """Return accuracy and loss under ``config``, the dict that ``quantize_transform_pass`` takes; None: float.

        Raises:
            ConfigError: the config is not one for this model; the message names the key path.
        """
        return self.evaluate_many([config], loss)[0]

    def evaluate_many(self, configs: Sequence[Config | None], loss: bool = True) -> list[Metrics]:
        """Return :meth:`evaluate` of each config, in their order, computed in one pass over the data."""
        formats = [self._formats(config) for config in configs]
        return [_metrics(found) for found in self._core.evaluate(formats, loss)]

    def forward(self, config: Config | None = None) -> Tensor:
        """Return the model's outputs under ``config``, float32, shape [rows, ...]; logits [rows, classes]."""
        logits = torch.empty(self.rows, *self._core.output_shape)
        self._core.forward(self._formats(config), logits)
        return logits

    def roads(self, config: Config | None = None) -> list[LayerRoad]:
        """Return how each linear layer is computed under ``config``, and its worst-case bound."""
        return [LayerRoad(*row) for row in self._core.layers(self._formats(config))]

    def certificate(self, config: Config | None = None) -> Certificate:
        """Return what is certain of each layer under ``config``: bounds, widths, saturation, and whether it is exact.

        Unlike :meth:`roads` it looks at the data: one pass in plain 128-bit integers, much slower than
        :meth:`evaluate`.
        """
        found = self._core.certificate(self._formats(config))
        return certify(self.lowered.nodes, found, self.rows, _core.float_ops())

    def _formats(self, config: Config | None) -> _core.Formats:
        if config is None:
            return _FLOAT
        return self._memo.find(config) or self._resolved(config)

    def _resolved(self, config: Config) -> _core.Formats:
        """Formats of a config with a rule that was not seen before."""
        found: dict[str, list[_NodeFormats]] = {}
        for rule in resolve_quantize_config(self._targets, config):
            if rule.formats is not None:
                found.setdefault(rule.rule, []).append(_core_format(rule))
        if self._rules_are_independent:
            self._memo.remember(config, [found.get(key, []) for key in config if key != "by"])
        return _core.Formats([node for nodes in found.values() for node in nodes])


_NodeFormats = tuple[str, str, dict[str, tuple[int, int, bool]]]
_FLOAT = _core.Formats([])


def _core_format(rule: NodeRule) -> _NodeFormats:
    assert rule.formats is not None and rule.quantizer is not None
    if rule.quantizer not in _native_quantizers():
        raise ConfigError(
            f"evaluator: node {rule.node} uses the quantizer {rule.quantizer!r}, which has no native twin; "
            f"native: {', '.join(sorted(_native_quantizers()))}"
        )
    operands = {name: (f.width, f.frac_width, f.is_signed) for name, f in rule.formats.items()}
    return rule.node, rule.quantizer, operands


@cache
def _native_quantizers() -> frozenset[str]:
    return frozenset(_core.quantizers())


@cache
def _torch_fuses_batch_norm() -> bool:
    # torch rounds BatchNorm's multiply and add once where it has FMA kernels, twice where it has none.
    return torch.backends.cpu.get_cpu_capability() != "DEFAULT"


def _metrics(found: _core.Metrics) -> Metrics:
    return Metrics(found.accuracy, found.accuracy_micro, found.loss, found.rows, sum(found.correct))
