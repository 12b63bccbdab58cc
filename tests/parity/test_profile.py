"""The profile pass against recorded runs of MASE: every run, in order, and the printed reports."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest
import torch

from chop.ir.graph import MaseGraph
from chop.models.physical.jet_substructure import JSC_Tiny, JSC_Toy
from chop.passes import (
    add_common_metadata_analysis_pass,
    add_software_metadata_analysis_pass,
    init_metadata_analysis_pass,
    profile_statistics_analysis_pass,
    report_node_meta_param_analysis_pass,
)
from tests.parity.recorded_models import Conv1dResidual


class _Sizes:
    num_features, num_classes = 16, 5


def state_of(arrays, prefix):
    return {k[len(prefix) :]: torch.from_numpy(v) for k, v in arrays.items() if k.startswith(prefix)}


def analysed(model, dummy):
    graph, _ = init_metadata_analysis_pass(MaseGraph(model))
    add_common_metadata_analysis_pass(graph, {"dummy_in": {"x": dummy}})
    return add_software_metadata_analysis_pass(graph)[0]


def stream(batches):
    yield from ({"x": batch} for batch in batches)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_recorded_runs(shared_dir, mode):
    folder = shared_dir / "reference"
    record = json.loads((folder / "profile.json").read_text())
    with np.load(folder / "profile.npz") as file:
        arrays = dict(file)
    model = JSC_Tiny(_Sizes).train(mode == "train")
    batches = [torch.from_numpy(arrays[f"{mode}.batch.{i}"]) for i in range(6)]
    runs = [name for name in record["order"] if name.startswith(mode)]
    assert len(runs) == 2
    for name in runs:
        expected = record["runs"][name]
        before = state_of(arrays, f"{name}.sd_before.")
        model.load_state_dict(before)
        graph = analysed(model, torch.from_numpy(arrays[f"{mode}.dummy"]))
        pass_args = {**expected["pass_args"], "input_generator": stream(batches)}
        kept = copy.copy(pass_args)
        graph, info = profile_statistics_analysis_pass(graph, pass_args)
        assert info == expected["pass_info"] and pass_args == kept
        for node in graph.nodes:
            compare(node.meta["mase"]["software"], expected["software"][node.name], [name, node.name])
        # MASE leaves batch norm's buffers changed in train mode; here they are put back.
        after = model.state_dict()
        assert all(torch.equal(after[key], before[key]) for key in before)


def compare(found, expected, where):
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        if "variance_online" in expected and "record" in expected:
            expected = with_unbiased_variance(expected)
        for key in expected:
            compare(found[key], expected[key], [*where, key])
    elif isinstance(expected, (list, float)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=str(where))
    else:
        assert found == expected, where


def with_unbiased_variance(stats):
    """MASE's online variance depends on how the data were cut; the recorded data tell the true one."""
    data = np.array(stats["record"]["data"])
    online = stats["variance_online"]
    assert online["count"] == data.size
    assert online["variance"] == pytest.approx(variance_of_batches(np.split(data, len(data))), rel=1e-5)
    return {**stats, "variance_online": {**online, "variance": data.var(ddof=1)}}


def variance_of_batches(batches):
    """MASE's: each batch's size times its unbiased variance, plus the steps, divided by the total."""
    total, mean, squares = 0, 0.0, 0.0
    for x in batches:
        delta = x.mean() - mean
        squares += x.size * x.var(ddof=1) + delta**2 * total * x.size / (total + x.size)
        mean += delta * x.size / (total + x.size)
        total += x.size
    return squares / total


MODELS = {"jsc-tiny": JSC_Tiny, "jsc-toy": JSC_Toy, "conv1d-residual": lambda _: Conv1dResidual()}
LAB2 = {
    "by": "type",
    "target_weight_nodes": ["linear"],
    "target_activation_nodes": ["relu"],
    "weight_statistics": {"variance_precise": {"device": "cpu", "dims": "all"}},
    "activation_statistics": {"range_quantile": {"device": "cpu", "dims": "all", "quantile": 0.97}},
    "num_samples": 32,
}


@pytest.mark.parametrize("name", MODELS)
def test_printed_report(shared_dir, tmp_path, name):
    folder = shared_dir / "reference" / "text"
    with np.load(folder / f"{name}.npz") as file:
        arrays = dict(file)
    model = MODELS[name](_Sizes)
    model.load_state_dict(state_of(arrays, "sd."))
    batches = [torch.from_numpy(v) for k, v in arrays.items() if k.startswith("batch")]
    graph = analysed(model.eval(), torch.from_numpy(arrays["dummy"]))
    profile_statistics_analysis_pass(graph, {**LAB2, "input_generator": stream(batches)})
    path = tmp_path / "report.txt"
    report_node_meta_param_analysis_pass(graph, {"which": ("software",), "save_path": path})
    expected = (folder / f"report_node_meta_param.{name}.software-profiled.txt").read_text()
    compare_texts(path.read_text(), expected)


def compare_texts(found, expected):
    """Equal in every word, and in the numbers to the precision of float32; columns may differ in width."""
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    words = [re.sub(r"[\s|+=-]+", " ", number.sub("#", text)) for text in (found, expected)]
    assert words[0] == words[1]
    numbers = [[float(n) for n in number.findall(text)] for text in (found, expected)]
    assert len(numbers[0]) > 4
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=2e-5)
