"""The models by name: their layers, their nodes as MASE's, their shipped weights."""

import json
import warnings

import pytest
import torch
from torch import nn

from chop.dataset import MaseDataModule, get_dataset_info
from chop.models import PHYSICAL_MODELS, MaseModelInfo, get_model, get_model_info
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError
from chop.training.scores import evaluate

PARAMETERS = {  # counted by hand from the layers
    "jsc-tiny": 32 + 85,
    "jsc-toy": 32 + (136 + 16) + (72 + 16) + (45 + 10),
    "jsc-s": 32 + (1088 + 128) + 2080 + 1056 + 1056 + (165 + 10),
    "jsc-three-linear": 32 + 272 + 272 + 85,
    "jsc-three-linear-relu": 32 + 272 + 272 + 85,
    "jsc-linear": 85,
    "jsc-mlp": 1088 + 2080 + 1056 + 165,
}
# Floors a little under what each scores on the synthetic test rows.
SYNTHETIC_FLOOR = {
    "jsc-tiny": 0.68,
    "jsc-toy": 0.72,
    "jsc-s": 0.78,
    "jsc-three-linear": 0.68,
    "jsc-three-linear-relu": 0.73,
    "jsc-linear": 0.66,
    "jsc-mlp": 0.79,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_size_and_output(name):
    model = get_model(name, task="cls", dataset_info=get_dataset_info("jsc"))
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert model.eval()(torch.randn(7, 16)).shape == (7, 5)
    info = get_model_info(name)
    assert info.physical_data_point_classification and info.is_fx_traceable and info.is_physical_model


REFERENCE = {
    "jsc-tiny": "jsc-tiny",
    "jsc-toy": "jsc-toy",
    "jsc-s": "jsc-s",
    "jsc-three-linear-relu": "three-linear",
}


@pytest.mark.parametrize("name", REFERENCE)
def test_layers_names_and_outputs_are_those_recorded(name, shared_dir):
    import numpy as np

    stem = shared_dir / "reference" / "metadata" / REFERENCE[name]
    arrays = np.load(stem.with_suffix(".npz"))
    model = get_model(name).eval()
    state = {k[3:]: torch.from_numpy(arrays[k]) for k in arrays.files if k.startswith("sd.")}
    model.load_state_dict(state)
    nodes = json.loads(stem.with_suffix(".json").read_text())["before"]["nodes"]
    layers = [(node["name"], node["actual_target_type"]) for node in nodes if node["op"] == "call_module"]
    traced = torch.fx.symbolic_trace(model)
    assert layers == [
        (n.name, type(traced.get_submodule(n.target)).__name__)
        for n in traced.graph.nodes
        if n.op == "call_module"
    ]
    with torch.no_grad():
        output = model(torch.from_numpy(arrays["x"]).clone())
    np.testing.assert_allclose(output.numpy(), arrays["y_float"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PARAMETERS)
def test_shipped_weights(name):
    model = get_model(name, pretrained=True)
    data = MaseDataModule("jsc-synth", 2048)
    score = evaluate(model, data.test_dataloader(), 5, torch.device("cpu"))
    assert score.accuracy > SYNTHETIC_FLOOR[name]
    assert score.rows == 30_000


def test_other_sizes_from_a_mapping():
    model = get_model("jsc-s", dataset_info={"num_features": 3, "num_classes": 2})
    assert model.eval()(torch.zeros(4, 3)).shape == (4, 2)
    with pytest.raises(ConfigError, match="does not fit"):
        get_model("jsc-s", dataset_info={"num_features": 3, "num_classes": 2}, pretrained=True)


def test_users_add_entries():
    def build(info):
        return nn.Sequential(nn.Linear(info.num_features, info.num_classes))

    info = MaseModelInfo(
        "mine",
        model_source="physical",
        task_type="physical",
        physical_data_point_classification=True,
        is_fx_traceable=True,
    )
    PHYSICAL_MODELS["mine"] = {"model": build, "info": info}
    try:
        assert get_model("mine", dataset_info=get_dataset_info("jsc-synth"))[0].in_features == 16
        assert get_model_info("mine") is info
        with pytest.raises(ConfigError, match="no weights ship for model 'mine'"):
            get_model("mine", dataset_info=get_dataset_info("jsc-synth"), pretrained=True)
        with pytest.raises(ValueError, match="already registered"):
            PHYSICAL_MODELS["mine"] = {}
    finally:
        del PHYSICAL_MODELS["mine"]


def test_bad_input():
    with pytest.raises(UnknownNameError, match=r"model 'jsc-tinny' is not known .did you mean 'jsc-tiny'"):
        get_model("jsc-tinny")
    with pytest.raises(ValueError, match="not known"):
        get_model_info("resnet18")
    with pytest.raises(ConfigError, match="task"):
        get_model("jsc-tiny", task="translation")
    with pytest.raises(ConfigError, match="quant_config"):
        get_model("jsc-tiny", quant_config={"by": "type"})
    with pytest.raises(FileNotFoundError, match=r"a\.onnx does not exist"):
        get_model("jsc-tiny", checkpoint="a.onnx")


def test_building_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in PARAMETERS:
            get_model(name)
