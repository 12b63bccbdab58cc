"""Weights of redefined layers, and random multipliers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chop import MaseGraph
from chop.models import get_model
from chop.passes.graph import redefine_transform_pass
from chop.tools.errors import ConfigError
from tests.passes.redefine_cases import LAB, Concatenated, ConvNet, Residual, Signal, rule, widths_of


def state_of(model: nn.Module, config: dict[str, Any], **options: Any) -> dict[str, torch.Tensor]:
    graph, _ = redefine_transform_pass(MaseGraph(model), {"config": config, **options})
    return dict(graph.model.state_dict())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_fresh_weights_are_torchs_and_a_seed_repeats_them() -> None:
    model = get_model("jsc-three-linear-relu")
    torch.manual_seed(4)
    expected = nn.Linear(16, 32)
    torch.manual_seed(4)
    first = state_of(model, LAB)
    assert torch.equal(first["seq_blocks.2.weight"], expected.weight)
    state = torch.get_rng_state()
    seeded = state_of(model, LAB, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert same(seeded, state_of(model, LAB, seed=1)) and not same(seeded, state_of(model, LAB, seed=2))
    # A layer's weights depend on its own widths, not on those of the layers before it.
    other = {**LAB, "seq_blocks_2": rule("output_only", 4), "seq_blocks_4": rule("both", 4)}
    assert torch.equal(seeded["seq_blocks.6.weight"], state_of(model, other, seed=1)["seq_blocks.6.weight"])


def test_a_layer_with_a_rule_is_fresh_even_at_its_own_width() -> None:
    model = get_model("jsc-three-linear-relu")
    kept, fresh = "seq_blocks.6.weight", "seq_blocks.2.weight"
    state = state_of(model, {"seq_blocks_2": rule("output_only", 1)})
    assert not torch.equal(state[fresh], model.state_dict()[fresh])
    assert torch.equal(state[kept], model.state_dict()[kept])
    inherited = state_of(model, {"seq_blocks_2": rule("output_only", 1)}, weights="inherit")
    assert same(inherited, dict(model.state_dict()))


def test_inherited_weights_are_the_leading_ones() -> None:
    model = get_model("jsc-toy")
    with torch.no_grad():
        model.seq_blocks[3].running_mean.uniform_()
    old = model.state_dict()
    rules = {
        "seq_blocks_2": rule("output_only", 0.5),
        "seq_blocks_5": rule("both", 2),
        "seq_blocks_8": rule("input_only"),
    }
    new = state_of(model, rules, weights="inherit", seed=0)
    assert torch.equal(new["seq_blocks.2.weight"], old["seq_blocks.2.weight"][:4])
    assert torch.equal(new["seq_blocks.2.bias"], old["seq_blocks.2.bias"][:4])
    assert torch.equal(new["seq_blocks.3.running_mean"], old["seq_blocks.3.running_mean"][:4])
    assert torch.equal(new["seq_blocks.5.weight"][:8], old["seq_blocks.5.weight"][:, :4])
    assert torch.equal(new["seq_blocks.8.weight"][:, :8], old["seq_blocks.8.weight"])
    fresh = state_of(model, rules, seed=0)
    assert torch.equal(new["seq_blocks.5.weight"][8:], fresh["seq_blocks.5.weight"][8:])


def test_inherited_channels_keep_their_place_behind_flattening_and_concatenation() -> None:
    """Where every added channel is cut off again by zeros, the model computes what it did."""
    model = ConvNet().eval()
    rules = {"first": rule("output_only", 2), "second": rule("both", 2), "fc": rule("input_only")}
    graph, _ = redefine_transform_pass(MaseGraph(model), {"config": rules, "weights": "inherit"})
    made = graph.model
    with torch.no_grad():
        made.second.weight[:, 8:] = 0
        made.fc.weight[:, 64:] = 0  # channel c is the block of columns 16 c to 16 c + 15
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(made(x), model(x), atol=1e-6)
    side = Concatenated()
    rules = {"left": rule("output_only", 2), "right": rule("output_only", 0.5), "head": rule("input_only")}
    new = state_of(side, rules, weights="inherit")
    assert torch.equal(new["head.weight"][:, :4], side.head.weight[:, :4])
    assert torch.equal(new["head.weight"][:, 8:], side.head.weight[:, 4:7])


def test_mode_type_and_frozen_weights_are_kept() -> None:
    model = get_model("jsc-three-linear-relu").double().eval()
    model.seq_blocks[2].weight.requires_grad_(False)
    graph, _ = redefine_transform_pass(MaseGraph(model), {"config": LAB, "weights": "inherit"})
    layer = graph.model.get_submodule("seq_blocks.2")
    assert layer.weight.dtype == torch.float64 and not layer.training
    assert not layer.weight.requires_grad and layer.bias.requires_grad


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "toy": (lambda: get_model("jsc-toy"), (16,)),
    "three": (lambda: get_model("jsc-three-linear"), (16,)),
    "conv": (lambda: ConvNet(groups=2), (3, 8, 8)),
    "residual": (Residual, (16,)),
    "concatenated": (Concatenated, (16,)),
    "signal": (Signal, (2, 9)),
}
CACHED: dict[str, nn.Module] = {}


@st.composite
def wild_rules(draw: st.DrawFn, layers: list[str]) -> dict[str, Any]:
    """Anything for anyone: mostly refused."""
    kinds = st.sampled_from(["output_only", "both", "input_only", None])
    multipliers = st.sampled_from([0.25, 0.5, 1, 1.5, 2, 3, 0.1])
    parents = [st.sampled_from([None, None, None, *layers[:index]]) for index in range(len(layers))]
    return {
        layer: rule(draw(kinds), draw(multipliers), draw(parent))
        for layer, parent in zip(layers, parents, strict=True)
    }


@st.composite
def fitting_rules(draw: st.DrawFn, graph: MaseGraph, layers: list[str]) -> dict[str, Any]:
    """Inputs follow and outputs are multiplied: mostly taken."""
    norms = [layer for layer in layers if len(widths_of_nodes(graph)[layer]) == 1]
    resized = [layer for layer in layers if layer not in norms]
    first = [
        layer for layer in resized if layer in ("stem", "left", "right", "conv", "first", "seq_blocks_2")
    ]
    rules = {layer: rule(draw(st.sampled_from([None, "input_only"]))) for layer in norms}
    for layer in resized:
        kinds = ["output_only"] if layer in first else ["both", "both", "input_only"]
        rules[layer] = rule(draw(st.sampled_from(kinds)), draw(st.sampled_from([0.5, 1, 2, 3])))
    return rules


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(MODELS)), data=st.data())
def test_any_rules_give_a_model_that_runs_or_a_refusal(name: str, data: st.DataObject) -> None:
    build, shape = MODELS[name]
    model = CACHED.setdefault(name, build().eval())
    graph = MaseGraph(model)
    layers = [n.name for n in graph.nodes if n.name in widths_of_nodes(graph)]
    rules = data.draw(st.one_of(fitting_rules(graph, layers), wild_rules(layers)))
    before, text = copy.deepcopy(model.state_dict()), str(graph.fx_graph)
    modules = dict(graph.modules)
    weights = data.draw(st.sampled_from(["fresh", "inherit"]))
    try:
        graph, info = redefine_transform_pass(graph, {"config": rules, "weights": weights, "seed": 0})
    except ConfigError:
        assert all(graph.modules[key] is module for key, module in modules.items())
        assert text == str(graph.fx_graph)
    else:
        now = widths_of_nodes(graph)
        for node, pair in info["widths"].items():
            assert now[node] in (pair, pair[:1])
        old = widths_of_nodes(MaseGraph(model))
        for node, after in now.items():
            table = rules[node]["config"]
            if len(after) == 2:
                scaled = table["name"] in ("both", "output_only")
                assert after[1] == old[node][1] * (table["channel_multiplier"] if scaled else 1)
        assert graph.model(torch.randn(2, *shape)).shape[0] == 2
    assert same(before, dict(model.state_dict()))


def widths_of_nodes(graph: MaseGraph) -> dict[str, tuple[int, ...]]:
    by_target = widths_of(graph.model)
    return {
        n.name: by_target[n.target] for n in graph.nodes if n.op == "call_module" and n.target in by_target
    }


def test_some_random_rules_are_taken_and_some_refused() -> None:
    """The test above sees both outcomes."""
    graph = MaseGraph(get_model("jsc-three-linear"))
    redefine_transform_pass(
        graph, {"seq_blocks_2": rule("output_only", 0.5), "seq_blocks_3": rule("input_only", 3)}
    )
    with pytest.raises(ConfigError):
        redefine_transform_pass(graph, {"seq_blocks_2": rule("output_only", 0.5)})
