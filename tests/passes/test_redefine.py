"""The redefine pass: widths, parents, refusals that change nothing, metadata."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import Tensor, nn

from chop import MaseGraph
from chop.models import get_model
from chop.passes import PASSES
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    quantize_transform_pass,
    redefine_transform_pass,
    verify_common_metadata_analysis_pass,
)
from chop.tools.errors import ConfigError
from tests.passes.redefine_cases import (
    LAB,
    Concatenated,
    ConvNet,
    Residual,
    Signal,
    redefined,
    refusal,
    rule,
    widths_of,
)

IMAGE = torch.randn(2, 3, 8, 8)
MODEL = "jsc-three-linear-relu"


def test_the_labs_model_becomes_16_32_64_5() -> None:
    assert PASSES["redefine"] is redefine_transform_pass
    model = get_model("jsc-three-linear-relu")
    arguments = {"config": copy.deepcopy(LAB)}
    graph, info = redefine_transform_pass(MaseGraph(model), arguments)
    assert arguments == {"config": LAB}
    widths = {"seq_blocks_2": (16, 32), "seq_blocks_4": (32, 64), "seq_blocks_6": (64, 5)}
    assert info == {"widths": widths, "followed": [], "outputs": {}}
    assert widths_of(graph.model) == {"seq_blocks.0": (16,)} | {
        name.replace("s_", "s."): pair for name, pair in widths.items()
    }
    assert graph.model(torch.randn(7, 16)).shape == (7, 5)
    # The user's own model stays.
    assert [v for k, v in widths_of(model).items() if k != "seq_blocks.0"] == [(16, 16), (16, 16), (16, 5)]


def test_without_hidden_relus_and_parents_found_by_themselves() -> None:
    rules = {"seq_blocks_2": rule("output_only", 2), "seq_blocks_3": rule("both", 4)}
    model = redefined(get_model("jsc-three-linear"), **rules, seq_blocks_4=rule("input_only"))
    assert [v for k, v in widths_of(model).items() if k != "seq_blocks.0"] == [(16, 32), (32, 64), (64, 5)]
    assert model(torch.randn(3, 16)).shape == (3, 5)


def test_batch_norms_follow_and_fractions_are_fine() -> None:
    graph = MaseGraph(get_model("jsc-toy").eval())
    rules = {"seq_blocks_2": rule("output_only", 0.5), "seq_blocks_5": rule("both", 1.5)}
    graph, info = redefine_transform_pass(graph, {**rules, "seq_blocks_8": rule("input_only")})
    assert info["followed"] == ["seq_blocks_3", "seq_blocks_6"]
    assert info["widths"] == {
        "seq_blocks_2": (16, 4), "seq_blocks_3": (4, 4), "seq_blocks_5": (4, 12), "seq_blocks_6": (12, 12),
        "seq_blocks_8": (12, 5),
    }  # fmt: skip
    assert graph.model(torch.randn(3, 16)).shape == (3, 5)


def test_rules_on_batch_norms_and_relus() -> None:
    first = {"seq_blocks_2": rule("output_only", 2), "seq_blocks_5": rule("input_only")}
    for extra in (rule("both", 2, "seq_blocks_2"), rule("input_only"), rule("output_only", 2)):
        model = redefined(get_model("jsc-toy"), **first, seq_blocks_3=extra, seq_blocks_4=extra)
        assert widths_of(model)["seq_blocks.3"] == (16,)
        assert model.get_submodule("seq_blocks.4").inplace
    for node in ("seq_blocks_3", "seq_blocks_4"):
        message = refusal(get_model("jsc-toy"), **first, **{node: rule("output_only", 3)})
        assert "seq_blocks_2 gives 16" in message and f"{node} would take 24" in message


def test_convolutions_pools_flattening_dropout() -> None:
    rules = {"first": rule("output_only", 2), "second": rule("both", 3), "fc": rule("both", 0.5)}
    model = redefined(ConvNet(), **rules, last=rule("input_only", parent="drop"))
    assert widths_of(model) == {
        "first": (3, 16), "norm": (16,), "second": (16, 12), "fc": (192, 3), "last": (3, 5),
    }  # fmt: skip
    assert model(IMAGE).shape == (2, 5)
    signal = redefined(Signal(), conv=rule("output_only", 0.5), head=rule("input_only"))
    assert widths_of(signal) == {"conv": (2, 3), "norm": (3,), "head": (3, 5)}
    assert signal(torch.randn(4, 2, 9)).shape == (4, 5)


def test_groups_are_respected() -> None:
    rules = {"first": rule("output_only", 0.5), "fc": rule("input_only")}
    model = redefined(ConvNet(groups=4), **rules, second=rule("both", 2))
    assert model.second.groups == 4 and model.second.weight.shape == (8, 1, 3, 3)
    assert model(IMAGE).shape == (2, 5)
    message = refusal(ConvNet(groups=4), first=rule("output_only", 0.75), second=rule("both", 1))
    assert "second is a convolution in 4 groups" in message and "6 channels" in message


def test_residual_and_concatenation() -> None:
    both = {"stem": rule("output_only", 2), "branch": rule("both", 2), "head": rule("input_only")}
    assert redefined(Residual(), **both)(torch.randn(2, 16)).shape == (2, 5)
    message = refusal(Residual(), **{**both, "branch": rule("both", 3)})
    assert "node add" in message and "stem" in message and "16 channels" in message
    assert "branch with 24" in message
    rules = {"left": rule("output_only", 2), "right": rule("output_only", 0.5), "head": rule("input_only")}
    model = redefined(Concatenated(), **rules)
    assert widths_of(model)["head"] == (11, 5) and model(torch.randn(2, 16)).shape == (2, 5)


def test_a_second_call_multiplies_again_and_by_pattern() -> None:
    graph = MaseGraph(get_model(MODEL))
    config = {
        "by": "regex_name",
        "seq_blocks_2": rule("output_only", 2),
        "seq_blocks_[46]": rule("input_only"),
    }
    for width in (32, 64):
        graph, info = redefine_transform_pass(graph, {"config": config})
        assert info["widths"]["seq_blocks_4"] == (width, 16)


def test_the_inputs_own_multiplier_is_told_to_be_idle(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = redefined(
            get_model(MODEL), seq_blocks_2=rule("output_only", 2), seq_blocks_4=rule("input_only", 3)
        )
    assert widths_of(model)["seq_blocks.4"] == (32, 16)
    assert "seq_blocks_4 takes the multiplier 2 of seq_blocks_2" in caplog.text


def with_metadata(model: nn.Module, x: Tensor, values: bool) -> MaseGraph:
    graph, _ = init_metadata_analysis_pass(MaseGraph(model))
    name = next(node.name for node in graph.nodes)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {name: x}, "add_value": values})
    return add_software_metadata_analysis_pass(graph)[0]


@pytest.mark.parametrize("values", [True, False])
def test_metadata_tell_the_new_widths(values: bool) -> None:
    graph = with_metadata(get_model(MODEL), torch.randn(3, 16), values)
    node = next(n for n in graph.nodes if n.name == "seq_blocks_4")
    node.meta["mase"]["software"]["args"]["weight"]["stat"] = {"old": 1}
    redefine_transform_pass(graph, {"config": LAB})
    common = node.meta["mase"]["common"]
    assert common["args"]["data_in_0"]["shape"] == [3, 32] and common["args"]["weight"]["shape"] == [64, 32]
    assert common["results"]["data_out_0"]["shape"] == [3, 64]
    assert ("value" in common["args"]["weight"]) is values
    assert node.meta["mase"].module is graph.model.get_submodule("seq_blocks.4")
    assert node.meta["mase"]["software"]["args"]["weight"]["stat"] == {}
    verify_common_metadata_analysis_pass(graph)


def test_what_only_a_run_can_tell_is_refused_and_undone() -> None:
    class Rows(
        nn.Module
    ):  # batch norm on axis 1 of [N, 4, 8] reads other channels than the linear layer makes
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.norm(self.a(x)))

    graph = with_metadata(Rows().eval(), torch.randn(2, 4, 4), False)
    before = dict(graph.modules)
    with pytest.raises(ConfigError, match=r"a.*norm"):
        redefine_transform_pass(graph, {"a": rule("output_only", 2), "b": rule("input_only")})
    assert all(graph.modules[name] is module for name, module in before.items())


def test_a_quantized_graph_stays_quantized() -> None:
    graph = MaseGraph(get_model(MODEL).eval())
    integer = {
        "name": "integer",
        "data_in_width": 8,
        "data_in_frac_width": 4,
        "weight_width": 6,
        "weight_frac_width": 3,
    }
    quantize_transform_pass(
        graph, {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": integer}}
    )
    redefine_transform_pass(graph, {"config": LAB})
    layer = graph.model.get_submodule("seq_blocks.4")
    assert type(layer).__name__ == "LinearInteger" and layer.weight.shape == (64, 32)
    assert graph.model(torch.randn(2, 16)).shape == (2, 5)
    quantize_transform_pass(graph, {"by": "type", "default": {"config": {"name": None}}})
    back = graph.model.get_submodule("seq_blocks.4")
    assert type(back) is nn.Linear and torch.equal(back.weight, layer.weight)


class Depthwise(nn.Module):
    def __init__(self, multiplier: int = 1) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.dw = nn.Conv2d(4, 4 * multiplier, 3, padding=1, groups=4)
        self.b = nn.Conv2d(4 * multiplier, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.dw(self.a(x))).mean((2, 3))


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("factor", [2, 0.5])
def test_a_depthwise_convolution_stays_depthwise_or_is_refused(multiplier: int, factor: float) -> None:
    rules = {"a": rule("output_only", factor), "b": rule("input_only")}
    model = redefined(Depthwise(multiplier), **rules, dw=rule("both", factor))
    assert model.dw.groups == model.dw.in_channels == int(4 * factor)
    assert model.dw.weight.shape == (int(4 * factor) * multiplier, 1, 3, 3)
    assert model(IMAGE).shape == (2, 5)
    wider = redefined(Depthwise(), dw=rule("output_only", 3), b=rule("input_only"))
    assert wider.dw.groups == 4 and wider.dw.out_channels == 12
    message = refusal(Depthwise(), a=rule("output_only", 3), dw=rule("input_only"))
    assert "dw is a convolution in 12 groups" in message and "4 channels" in message


class Joined(nn.Module):
    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.a, self.twice = nn.Linear(6, 8), twice
        self.head = nn.Linear(16 if twice else 14, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.a(x))
        return self.head(torch.relu(torch.cat([h, h] if self.twice else [h, x], 1)))


@pytest.mark.parametrize("twice", [False, True])
def test_what_is_joined_with_itself_or_with_the_input(twice: bool) -> None:
    x = torch.randn(3, 6)
    model = redefined(Joined(twice), a=rule("output_only", 2), head=rule("input_only"))
    assert model.head.in_features == (32 if twice else 22) and model(x).shape == (3, 5)
    before = Joined(twice)
    graph, _ = redefine_transform_pass(
        MaseGraph(before),
        {"config": {"a": rule("output_only", 2), "head": rule("input_only")}, "weights": "inherit"},
    )
    with torch.no_grad():
        graph.model.a.weight[8:] = 0
        graph.model.a.bias[8:] = 0
    torch.testing.assert_close(graph.model(x), before(x))
