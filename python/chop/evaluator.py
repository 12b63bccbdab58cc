"""The evaluator: data and weights stay resident in C++, a quantization config is a value handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from chop import _core
from chop.certificate import Certificate, ValueLayers, certify
from chop.ir.graph.core_formats import CoreNode, Format, by_values, core_node, native_quantizers
from chop.ir.graph.lowering_call import plain_tensor
from chop.ir.graph.mase_graph import MaseGraph
from chop.ir.graph.quantize_config import check_rule_keys, resolve_quantize_config
from chop.ir.graph.quantize_targets import QuantizeTargets
from chop.ir.graph.torch_calls import TorchCalls
from chop.ir.graph.tracing import TRACING
from chop.metrics import AskedMetric, Metrics, MetricSpec
from chop.metrics.native import NativeValue
from chop.metrics.scoring import STANDARD, Asked, in_python
from chop.tools.tensors import Array, as_tensor

__all__ = ["Config", "Evaluator", "LayerRoad", "Metrics"]

Config = Mapping[str, Any]
NodeFormats = tuple[str, str, Mapping[str, Format]]


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
        mg: a :class:`MaseGraph` or a module. What the core does not know goes through torch, for that node only;
            a warning names those nodes, :attr:`torch_nodes` says how much time that takes.
        x: inputs, floating point, shape [rows, ...]; a tensor or a NumPy array, taken as float32.
        y: class indices, integers, shape [rows]; None without labels, for what needs none.
        threads: threads of the evaluator's own pool, 1 or more. The GIL is released while it works.

    Raises:
        ValueError: a node mixes the rows of a batch or depends on chance, or ``x`` and ``y`` do not fit the model.

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

    def __init__(self, mg: MaseGraph | nn.Module, x: Array, y: Array | None = None, threads: int = 1) -> None:
        self.graph = mg if isinstance(mg, MaseGraph) else MaseGraph(mg)
        x, y = as_tensor(x, "Evaluator: x"), as_tensor(y, "Evaluator: y")
        if x.dim() < 2:
            raise ValueError(f"Evaluator: x must have the shape [rows, ...], got {list(x.shape)}")
        if y is not None and (y.is_floating_point() or y.dim() != 1):
            given = f"{y.dtype} {list(y.shape)}"
            raise ValueError(f"Evaluator: y must hold class indices, shape [rows], got {given}")
        with TRACING:  # another thread that traces the same model changes it for a while
            self._torch = TorchCalls(self.graph, x, x.shape[1:])
        self.lowered = self._torch.lowered
        self._x = x  # what looks at single layers (chop.best_formats) runs the graph on it
        self._targets = QuantizeTargets(self.graph)
        self._memo = _core.FormatMemo()
        self._seen: set[tuple[str, str]] = set()  # rules: those for nothing are logged once
        self._standards: dict[bool, Asked] = {}
        # Nodes that share a module must get the same rule, which only the whole config can tell.
        modules = self._targets.modules.values()
        self._rules_are_independent = len(modules) == len(set(modules))
        self._labels = None if y is None else plain_tensor(y, torch.int64).clone()
        self._core = _core.Evaluator(
            self.lowered,
            plain_tensor(x, name="Evaluator: x"),
            self._labels,
            threads,
            _torch_fuses_batch_norm(),
            self._torch.float_calls,
        )

    def __repr__(self) -> str:
        return f"Evaluator({self.rows} rows of {list(self._x.shape[1:])}, {len(self._targets.ops)} nodes to quantize)"

    @property
    def rows(self) -> int:
        """Number of rows of data."""
        return self._core.rows

    @property
    def torch_nodes(self) -> Mapping[str, float]:
        """Node -> seconds that torch has spent on it so far, by all threads together.

        Those are the nodes that the core does not know, and the nodes of configs with a quantizer without a native
        twin. torch computes nothing else.
        """
        return self._torch.seconds()

    def evaluate(
        self, config: Config | None = None, loss: bool = True, metrics: Sequence[MetricSpec] | None = None
    ) -> Metrics:
        """Return accuracy and loss under ``config``, the dict that ``quantize_transform_pass`` takes; None: float.

        Args:
            config: quantization config.
            loss: False leaves the cross-entropy out, which costs more than a small network.
            metrics: what to compute instead, from ``chop.metrics.METRICS``: names, or mappings with ``name`` and the
                metric's options. Those that compare with the float model run it beside the quantized one. A metric in
                Python gets all logits from :meth:`forward`, which is slow beside the native ones.

        Raises:
            ConfigError: the config is not one for this model, or a metric cannot be computed; the message names the key
                path.
            UnknownNameError: (a KeyError and a ValueError) an unknown metric.

        >>> import torch
        >>> ev = Evaluator(nn.ReLU(), torch.eye(3), torch.tensor([0, 1, 1]))
        >>> ev.evaluate(metrics=["accuracy_micro", {"name": "top_k", "k": 2}, "output_mse"])
        Metrics(rows=3, accuracy_micro=0.666667, top_k(k=2)=0.666667, output_mse=0)
        """
        return self.evaluate_many([config], loss, metrics)[0]

    def evaluate_many(
        self,
        configs: Sequence[Config | None],
        loss: bool = True,
        metrics: Sequence[MetricSpec] | None = None,
    ) -> list[Metrics]:
        """Return :meth:`evaluate` of each config, in their order, computed in one pass over the data."""
        asked = self._standard(loss) if metrics is None else self._ask(metrics)
        found = self._run([self._formats(config) for config in configs], asked)
        outputs = _Outputs(self)
        return [
            asked.result(self.rows, values, partial(outputs.metric, config))
            for config, values in zip(configs, found, strict=True)
        ]

    def _run(self, formats: Sequence[_core.Formats], asked: Asked) -> list[list[NativeValue]]:
        with self._torch.one_thread():
            return self._core.evaluate(formats, asked.specs)

    def _ask(self, metrics: Sequence[MetricSpec]) -> Asked:
        shape = self._core.output_shape
        if len(shape) != 1:
            raise ValueError(f"Evaluator: metrics need logits [rows, classes], got [rows, {str(shape)[1:]}")
        return Asked(metrics, shape[0], self._labels is not None)

    def _standard(self, loss: bool) -> Asked:
        """Asked for in each trial of a search: prepared once."""
        if loss not in self._standards:
            self._standards[loss] = self._ask(STANDARD if loss else STANDARD[:2])
        return self._standards[loss]

    def _evaluate_formats(
        self, variants: Sequence[Sequence[NodeFormats]], loss: bool = True
    ) -> list[Metrics]:
        """Evaluate, in one pass, what no config can say: single operands changed.

        A variant lists the quantized nodes as (node, quantizer, {operand: format}); an operand that is left out
        is float.
        """
        formats = [_core.Formats([core_node(*node) for node in variant if node[2]]) for variant in variants]
        asked = self._standard(loss)
        none_in_python = partial(_Outputs(self).metric, None)
        return [asked.result(self.rows, values, none_in_python) for values in self._run(formats, asked)]

    def forward(self, config: Config | None = None) -> Tensor:
        """Return the model's outputs under ``config``, float32, shape [rows, ...]; logits [rows, classes]."""
        logits = torch.empty(self.rows, *self._core.output_shape)
        formats = self._formats(config)
        with self._torch.one_thread():
            self._core.forward(formats, logits)
        return logits

    def roads(self, config: Config | None = None) -> list[LayerRoad]:
        """Return how each linear layer is computed under ``config``, and its worst-case bound."""
        return [LayerRoad(*row) for row in self._core.layers(self._formats(config))]

    def certificate(self, config: Config | None = None) -> Certificate:
        """Return what is certain of each layer under ``config``: bounds, widths, saturation, and whether it is exact.

        Unlike :meth:`roads` it looks at the data: one pass in plain numbers that hold every partial sum, much
        slower than :meth:`evaluate`.
        """
        formats = self._formats(config)
        with self._torch.one_thread():
            found = self._core.certificate(formats)
        by_torch = {call.node: "the core does not run it" for call in self._torch.float_calls}
        values: dict[str, str] = {}
        for rule in resolve_quantize_config(self._targets, config) if config is not None else ():
            if rule.formats and rule.quantizer not in native_quantizers():
                by_torch[rule.node] = f"the quantizer {rule.quantizer!r} has no native twin"
            elif rule.formats and by_values(rule):
                values[rule.node] = ", ".join(
                    f"{operand} {format}" for operand, format in rule.formats.items()
                )
        return certify(
            self.lowered.nodes,
            found,
            self.rows,
            _core.float_ops(),
            by_torch,
            self._x.is_contiguous(),
            ValueLayers(values, {row.node: (row.road, row.bound) for row in self.roads(config)}),
        )

    def _formats(self, config: Config | None) -> _core.Formats:
        return _FLOAT if config is None else self._memo.find(config) or self._resolved(config)

    def _resolved(self, config: Config) -> _core.Formats:
        """Formats of a config with a rule that was not seen before."""
        rules = [rule for rule in resolve_quantize_config(self._targets, config) if rule.formats]
        by = config["by"]
        if new := [key for key in config if key != "by" and (by, key) not in self._seen]:
            check_rule_keys(new, by, self._targets, "evaluate")
            self._seen.update((by, key) for key in new)
        native, calls = self._torch.of(rules)
        found: dict[str, list[CoreNode]] = {}
        for rule in native:
            assert rule.formats is not None and rule.quantizer is not None
            found.setdefault(rule.rule, []).append(core_node(rule.node, rule.quantizer, rule.formats))
        if self._rules_are_independent and not calls and not any(map(by_values, native)):
            self._memo.remember(config, [found.get(key, []) for key in config if key != "by"])
        return _core.Formats([node for nodes in found.values() for node in nodes], calls)


_FLOAT = _core.Formats([])


@cache
def _torch_fuses_batch_norm() -> bool:
    # torch rounds BatchNorm's multiply and add once where it has FMA kernels, twice where it has none.
    return torch.backends.cpu.get_cpu_capability() != "DEFAULT"


class _Outputs:
    """Logits for the metrics in Python: computed on demand, those of the float model once."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._of: tuple[Config | None, Tensor] | None = None  # the config asked last, and its logits

    @cached_property
    def reference(self) -> Tensor:
        return self._evaluator.forward(None)

    def metric(self, config: Config | None, asked: AskedMetric) -> float | Tensor:
        """Return a metric of the logits under ``config``."""
        if self._of is None or self._of[0] is not config:
            self._of = config, self._evaluator.forward(config)
        reference = self.reference if asked.metric.needs_reference else None
        return in_python(asked, self._of[1], self._evaluator._labels, reference)
