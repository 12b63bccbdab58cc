"""Real images through the whole package: shipped weights, every configuration, exports, training."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch

import chop
from chop.cli.app import main
from chop.dataset import MaseDataModule, get_dataset_info
from chop.models import get_model
from chop.nn.quantizers import integer_quantizer
from chop.passes.graph import quantize_transform_pass
from chop.tools.errors import ConfigError
from chop.training import fit
from tests.export.models import config

PARAMETERS = {"digits-cnn": 80 + 1168 + 650, "digits-mlp": 2080 + 330}
FLOOR = {"digits-cnn": 0.97, "digits-mlp": 0.95}


@pytest.fixture(scope="module")
def data() -> MaseDataModule:
    return MaseDataModule("digits", batch_size=64)


@pytest.mark.parametrize("name", PARAMETERS)
def test_shipped_weights(name: str, data: MaseDataModule) -> None:
    model = get_model(name, dataset_info=get_dataset_info("digits"), pretrained=True)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert chop.Evaluator(model.eval(), *data.arrays("test")).evaluate().accuracy > FLOOR[name]


def test_models_take_the_size_of_the_data() -> None:
    info = {"image_size": (3, 16, 12), "num_classes": 4}
    for name in (*PARAMETERS, "toy_convnet"):
        assert get_model(name, dataset_info=info).eval()(torch.zeros(2, 3, 16, 12)).shape == (2, 4)
    with pytest.raises(ConfigError, match="does not fit"):
        get_model("digits-cnn", dataset_info=info, pretrained=True)


def test_every_configuration_of_the_example_is_the_torch_models(data: MaseDataModule, repo_dir: Path) -> None:
    example = tomllib.loads((repo_dir / "configs/examples/digits_search.toml").read_text())
    seed = example["search"]["search_space"]["seed"]
    seed["conv1"]["config"]["weight_frac_width"] = [2]  # a twelfth of the example
    seed["conv2"]["config"] |= {"data_in_width": [6], "weight_width": [3, 6]}
    x, y = data.arrays("val")
    model = get_model("digits-cnn", pretrained=True).eval()
    ev = chop.Evaluator(model, x, y)
    assert not ev.torch_nodes
    report = chop.search.sweep(
        ev, example["search"]["search_space"], {"accuracy": "maximize", "ebops": "minimize"}
    )
    assert report.configurations == 4 * (2 * 2 * 2) * (2 * 2 * 3 * 3)
    assert max(point["accuracy"] for point in report.front) > 0.96
    for point in report.front[:: max(1, len(report.front) // 3)]:
        graph, _ = quantize_transform_pass(chop.MaseGraph(model), point["config"])
        with torch.no_grad():
            logits = graph.model(x)
        assert torch.equal(logits, ev.forward(point["config"]))
        assert ev.certificate(point["config"]).exact


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *(("digits-cnn", target) for target in ("integers", "cpp", "onnx", "qonnx")),
        ("digits-mlp", "integers"),
    ],
)
def test_exports_run_elsewhere_with_equal_results(
    name: str, target: str, data: MaseDataModule, tmp_path: Path
) -> None:
    ev = chop.Evaluator(get_model(name, pretrained=True).eval(), *data.arrays("test"))
    settings = config((6, 4), (5, 3), bias_width=8, bias_frac_width=5)
    done = chop.export(ev, settings, target, tmp_path / target)
    assert done.equal, str(done)


def test_the_core_trains_the_perceptron(tmp_path: Path) -> None:
    options = ["--max-epochs", "8", "--batch-size", "32", "--learning-rate", "1e-2", "--accelerator", "cpu"]
    main(["train", "digits-mlp", "digits", *options, "--project-dir", str(tmp_path), "--project", "mlp"])
    best = tmp_path / "mlp/software/training_ckpts/best.ckpt"
    x, y = MaseDataModule("digits", 64).arrays("test")
    ev = chop.Evaluator(get_model("digits-mlp", checkpoint=best).eval(), x, y)
    assert ev.evaluate().accuracy > 0.9


@pytest.mark.parametrize("engine", ["auto", "lightning"])
def test_training_the_cnn(engine: str, tmp_path: Path) -> None:
    options = ["--max-epochs", "3", "--batch-size", "32", "--learning-rate", "1e-2", "--accelerator", "cpu"]
    options += ["--engine", engine, "--project-dir", str(tmp_path), "--project", "cnn"]
    main(["train", "digits-cnn", "digits", *options])
    best = tmp_path / "cnn/software/training_ckpts/best.ckpt"
    trained_by = torch.load(best, weights_only=True)["chop_run"]["engine"]
    assert trained_by == ("native" if engine == "auto" else "lightning")
    x, y = MaseDataModule("digits", 64).arrays("test")
    ev = chop.Evaluator(get_model("digits-cnn", checkpoint=best).eval(), x, y)
    assert ev.evaluate().accuracy > 0.85


def test_a_quantized_cnn_that_the_core_trained_is_the_same_everywhere(tmp_path: Path) -> None:
    data, settings = MaseDataModule("digits", 32), config((6, 4), (4, 3), bias_width=8, bias_frac_width=5)
    x, y = data.arrays("test")
    model = get_model("digits-cnn", pretrained=True)
    before = chop.Evaluator(model.eval(), x, y).evaluate(settings)
    graph, _ = quantize_transform_pass(chop.MaseGraph(model), settings)
    result = fit(
        graph,
        data,
        classes=10,
        learning_rate=1e-3,
        trainer_args={"max_epochs": 3, "accelerator": "cpu"},
        save_path=tmp_path,
        engine="native",
        bar=False,
    )
    assert result["engine"] == "native"
    with torch.no_grad():
        logits = graph.model.eval()(x)
    trained = get_model("digits-cnn", checkpoint=tmp_path / "last.ckpt").eval()
    ev = chop.Evaluator(trained, x, y)
    assert torch.equal(ev.forward(settings), logits)
    assert ev.evaluate(settings).loss < before.loss


def test_six_bits_hold_the_pixels_and_five_do_not(data: MaseDataModule) -> None:
    x, _ = data.arrays("test")
    assert torch.equal(integer_quantizer(x, 6, 4), x)
    assert not torch.equal(integer_quantizer(x, 5, 4), x)  # 1.0 saturates at 15/16
