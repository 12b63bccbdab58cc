"""The widths that a redefinition gives to each layer, worked out before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from torch import fx, nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.ops import describe_target, find_row
from chop.nn.quantized.quantized_module import QuantizedModule
from chop.passes.graph.transforms.redefine.flow import (
    CHANNELS_1D,
    CHANNELS_2D,
    LAST,
    Flow,
    Segment,
    hand_on,
    recorded_rank,
)
from chop.passes.graph.transforms.redefine.rules import (
    NORM_OPS,
    RESIZED_OPS,
    RedefineArguments,
    RedefineRule,
    read_arguments,
)
from chop.passes.graph.transforms.redefine.widths import check_groups, check_size, scaled, scaled_by
from chop.tools.errors import ConfigError

_AXES = {"linear": LAST, "conv1d": CHANNELS_1D, "conv2d": CHANNELS_2D, "batch_norm2d": CHANNELS_2D}
_EXACT = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, slots=True)
class LayerChange:
    """The new widths of one layer.

    Attributes:
        node: the first node that calls it.
        target: its name in the model.
        inputs, outputs: channels before and after; for a batch norm both are its number of features.
        segments: which stretches of channels the input has, before and after.
        tiled: how they lie after a flattening, see :class:`Flow`.
        follows: True for a batch norm that no rule names.
        groups: of a convolution, after; a depthwise one has as many as channels.
    """

    node: str
    target: str
    inputs: Segment
    outputs: Segment
    segments: tuple[Segment, ...]
    tiled: bool
    follows: bool = False
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Redefinition:
    """A checked plan.

    Attributes:
        arguments: as given, checked.
        layers: the layers that are made anew.
        outputs: channels of the model's outputs that change: node -> (before, after).
        notes: what a reader of the log should know.
    """

    arguments: RedefineArguments
    layers: tuple[LayerChange, ...]
    outputs: dict[str, Segment]
    notes: tuple[str, ...]


def plan_redefinition(graph: MaseGraph, pass_args: Mapping[str, Any] | None) -> Redefinition:
    """Work out what :func:`redefine_transform_pass` would do, and refuse what would not fit; changes nothing.

    Raises:
        ConfigError: bad arguments, or widths that do not meet; the message names both nodes and both widths.

    >>> graph = MaseGraph(nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 5)))
    >>> first = {"config": {"name": "output_only", "channel_multiplier": 2}}
    >>> plan_redefinition(graph, {"config": {"_0": first}})
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: redefine: node _0 gives 32 channels, but node _1 takes 16; give _1 a rule with \
the name input_only or both
    >>> plan = plan_redefinition(graph, {"config": {"_0": first, "_1": {"config": {"name": "input_only"}}}})
    >>> [(layer.node, layer.inputs, layer.outputs) for layer in plan.layers]
    [('_0', (16, 16), (16, 32)), ('_1', (16, 32), (5, 5))]
    """
    return _Planner(graph, read_arguments(graph, pass_args)).plan()


@dataclass(slots=True)
class _Planner:
    graph: MaseGraph
    arguments: RedefineArguments
    modules: dict[str, nn.Module] = field(init=False)
    flows: dict[fx.Node, Flow] = field(default_factory=dict)
    by_name: dict[str, Flow] = field(default_factory=dict)
    changes: dict[int, LayerChange] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    outputs: dict[str, Segment] = field(default_factory=dict)

    def plan(self) -> Redefinition:
        self.modules = self.graph.modules
        for node in self.graph.nodes:
            if node.op == "output":
                self._note_outputs(node)
                continue
            self.flows[node] = self.by_name[node.name] = self._flow(node)
        made = [c for c in self.changes.values() if self._is_made(c)]
        for change in made:
            self._check_replaceable(change)
        return Redefinition(self.arguments, tuple(made), self.outputs, tuple(self.notes))

    def _is_made(self, change: LayerChange) -> bool:
        return change.node in self.arguments.rules or change.inputs[0] != change.inputs[1]

    def _note_outputs(self, node: fx.Node) -> None:
        for source in node.all_input_nodes:
            flow = self.flows[source]
            if flow.changed:
                self.outputs[source.name] = (flow.old or 0, flow.new or 0)

    def _flow(self, node: fx.Node) -> Flow:
        rule = self.arguments.rules.get(node.name)
        row = find_row(node, self.modules)
        mase_op = row.mase_op if row is not None and node.op == "call_module" else ""
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        if mase_op in RESIZED_OPS and _is_known(module) and len(node.all_input_nodes) == 1:
            return self._resized(node, mase_op, rule)
        if mase_op in NORM_OPS and _is_known(module) and len(node.all_input_nodes) == 1:
            return self._norm(node, mase_op, rule)
        if rule is not None and mase_op in (*RESIZED_OPS, *NORM_OPS):
            raise ConfigError(
                f"redefine: node {node.name} is a {describe_target(node, self.modules)}, a class of its own "
                "that is not known how to make with other widths"
            )
        flow = hand_on(node, self.flows, self.modules)
        if rule is not None:
            self._check_kept(node, rule, flow)
        return flow

    def _resized(self, node: fx.Node, mase_op: str, rule: RedefineRule | None) -> Flow:
        module: Any = self.modules[str(node.target)]
        flow = self._input(node, _AXES[mase_op])
        linear = mase_op == "linear"
        before = (
            (module.in_features, module.out_features) if linear else (module.in_channels, module.out_channels)
        )
        given = scaled_by(before[0], flow.ratio, node, "its input")
        taken = scaled_by(before[0], self._input_ratio(node, rule, flow), node, "its input")
        if given != taken:
            self._refuse_mismatch(node, flow, given, taken, rule)
        out = (
            scaled(before[1], rule.multiplier, node) if rule is not None and rule.scales_output else before[1]
        )
        groups = 1 if linear else module.groups
        if groups > 1 and groups == before[0]:  # depthwise: a group for each channel
            groups = taken
        check_groups(node, groups, taken, out)
        check_size(node, taken // groups, out, module)
        self._keep(node, (before[0], taken), (before[1], out), flow, False, groups)
        return Flow(node.name, ((before[1], out),), _AXES[mase_op], layered=True)

    def _norm(self, node: fx.Node, mase_op: str, rule: RedefineRule | None) -> Flow:
        module: Any = self.modules[str(node.target)]
        incoming = self.flows[node.all_input_nodes[0]]
        rank = recorded_rank(node.all_input_nodes[0])
        axis = _AXES.get(mase_op) or (incoming.axis if rank is None else 1 - rank)
        flow = self._input(node, axis)
        before = module.num_features
        after = scaled_by(before, flow.ratio, node, "its input")
        if rule is not None:
            self._check_kept(node, rule, Flow(flow.maker, ((before, after),)))
        self._keep(node, (before, after), (before, after), flow, rule is None)
        if flow.segments is not None and flow.old == before:
            return flow
        return Flow(flow.maker, ((before, after),), axis, flow.layered, flow.tiled)

    def _input(self, node: fx.Node, axis: int) -> Flow:
        flow = self.flows[node.all_input_nodes[0]]
        if flow.changed and flow.axis != axis:
            raise ConfigError(
                f"redefine: node {flow.maker} would give {flow.new} channels instead of {flow.old}, and node "
                f"{node.name} does not read its channels on the same axis: nothing lies between to flatten them"
            )
        return flow

    def _input_ratio(self, node: fx.Node, rule: RedefineRule | None, flow: Flow) -> Fraction:
        """New over old channels of the input: the parent's, and without a named one that of what feeds it."""
        if rule is None or not rule.scales_input:
            return Fraction(1)
        if rule.parent is not None:
            ratio = self.by_name[rule.parent].ratio
        elif flow.layered:
            ratio = flow.ratio
        else:
            # Nothing upstream could have changed: the multiplier can only be meant for the model's input.
            return Fraction(rule.multiplier) if rule.multiplier is not None else Fraction(1)
        if (
            rule.kind == "input_only"
            and rule.multiplier is not None
            and float(ratio) != float(rule.multiplier)
        ):
            self.notes.append(
                f"node {node.name} takes the multiplier {float(ratio):g} of {rule.parent or flow.maker}; "
                f"its own channel_multiplier {rule.multiplier:g} has no effect, for its output stays"
            )
        return ratio

    def _check_kept(self, node: fx.Node, rule: RedefineRule, flow: Flow) -> None:
        """A layer without an input and output of its own gives what it takes: its rule must say no more."""
        wanted = flow.ratio
        if rule.scales_input and rule.parent is not None:
            wanted = self.by_name[rule.parent].ratio
        elif rule.scales_output and rule.multiplier is not None:
            wanted = Fraction(rule.multiplier)
        if abs(wanted - flow.ratio) > Fraction(1, 10**9):
            old = flow.old or 1
            raise ConfigError(
                f"redefine: node {flow.maker} gives {flow.new or old} channels, but node {node.name} would take "
                f"{float(wanted * old):g} (of {old}); its channels are those of its input"
            )

    def _refuse_mismatch(
        self, node: fx.Node, flow: Flow, given: int, taken: int, rule: RedefineRule | None
    ) -> None:
        hint = ""
        if rule is None or not rule.scales_input:
            hint = f"; give {node.name} a rule with the name input_only or both"
        elif rule.parent is not None:
            hint = f" (those of its parent_block_name {rule.parent})"
        elif not flow.layered:
            hint = "; no layer before it changes them, so its name should be output_only"
        raise ConfigError(
            f"redefine: node {flow.maker} gives {given} channels, but node {node.name} takes {taken}{hint}"
        )

    def _keep(
        self, node: fx.Node, inputs: Segment, outputs: Segment, flow: Flow, follows: bool, groups: int = 1
    ) -> None:
        segments = flow.segments if flow.changed and flow.segments is not None else (inputs,)
        change = LayerChange(
            node.name,
            str(node.target),
            inputs,
            outputs,
            segments,
            flow.changed and bool(flow.tiled),
            follows,
            groups,
        )
        first = self.changes.setdefault(id(self.modules[change.target]), change)
        if (first.inputs, first.outputs) != (inputs, outputs):
            raise ConfigError(
                f"redefine: nodes {first.node} and {node.name} call the same layer {change.target}, but it would "
                f"be {first.inputs[1]} to {first.outputs[1]} channels for the one and {inputs[1]} to "
                f"{outputs[1]} for the other"
            )

    def _check_replaceable(self, change: LayerChange) -> None:
        module = self.modules[change.target]
        own = dict(module.named_parameters())
        computed = "weight" not in own and getattr(module, "weight", None) is not None
        if computed:
            raise ConfigError(
                f"redefine: the weight of node {change.node} is computed (pruned or normed): it has no new widths"
            )
        mine = {id(parameter) for parameter in own.values()}
        for name, other in self.modules.items():
            shared = other is not module and any(id(p) in mine for p in other.parameters(recurse=False))
            if shared:
                raise ConfigError(
                    f"redefine: node {change.node} shares a weight with {name}: new widths would part them"
                )


def _is_known(module: nn.Module | None) -> bool:
    return type(module) in _EXACT or (isinstance(module, QuantizedModule) and module.float_type in _EXACT)
